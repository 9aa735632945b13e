import type { Change, Entry, Revision } from "../store.ts";
import { keyOf } from "../table.ts";

/** Commits that are made durable together: one flush of the disk for all. */
export class Group {
  readonly changes: Change[] = [];
  /** The last state of each key that was changed; undefined for one that was deleted. */
  readonly entries = new Map<string, Entry | undefined>();
  /** Takes each step back, to be called from the last to the first. */
  readonly undo: (() => void)[] = [];
  /** Resolves when all of it is durable; rejects with the Fault to give to everybody who waits. */
  readonly durable: Promise<void>;
  revision: Revision;
  commits = 0;
  /** About what the changes take, in UTF-16 units. */
  size = 0;
  readonly #resolve: () => void;
  readonly #reject: (error: unknown) => void;

  constructor(revision: Revision) {
    this.revision = revision;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.durable = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    // A group may hold only what nobody waits for, such as a lease that ran out.
    promise.catch(() => undefined);
  }

  add(changes: readonly Change[], revision: Revision, undo: () => void): void {
    this.undo.push(undo);
    this.revision = revision;
    this.commits += 1;
    for (const change of changes) {
      this.changes.push(change);
      const key = keyOf(change);
      const entry = change.kind === "put" ? change.entry : undefined;
      this.entries.set(key, entry);
      this.size += key.length + (entry?.value.length ?? 0);
    }
  }

  succeed(): void {
    this.#resolve();
  }

  /** Takes everything back and tells everybody who waits. */
  fail(error: unknown): void {
    for (const step of this.undo.toReversed()) step();
    this.#reject(error);
  }
}
