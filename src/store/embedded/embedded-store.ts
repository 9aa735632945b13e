import type { Env } from "../../lib/env.ts";
import { Fault } from "../../lib/fault.ts";
import { anotherStore, leaseGone, storeClosed } from "../faults.ts";
import { LeaseClocks } from "../lease-clocks.ts";
import { contains } from "../range.ts";
import type {
  Change,
  ChangeBatch,
  KeyRange,
  Lease,
  LeaseId,
  Operation,
  Outcome,
  ReadOptions,
  Revision,
  Snapshot,
  Store,
  StoreId,
  Transaction,
} from "../store.ts";
import { keyOf, Table } from "../table.ts";
import { TableWatches } from "../table-watches.ts";
import { assertTransaction } from "../transaction.ts";
import { DatabaseFailure, openDatabase, type OpenDatabase, type StoreContent } from "./database-client.ts";
import { assertSize, type Decision, outcomeOf } from "./decisions.ts";
import { Group } from "./group.ts";
import { HistoryLimit } from "./history-limit.ts";
import type { LeaseRow, StoreNames } from "./messages.ts";

/** Commits that may wait for the disk; more are refused. */
const mostWaiting = 20_000;
/** The size of what may wait for the disk, in UTF-16 units. */
const mostWaitingSize = 32 * 1024 * 1024;
/** A lease has at least this long after the store was opened, in ms, or its whole time: its holder has to find the store first. */
const graceMs = 5_000;
/** When a lease ran out and its keys could not be deleted, for the disk was full. */
const expireAgainMs = 1_000;

/** A whole store in one folder of this machine. */
export interface EmbeddedStore extends Store {
  readonly names: StoreNames;
  /** The last revision that is durable. */
  readonly revision: Revision;
  /** Entries in the present. */
  readonly size: number;
  /** States before this revision are gone; 0 while there is none. */
  readonly compacted: Revision;
  /** The first revision that a watch can begin with. */
  readonly watchableFrom: Revision;
  /**
   * Carries out what the rule decides on the present state, as one revision, and resolves with its answer and the revision when all
   * that the rule saw is durable. Rejects as `commit` does.
   */
  decide<Answer>(rule: Decision<Answer>): Promise<{ readonly answer: Answer; readonly revision: Revision }>;
  /** As `grantLease`, under a name of the caller's choice; undefined when there is such a lease already. */
  grantNamedLease(id: LeaseId, ttlMs: number): Promise<Lease | undefined>;
  /** The whole time of a lease, what is left of it, in ms, and its keys; undefined when there is no such lease. */
  leaseFacts(id: LeaseId): LeaseFacts | undefined;
  leaseIds(): readonly LeaseId[];
}

export interface LeaseFacts {
  readonly ttlMs: number;
  readonly leftMs: number;
  readonly keys: readonly string[];
}

/**
 * Opens the store in a folder, which is made if it is not there. Everything is in memory; what changes is flushed to a
 * SQLite file before it is told to anybody, many commits at once.
 * Rejects with Fault `store-in-use` when another process has it open, `store-damaged` when what was written is not what is
 * read, `store-layout` when a newer release wrote it, `store-no-space` or `store-unavailable` when the disk does not play along.
 */
export async function openEmbeddedStore(folder: string, env: Env): Promise<EmbeddedStore> {
  const newNames = { clusterId: randomName(env), memberId: randomName(env) };
  const warn = (sentence: string): void => env.log.warning(sentence);
  const { database, content } = await openDatabase({ folder, newNames }, warn);
  return new GroupCommitStore(env, database, content);
}

class GroupCommitStore implements EmbeddedStore {
  readonly names: StoreNames;
  readonly #env: Env;
  readonly #database: OpenDatabase;
  readonly #table = new Table();
  readonly #watches: TableWatches;
  readonly #leases: LeaseClocks;
  readonly #closing = new AbortController();
  /** Leases whose rows are behind. */
  readonly #dirtyLeases = new Set<LeaseId>();
  readonly #history = new HistoryLimit();
  #durable: Revision;
  /** Being written. */
  #writing: Group | undefined;
  /** What came meanwhile. */
  #waiting: Group;
  #flushIsDue = false;
  #broken: Fault | undefined;
  #failing = false;

  constructor(env: Env, database: OpenDatabase, { facts, entries }: StoreContent) {
    this.#env = env;
    this.#database = database;
    this.names = facts.names;
    this.#table.restore(
      facts.revision,
      entries,
      facts.leases.map(([id]) => id),
    );
    this.#durable = facts.revision;
    this.#waiting = new Group(this.#durable);
    this.#watches = new TableWatches(this.#table);
    this.#leases = new LeaseClocks(env, (id, ttlMs) => this.#expire(id, ttlMs));
    for (const [id, { ttlMs, deadlineMs }] of facts.leases) {
      const leftMs = Math.max(deadlineMs - env.clock.now(), graceMs);
      this.#leases.start(id, ttlMs, Math.min(leftMs, ttlMs));
    }
  }

  get revision(): Revision {
    return this.#durable;
  }

  get size(): number {
    return this.#table.size;
  }

  get compacted(): Revision {
    return this.#table.compacted;
  }

  get watchableFrom(): Revision {
    return this.#table.watchableFrom;
  }

  async read(range: KeyRange, options: ReadOptions = {}): Promise<Snapshot> {
    for (;;) {
      this.#assertOpen();
      const snapshot = { ...this.#table.read(range, options), storeId: this.names.clusterId };
      const isDurable = (options.atRevision ?? this.#table.revision) <= this.#durable;
      if (isDurable || (options.atRevision === undefined && !this.#isChanging(range)))
        return { ...snapshot, revision: this.#durable };
      // What is on its way to the disk may still fail: nobody sees it before it is there.
      if (await this.#settled().then(yes, no)) return snapshot;
    }
  }

  async commit(transaction: Transaction): Promise<Outcome> {
    this.#assertOpen();
    assertTransaction(transaction);
    const { answer, revision } = await this.decide((table) => outcomeOf(table, transaction));
    return answer === undefined
      ? { committed: true, revision }
      : { committed: false, revision, seen: answer };
  }

  async decide<Answer>(
    rule: Decision<Answer>,
  ): Promise<{ readonly answer: Answer; readonly revision: Revision }> {
    const table = this.#table;
    for (;;) {
      this.#assertOpen();
      const { then, answer } = rule(table);
      const { revision } = table;
      if (then.length > 0) return { answer, revision: await this.#write(then) };
      // A decision to change nothing does not depend on the disk, unless what it saw does.
      if (revision === this.#durable || (await this.#settled().then(yes, no))) return { answer, revision };
    }
  }

  async *watch(
    range: KeyRange,
    after: Revision,
    signal: AbortSignal,
    storeId: StoreId = this.names.clusterId,
  ): AsyncGenerator<ChangeBatch, void> {
    if (storeId !== this.names.clusterId) throw anotherStore(range);
    yield* this.#watches.open(range, after, AbortSignal.any([signal, this.#closing.signal]));
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    for (;;) {
      const lease = await this.grantNamedLease(randomName(this.#env), ttlMs);
      if (lease !== undefined) return lease;
    }
  }

  async grantNamedLease(id: LeaseId, ttlMs: number): Promise<Lease | undefined> {
    this.#assertOpen();
    this.#assertWritable();
    if (this.#table.hasLease(id)) return undefined;
    this.#table.addLease(id);
    this.#leases.start(id, ttlMs);
    this.#dirtyLeases.add(id);
    this.#add([], () => {
      this.#leases.end(id);
      this.#table.endLease(id);
    });
    await this.#settled();
    return { id, ttlMs };
  }

  /** Durable before acknowledged, too; but on a full disk it holds in memory, so that nobody is taken for dead for that. */
  async renewLease(id: LeaseId): Promise<Lease> {
    this.#assertOpen();
    const ttlMs = this.#leases.renew(id);
    if (ttlMs === undefined) throw leaseGone(id);
    this.#dirtyLeases.add(id);
    this.#flushSoon();
    await this.#settled().then(yes, no);
    return { id, ttlMs };
  }

  async revokeLease(id: LeaseId): Promise<void> {
    this.#assertOpen();
    const time = this.#leases.timeOf(id);
    if (time === undefined) return this.#settled();
    this.#assertWritable();
    this.#leases.end(id);
    this.#end(id, time.ttlMs, time.leftMs);
    await this.#settled();
  }

  async compact(revision: Revision): Promise<void> {
    this.#assertOpen();
    if (revision > this.#durable) await this.#settled();
    this.#table.compact(revision);
  }

  leaseFacts(id: LeaseId): LeaseFacts | undefined {
    const time = this.#leases.timeOf(id);
    return time === undefined ? undefined : { ...time, keys: [...this.#table.keysOf(id)] };
  }

  leaseIds(): readonly LeaseId[] {
    return [...this.#leases.ids()];
  }

  /** What waits is written first. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(storeClosed());
    while (this.#writing !== undefined || this.#flushIsDue) await this.#settled().then(yes, no);
    this.#leases.stop();
    await this.#database.close();
  }

  #assertOpen(): void {
    this.#closing.signal.throwIfAborted();
  }

  #assertWritable(): void {
    if (this.#broken !== undefined) throw this.#broken;
    const { commits, size } = this.#waiting;
    if (commits < mostWaiting && size < mostWaitingSize) return;
    throw new Fault(
      "store-busy",
      `Cannot write to the store, ${commits} writes wait for the disk already: write less, or use a faster disk.`,
    );
  }

  /** Whether something in the range is on its way to the disk. */
  #isChanging(range: KeyRange): boolean {
    return [this.#writing, this.#waiting].some((group) =>
      group?.changes.some((change) => contains(range, keyOf(change))),
    );
  }

  /** Resolves when everything that is in the table now is durable. */
  async #settled(): Promise<void> {
    if (this.#flushIsDue) await this.#waiting.durable;
    else await this.#writing?.durable;
  }

  /** Carries operations out, and resolves with their revision when they are durable. */
  async #write(operations: readonly Operation[]): Promise<Revision> {
    const table = this.#table;
    this.#assertWritable();
    assertSize(operations);
    for (const operation of operations) {
      if (operation.do === "put" && operation.lease !== undefined && !table.hasLease(operation.lease))
        throw leaseGone(operation.lease);
    }
    const changes = table.apply(operations);
    const { revision } = table;
    if (changes.length > 0) this.#add(changes);
    await this.#settled();
    return revision;
  }

  #add(changes: readonly Change[], undo: () => void = () => undefined): void {
    const hasRevision = changes.length > 0;
    this.#waiting.add(changes, this.#table.revision, () => {
      undo();
      if (hasRevision) this.#table.undoLast();
    });
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushIsDue) return;
    this.#flushIsDue = true;
    // After everything that is to be done now: writers that were answered together write together again.
    if (this.#writing === undefined) setImmediate(() => void this.#flush());
  }

  async #flush(): Promise<void> {
    const group = this.#waiting;
    this.#waiting = new Group(group.revision);
    this.#writing = group;
    this.#flushIsDue = false;
    const leases = this.#leaseRows();
    try {
      await this.#database.write({ revision: group.revision, entries: [...group.entries], leases });
    } catch (error) {
      for (const [id] of leases) this.#dirtyLeases.add(id);
      this.#fail(group, error);
      return;
    }
    this.#succeed(group);
    if (this.#flushIsDue) setImmediate(() => void this.#flush());
  }

  #succeed(group: Group): void {
    if (this.#failing) this.#env.log.info("The store can be written to again.");
    this.#failing = false;
    this.#writing = undefined;
    this.#durable = group.revision;
    this.#watches.announce(group.changes, group.revision);
    group.succeed();
    const oldest = this.#history.add(group.revision, group.size, this.#table.historyLength);
    if (oldest !== undefined) this.#table.compact(oldest);
  }

  /** What came meanwhile was decided on what has failed now: it fails too. */
  #fail(group: Group, error: unknown): void {
    if (!this.#failing) this.#env.log.error(error instanceof Fault ? error.message : String(error));
    this.#failing = true;
    if (!(error instanceof DatabaseFailure) || error.final)
      this.#broken = error instanceof Fault ? error : new Fault("store-unavailable", String(error));
    const later = this.#waiting;
    this.#waiting = new Group(this.#durable);
    this.#writing = undefined;
    this.#flushIsDue = false;
    later.fail(error);
    group.fail(error);
  }

  #leaseRows(): (readonly [LeaseId, LeaseRow | undefined])[] {
    const nowMs = this.#env.clock.now();
    const rows = [...this.#dirtyLeases].map((id) => {
      const time = this.#leases.timeOf(id);
      if (time === undefined) return [id, undefined] as const;
      return [id, { ttlMs: time.ttlMs, deadlineMs: Math.round(nowMs + time.leftMs) }] as const;
    });
    this.#dirtyLeases.clear();
    return rows;
  }

  #expire(id: LeaseId, ttlMs: number): void {
    // A lease that runs out now is dealt with when the store is opened again.
    if (!this.#closing.signal.aborted) this.#end(id, ttlMs, expireAgainMs);
  }

  /** Deletes a lease whose clock has stopped, and its keys; when that fails it goes on with `leftMs`. */
  #end(id: LeaseId, ttlMs: number, leftMs: number): void {
    this.#dirtyLeases.add(id);
    this.#add(this.#table.endLease(id), () => {
      this.#table.addLease(id);
      this.#leases.start(id, ttlMs, leftMs);
    });
  }
}

/** A number of up to 52 bits, never 0, as decimal text. */
function randomName(env: Env): string {
  return String(1 + Math.floor(env.random() * (2 ** 52 - 1)));
}

function yes(): boolean {
  return true;
}

function no(): boolean {
  return false;
}
