/**
 * As much of fetch's `Headers` and `Response` as the API and Hono use of them. Node's own come with a whole HTTP client and
 * WebSockets (undici), which take 15 MB in every process that touches one of them.
 */

/** Headers by lower-case name; of one name there is one value. */
export class LightHeaders implements Iterable<[string, string]> {
  readonly #values = new Map<string, string>();

  constructor(from: Iterable<readonly [string, string]> | Readonly<Record<string, string>> = {}) {
    const pairs = Symbol.iterator in from ? from : Object.entries(from);
    for (const [name, value] of pairs) this.set(name, value);
  }

  get(name: string): string | null {
    return this.#values.get(name.toLowerCase()) ?? null;
  }

  has(name: string): boolean {
    return this.#values.has(name.toLowerCase());
  }

  set(name: string, value: string): void {
    this.#values.set(name.toLowerCase(), value);
  }

  append(name: string, value: string): void {
    const before = this.get(name);
    this.set(name, before === null ? value : `${before}, ${value}`);
  }

  delete(name: string): void {
    this.#values.delete(name.toLowerCase());
  }

  forEach(visit: (value: string, name: string) => void): void {
    for (const [name, value] of this) visit(value, name);
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.#values.entries();
  }
}

interface LightInit {
  readonly status?: number;
  readonly headers?: ConstructorParameters<typeof LightHeaders>[0];
}

/** An answer with a text, a stream of bytes, or nothing as its body. */
export class LightResponse {
  readonly status: number;
  readonly headers: LightHeaders;
  /** The body when it is there as a whole. */
  readonly whole: string | null;
  readonly #stream: ReadableStream<Uint8Array> | undefined;

  constructor(body?: string | ReadableStream<Uint8Array> | null, { status = 200, headers }: LightInit = {}) {
    this.status = status;
    this.headers = new LightHeaders(headers);
    this.whole = typeof body === "string" ? body : null;
    this.#stream = typeof body === "object" && body !== null ? body : undefined;
    if (this.whole !== null && !this.headers.has("content-type"))
      this.headers.set("content-type", "text/plain;charset=UTF-8");
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  get body(): ReadableStream<Uint8Array> | null {
    return this.#stream ?? (this.whole === null ? null : new Blob([this.whole]).stream());
  }

  async text(): Promise<string> {
    if (this.#stream === undefined) return this.whole ?? "";
    const decoder = new TextDecoder();
    let text = "";
    for await (const piece of this.#stream) text += decoder.decode(piece, { stream: true });
    return text + decoder.decode();
  }
}

/** Has this process use these in place of Node's, which are then never loaded. Before anything asks for Node's. */
export function useLightWeb(): void {
  Object.assign(globalThis, { Headers: LightHeaders, Response: LightResponse });
}
