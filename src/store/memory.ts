import type { Env } from "../lib/env.ts";
import { leaseGone, storeClosed } from "./faults.ts";
import { LeaseClocks } from "./lease-clocks.ts";
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
import { Table } from "./table.ts";
import { TableWatches } from "./table-watches.ts";
import { assertTransaction } from "./transaction.ts";

export interface MemoryOptions {
  /** Revisions of history that are kept at least; older ones are compacted away. Default 10 000. */
  readonly keepRevisions?: number;
}

/** A whole store in this process, gone with it: for tests and simulations. */
export function openMemoryStore(env: Env, options: MemoryOptions = {}): Store {
  return new MemoryStore(env, options.keepRevisions ?? 10_000);
}

class MemoryStore implements Store {
  readonly #keepRevisions: number;
  readonly #table = new Table();
  readonly #watches = new TableWatches(this.#table);
  readonly #leases: LeaseClocks;
  readonly #closing = new AbortController();
  #lastLease = 0;

  constructor(env: Env, keepRevisions: number) {
    this.#leases = new LeaseClocks(env, (id) => this.#announce(this.#table.endLease(id)));
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

  watch(range: KeyRange, after: Revision, signal: AbortSignal): AsyncIterable<ChangeBatch> {
    return this.#watches.open(range, after, AbortSignal.any([signal, this.#closing.signal]));
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    this.#assertOpen();
    const id = (++this.#lastLease).toString(16);
    this.#table.addLease(id);
    this.#leases.start(id, ttlMs);
    return { id, ttlMs };
  }

  async renewLease(id: LeaseId): Promise<Lease> {
    this.#assertOpen();
    const ttlMs = this.#leases.renew(id);
    if (ttlMs === undefined) throw leaseGone(id);
    return { id, ttlMs };
  }

  async revokeLease(id: LeaseId): Promise<void> {
    this.#assertOpen();
    if (this.#leases.end(id)) this.#announce(this.#table.endLease(id));
  }

  async compact(revision: Revision): Promise<void> {
    this.#assertOpen();
    this.#table.compact(revision);
  }

  async close(): Promise<void> {
    this.#closing.abort(storeClosed());
    this.#leases.stop();
  }

  #assertOpen(): void {
    this.#closing.signal.throwIfAborted();
  }

  #announce(changes: readonly Change[]): void {
    const { revision } = this.#table;
    this.#watches.announce(changes, revision);
    // In large steps, so that the history is not copied for every revision.
    if (this.#table.historyLength > 2 * this.#keepRevisions)
      this.#table.compact(revision - this.#keepRevisions);
  }
}
