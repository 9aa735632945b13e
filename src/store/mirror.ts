import { assert } from "../lib/assert.ts";
import { pauseMs, type Backoff } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { isFault, sentenceOf } from "../lib/fault.ts";
import { OrderedMap } from "./ordered-map.ts";
import { contains } from "./range.ts";
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

  /**
   * Has everything read again; for a listener that is told changes which do not add up. Until then the copy counts as not having
   * reached their revision.
   */
  readAgain(): void;
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
 * `beside`: when `fresh`, what else there is in the wider range, at the same revision.
 */
export type MirrorListener = (changes: readonly Change[], fresh: boolean, beside: readonly Entry[]) => void;

/**
 * Starts to copy a range, until `signal` is aborted. Entries outlive the abort, but change no more.
 * @param wider a range around it that is read with it whenever it is read whole; the rest is told, but neither kept nor followed
 */
export function openMirror(
  env: Env,
  store: Store,
  range: KeyRange,
  signal: AbortSignal,
  wider: KeyRange = range,
): Mirror {
  const mirror = new RangeMirror(env, store, range, signal, wider);
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
  readonly #wider: KeyRange;
  readonly #signal: AbortSignal;
  readonly #listeners = new Set<MirrorListener>();
  readonly #waiters = new Set<Waiter>();
  #hasRead = false;
  /** What was read last is no longer to be followed. */
  #isToReadAgain = false;
  #failures = 0;

  constructor(env: Env, store: Store, range: KeyRange, signal: AbortSignal, wider: KeyRange) {
    this.#env = env;
    this.#store = store;
    this.#range = range;
    this.#wider = wider;
    this.#signal = signal;
    this.ready = this.reached(1, signal);
    // Whoever does not ask for `ready` shall not be ended by its rejection.
    this.ready.catch(() => undefined);
  }

  subscribe(listener: MirrorListener): () => void {
    // Each subscription is its own, even of one listener.
    const own: MirrorListener = (changes, fresh, beside) => listener(changes, fresh, beside);
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

  readAgain(): void {
    this.#isToReadAgain = true;
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

  /** Reads the range, then follows its changes until something breaks, or it is to be read again. */
  async #follow(): Promise<void> {
    const waiters = [...this.#waiters];
    this.#isToReadAgain = false;
    const snapshot = await this.#store.read(this.#wider);
    const { revision, storeId } = snapshot;
    this.#signal.throwIfAborted();
    this.#adopt(snapshot);
    // Who waited before the read began waits for what happened before it: if that revision is higher, it is one of a store
    // that this one has taken the place of.
    for (const waiter of waiters) waiter.resolve();
    for await (const batch of this.#store.watch(this.#range, revision, this.#signal, storeId)) {
      this.#advance(batch);
      if (this.#isToReadAgain) return;
    }
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
    const { revision } = snapshot;
    const beside = snapshot.entries.filter(({ key }) => !contains(this.#range, key));
    const own =
      beside.length === 0
        ? snapshot.entries
        : snapshot.entries.filter(({ key }) => contains(this.#range, key));
    const changes = differences(this.entries, own, revision);
    const tellAnyway = this.syncedSinceMs === undefined || this.#wider !== this.#range;
    this.syncedSinceMs ??= this.#env.clock.monotonic();
    this.problem = undefined;
    this.#hasRead = true;
    this.#apply({ revision, changes }, tellAnyway, { fresh: true, beside });
  }

  #advance(batch: ChangeBatch): void {
    this.#failures = 0;
    this.#apply(batch, false, { fresh: false, beside: [] });
  }

  #lose(problem: string): void {
    this.problem = problem;
    if (this.syncedSinceMs === undefined) return;
    this.syncedSinceMs = undefined;
    this.#tell([], { fresh: false, beside: [] });
  }

  #apply(batch: ChangeBatch, tellAnyway: boolean, how: Told): void {
    for (const change of batch.changes) {
      if (change.kind === "put") this.entries.set(change.entry.key, change.entry);
      else this.entries.delete(change.key);
    }
    const before = this.revision;
    this.revision = batch.revision;
    if (batch.changes.length > 0 || tellAnyway) this.#tell(batch.changes, how);
    if (this.#isToReadAgain) {
      // What listeners hold is not what the store held then: nobody has waited for that.
      this.revision = before;
      return;
    }
    for (const waiter of this.#waiters) if (waiter.revision <= this.revision) waiter.resolve();
  }

  #tell(changes: readonly Change[], { fresh, beside }: Told): void {
    // A copy: whoever subscribes while it is told has read the copy as it is now.
    const listeners = Array.from(this.#listeners);
    for (const listener of listeners) {
      try {
        listener(changes, fresh, beside);
      } catch (error) {
        this.#env.log.error(`A listener on ${this.#range.from} failed.`, { why: sentenceOf(error) });
      }
    }
  }
}

/** How listeners are told, as `MirrorListener` says. */
interface Told {
  readonly fresh: boolean;
  readonly beside: readonly Entry[];
}

/** What turns the copy into what was read: deletions first, then what is new or was changed, in key order. */
function differences(entries: OrderedMap<Entry>, read: readonly Entry[], revision: Revision): Change[] {
  const present = new Set(read.map((entry) => entry.key));
  const changes: Change[] = [];
  for (const key of entries.keys()) {
    // When exactly it was deleted is gone; it was at this revision at the latest.
    if (!present.has(key)) changes.push({ kind: "delete", key, modRevision: revision });
  }
  for (const entry of read) {
    const known = entries.get(entry.key);
    // The value too: a store brought back from a backup counts its revisions again.
    if (known?.modRevision !== entry.modRevision || known.value !== entry.value)
      changes.push({ kind: "put", entry });
  }
  return changes;
}
