import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import { Wake } from "../lib/wake.ts";
import { contains } from "./range.ts";
import type {
  Change,
  ChangeBatch,
  KeyRange,
  Lease,
  LeaseId,
  Outcome,
  ReadOptions,
  Revision,
  Snapshot,
  Store,
  Transaction,
} from "./store.ts";
import { keyOf, Table } from "./table.ts";
import { assertTransaction } from "./transaction.ts";

export interface MemoryOptions {
  /** Revisions of history that are kept at least; older ones are compacted away. Default 10 000. */
  readonly keepRevisions?: number;
}

/** A whole store in this process, gone with it: for tests and simulations. */
export function openMemoryStore(env: Env, options: MemoryOptions = {}): Store {
  return new MemoryStore(env, options.keepRevisions ?? 10_000);
}

interface Watcher {
  readonly range: KeyRange;
  readonly wake: Wake;
  /** The last revision seen, while there may be more to send; undefined when everything was sent. */
  after: Revision | undefined;
}

interface LeaseClock {
  readonly ttlMs: number;
  readonly ended: AbortController;
  /** On the monotonic clock. */
  deadlineMs: number;
}

class MemoryStore implements Store {
  readonly #env: Env;
  readonly #keepRevisions: number;
  readonly #table = new Table();
  readonly #watchers = new Set<Watcher>();
  readonly #leases = new Map<LeaseId, LeaseClock>();
  readonly #closing = new AbortController();
  #lastLease = 0;

  constructor(env: Env, keepRevisions: number) {
    this.#env = env;
    this.#keepRevisions = keepRevisions;
  }

  async read(range: KeyRange, options: ReadOptions = {}): Promise<Snapshot> {
    this.#assertOpen();
    return this.#table.read(range, options);
  }

  async commit(transaction: Transaction): Promise<Outcome> {
    this.#assertOpen();
    assertTransaction(transaction);
    const table = this.#table;
    if (!transaction.when.every((compare) => table.holds(compare))) {
      const seen = (transaction.otherwise ?? []).map((range) => table.read(range).entries);
      return { committed: false, revision: table.revision, seen };
    }
    for (const operation of transaction.then) {
      if (operation.do === "put" && operation.lease !== undefined && !table.hasLease(operation.lease)) {
        throw leaseGone(operation.lease);
      }
    }
    this.#announce(table.apply(transaction.then));
    return { committed: true, revision: table.revision };
  }

  async *watch(range: KeyRange, after: Revision, signal: AbortSignal): AsyncGenerator<ChangeBatch, void> {
    const ended = AbortSignal.any([signal, this.#closing.signal]);
    const watcher: Watcher = { range, wake: new Wake(), after };
    this.#watchers.add(watcher);
    try {
      for (;;) {
        ended.throwIfAborted();
        const batch = this.#nextBatch(watcher);
        if (batch === undefined) await watcher.wake.next(ended);
        else yield batch;
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    this.#assertOpen();
    const id = (++this.#lastLease).toString(16);
    const deadlineMs = this.#env.clock.monotonic() + ttlMs;
    const lease: LeaseClock = { ttlMs, ended: new AbortController(), deadlineMs };
    this.#leases.set(id, lease);
    this.#table.addLease(id);
    void this.#expire(id, lease);
    return { id, ttlMs };
  }

  async renewLease(id: LeaseId): Promise<Lease> {
    this.#assertOpen();
    const lease = this.#leases.get(id);
    if (lease === undefined) throw leaseGone(id);
    lease.deadlineMs = this.#env.clock.monotonic() + lease.ttlMs;
    return { id, ttlMs: lease.ttlMs };
  }

  async revokeLease(id: LeaseId): Promise<void> {
    this.#assertOpen();
    this.#endLease(id);
  }

  async compact(revision: Revision): Promise<void> {
    this.#assertOpen();
    this.#table.compact(revision);
  }

  async close(): Promise<void> {
    this.#closing.abort(storeClosed());
    for (const lease of this.#leases.values()) lease.ended.abort(storeClosed());
    this.#leases.clear();
  }

  #assertOpen(): void {
    this.#closing.signal.throwIfAborted();
  }

  /** What this watcher has to see next. A watcher that saw everything has no place in history to lose by compaction. */
  #nextBatch(watcher: Watcher): ChangeBatch | undefined {
    if (watcher.after === undefined) return undefined;
    const batch = this.#table.firstChangeAfter(watcher.range, watcher.after);
    if (batch !== undefined) watcher.after = batch.revision;
    // A watch from the future stays where it is: what comes before it is not for it.
    else if (watcher.after <= this.#table.revision) watcher.after = undefined;
    return batch;
  }

  #announce(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    const { revision } = this.#table;
    for (const watcher of this.#watchers) {
      if (!changes.some((change) => contains(watcher.range, keyOf(change)))) continue;
      watcher.after ??= revision - 1;
      watcher.wake.wake();
    }
    // In large steps, so that the history is not copied for every revision.
    if (this.#table.historyLength > 2 * this.#keepRevisions)
      this.#table.compact(revision - this.#keepRevisions);
  }

  async #expire(id: LeaseId, lease: LeaseClock): Promise<void> {
    const { clock } = this.#env;
    try {
      for (let left = lease.ttlMs; left > 0; left = lease.deadlineMs - clock.monotonic()) {
        await clock.sleep(left, lease.ended.signal);
      }
    } catch (error) {
      if (lease.ended.signal.aborted) return;
      throw error;
    }
    this.#endLease(id);
  }

  #endLease(id: LeaseId): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    this.#leases.delete(id);
    lease.ended.abort(leaseGone(id));
    this.#announce(this.#table.endLease(id));
  }
}

function leaseGone(id: LeaseId): Fault {
  return new Fault(
    "store-lease-gone",
    `Cannot use lease ${id}, it expired or was revoked: ask for a new one.`,
  );
}

function storeClosed(): Fault {
  return new Fault("store-closed", "Cannot use the store, it was closed: open it again.");
}
