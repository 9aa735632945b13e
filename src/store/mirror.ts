import { assert } from "../lib/assert.ts";
import { pauseMs, type Backoff } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { isFault, sentenceOf } from "../lib/fault.ts";
import { OrderedMap } from "./ordered-map.ts";
import type { Change, ChangeBatch, Entry, KeyRange, Revision, Snapshot, Store } from "./store.ts";

/** How long a mirror that lost the store waits before it tries again. */
const reconnectBackoff: Backoff = { firstMs: 100, mostMs: 5_000 };

/** An in-memory copy of one range of the store that a watch keeps up to date. */
export interface Mirror {
  /** The entries as of `revision`, in key order; changes in place, just before subscribers hear of it. */
  readonly entries: MirrorEntries;

  /** The last revision that the copy has seen; 0 before the first read. */
  readonly revision: Revision;

  /** Resolves when the range was read for the first time; rejects with the signal's reason if that comes first. */
  readonly ready: Promise<void>;

  /**
   * On `env.clock.monotonic()`, when the present unbroken connection to the store began; undefined while it is
   * broken: the copy then shows the past.
   */
  readonly syncedSinceMs: number | undefined;

  /** Why the connection is broken; undefined while it is not. */
  readonly problem: string | undefined;

  /**
   * Calls `listener` after each change of the copy or of `syncedSinceMs`; returns what ends the subscription.
   * A listener that throws is logged and stays subscribed.
   */
  subscribe(listener: MirrorListener): () => void;

  /**
   * Resolves when the copy holds `revision`; rejects with the reason of `signal` or of the mirror's own signal.
   * Ask only for revisions that changed the range and were committed before: the store does not report the others. Resolves as well
   * when the range was read whole after the call, since that shows all that was committed before, even when the revision is
   * one of a store that another has taken the place of.
   */
  reached(revision: Revision, signal: AbortSignal): Promise<void>;
}

/** A read-only map that can be walked in key order. */
export interface MirrorEntries extends Iterable<[string, Entry]> {
  readonly size: number;
  get(key: string): Entry | undefined;
  has(key: string): boolean;
  /** Keys and entries of a smaller range, in key order; must not be walked across an `await`. */
  within(range: KeyRange): IterableIterator<[string, Entry]>;
  /** Every key, in key order. */
  keys(): IterableIterator<string>;
}

/**
 * Hears of one batch: what changed, in order. `fresh` when the range was read as a whole (at first, after an outage
 * or a compaction) and the changes are the differences to the copy before. No changes: only `syncedSinceMs` changed.
 */
export type MirrorListener = (changes: readonly Change[], fresh: boolean) => void;

/** Starts to copy a range, until `signal` is aborted. Entries outlive the abort, but change no more. */
export function openMirror(env: Env, store: Store, range: KeyRange, signal: AbortSignal): Mirror {
  const mirror = new RangeMirror(env, store, range, signal);
  void mirror.run();
  return mirror;
}

interface Waiter {
  readonly revision: Revision;
  readonly resolve: () => void;
}

class RangeMirror implements Mirror {
  readonly entries = new OrderedMap<Entry>();
  revision: Revision = 0;
  syncedSinceMs: number | undefined;
  problem: string | undefined = "The store was not read yet.";
  readonly ready: Promise<void>;

  readonly #env: Env;
  readonly #store: Store;
  readonly #range: KeyRange;
  readonly #signal: AbortSignal;
  readonly #listeners = new Set<MirrorListener>();
  readonly #waiters = new Set<Waiter>();
  #hasRead = false;
  #failures = 0;

  constructor(env: Env, store: Store, range: KeyRange, signal: AbortSignal) {
    this.#env = env;
    this.#store = store;
    this.#range = range;
    this.#signal = signal;
    this.ready = this.reached(1, signal);
    // Whoever does not ask for `ready` shall not be ended by its rejection.
    this.ready.catch(() => undefined);
  }

  subscribe(listener: MirrorListener): () => void {
    // Each subscription is its own, even of one listener.
    const own: MirrorListener = (changes, fresh) => listener(changes, fresh);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  async reached(revision: Revision, signal: AbortSignal): Promise<void> {
    if (this.revision >= revision) return;
    const either = signal === this.#signal ? signal : AbortSignal.any([signal, this.#signal]);
    either.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { revision, resolve };
    const abort = (): void => reject(either.reason);
    either.addEventListener("abort", abort, { once: true });
    this.#waiters.add(waiter);
    try {
      await promise;
    } finally {
      this.#waiters.delete(waiter);
      either.removeEventListener("abort", abort);
    }
  }

  /** Reads and follows the range again and again; ends when the signal is aborted, and never rejects. */
  async run(): Promise<void> {
    while (!this.#signal.aborted) {
      try {
        await this.#follow();
      } catch (error) {
        await this.#recover(error);
      }
    }
    this.#lose("The mirror was ended.");
  }

  /** Reads the range, then follows its changes until something breaks. */
  async #follow(): Promise<never> {
    const waiters = [...this.#waiters];
    const snapshot = await this.#store.read(this.#range);
    const { revision, storeId } = snapshot;
    this.#signal.throwIfAborted();
    this.#adopt(snapshot);
    // Who waited before the read began waits for what happened before it: if that revision is higher, it is one of a store
    // that this one has taken the place of.
    for (const waiter of waiters) waiter.resolve();
    for await (const batch of this.#store.watch(this.#range, revision, this.#signal, storeId))
      this.#advance(batch);
    assert(this.#signal.aborted, "a watch ends by throwing");
    throw this.#signal.reason;
  }

  async #recover(error: unknown): Promise<void> {
    if (this.#signal.aborted) return;
    const { syncedSinceMs } = this;
    const wasQuietButWell =
      syncedSinceMs !== undefined && this.#env.clock.monotonic() - syncedSinceMs > reconnectBackoff.mostMs;
    this.#failures = wasQuietButWell ? 1 : this.#failures + 1;
    if (this.#failures === 1 && this.#hasRead) {
      this.#env.log.info(`Lost the watch on ${this.#range.from}, reading again.`, { why: sentenceOf(error) });
    } else if (this.#failures === 2) {
      this.#env.log.warning(`Cannot follow ${this.#range.from}, trying again until it works.`, {
        why: sentenceOf(error),
      });
    }
    // The store answers, it only forgot the past: the copy is as good as connected, and read again at once.
    if (isFault(error, "store-compacted") && this.#failures === 1) return;
    this.#lose(sentenceOf(error));
    const pause = pauseMs(reconnectBackoff, this.#failures, this.#env.random());
    try {
      await this.#env.clock.sleep(pause, this.#signal);
    } catch (reason) {
      if (!this.#signal.aborted) throw reason;
    }
  }

  #adopt(snapshot: Snapshot): void {
    const changes = differences(this.entries, snapshot);
    const wasSynced = this.syncedSinceMs !== undefined;
    this.syncedSinceMs ??= this.#env.clock.monotonic();
    this.problem = undefined;
    this.#hasRead = true;
    this.#apply({ revision: snapshot.revision, changes }, true, !wasSynced);
  }

  #advance(batch: ChangeBatch): void {
    this.#failures = 0;
    this.#apply(batch, false, false);
  }

  #lose(problem: string): void {
    this.problem = problem;
    if (this.syncedSinceMs === undefined) return;
    this.syncedSinceMs = undefined;
    this.#tell([], false);
  }

  #apply(batch: ChangeBatch, fresh: boolean, tellAnyway: boolean): void {
    for (const change of batch.changes) {
      if (change.kind === "put") this.entries.set(change.entry.key, change.entry);
      else this.entries.delete(change.key);
    }
    this.revision = batch.revision;
    if (batch.changes.length > 0 || tellAnyway) this.#tell(batch.changes, fresh);
    for (const waiter of this.#waiters) if (waiter.revision <= this.revision) waiter.resolve();
  }

  #tell(changes: readonly Change[], fresh: boolean): void {
    // A copy: whoever subscribes while it is told has read the copy as it is now.
    const listeners = Array.from(this.#listeners);
    for (const listener of listeners) {
      try {
        listener(changes, fresh);
      } catch (error) {
        this.#env.log.error(`A listener on ${this.#range.from} failed.`, { why: sentenceOf(error) });
      }
    }
  }
}

/** What turns the copy into the snapshot: deletions first, then what is new or was changed, in key order. */
function differences(entries: OrderedMap<Entry>, snapshot: Snapshot): Change[] {
  const present = new Set(snapshot.entries.map((entry) => entry.key));
  const changes: Change[] = [];
  for (const key of entries.keys()) {
    // When exactly it was deleted is gone; it was at this revision at the latest.
    if (!present.has(key)) changes.push({ kind: "delete", key, modRevision: snapshot.revision });
  }
  for (const entry of snapshot.entries) {
    const known = entries.get(entry.key);
    // The value too: a store brought back from a backup counts its revisions again.
    if (known?.modRevision !== entry.modRevision || known.value !== entry.value)
      changes.push({ kind: "put", entry });
  }
  return changes;
}
