/**
 * An answer, as much of fetch's `Response` as a client needs: making a real one loads all of fetch, which takes longer than
 * everything else that a short command does.
 */
export interface Answer {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  /** Null without one. It can be read once, in this way or by `text`. */
  readonly body: AsyncIterable<Uint8Array> | null;
  text(): Promise<string>;
}
