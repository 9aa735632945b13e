import { Fault } from "../lib/fault.ts";
import { assert } from "../lib/assert.ts";
import { OrderedMap } from "./ordered-map.ts";
import { contains } from "./range.ts";
import type {
  Change,
  ChangeBatch,
  Compare,
  Entry,
  KeyRange,
  LeaseId,
  Operation,
  ReadOptions,
  Revision,
  Snapshot,
} from "./store.ts";

/** One revision: what changed, and what was there before, so that the past can be read. */
interface Record {
  readonly revision: Revision;
  readonly changes: readonly Change[];
  readonly before: ReadonlyMap<string, Entry | undefined>;
}

/**
 * The state of a store in memory, without waiting or time: entries in key order, the revision and the history
 * since the last compaction. As in etcd, the first revision is 1 and what changes nothing makes no revision.
 */
export class Table {
  readonly #entries = new OrderedMap<Entry>();
  readonly #leases = new Map<LeaseId, Set<string>>();
  /** Revisions without a gap, oldest first. */
  #history: Record[] = [];
  #revision: Revision = 1;
  #compacted: Revision = 0;
  /** Nothing before this revision can be told change by change. */
  #watchableFrom: Revision = 0;

  /**
   * Takes the place of what is there: entries in key order as of `revision`, with every lease they hang on. History begins
   * after it.
   */
  restore(revision: Revision, entries: Iterable<Entry>, leases: Iterable<LeaseId>): void {
    this.#entries.clear();
    this.#leases.clear();
    for (const lease of leases) this.addLease(lease);
    for (const entry of entries) {
      this.#entries.append(entry.key, entry);
      this.#move(entry.key, undefined, entry.lease);
    }
    this.#history = [];
    this.#revision = revision;
    this.#compacted = revision;
    this.#watchableFrom = revision + 1;
  }

  get revision(): Revision {
    return this.#revision;
  }

  /** Entries in the present. */
  get size(): number {
    return this.#entries.size;
  }

  /** States before this revision are gone; 0 while there is none. */
  get compacted(): Revision {
    return this.#compacted;
  }

  /** The first revision that a watch can still begin with. */
  get watchableFrom(): Revision {
    return this.#watchableFrom;
  }

  /** The entry of a key in the present. */
  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** Revisions kept in the history. */
  get historyLength(): number {
    return this.#history.length;
  }

  holds(compare: Compare): boolean {
    const entry = this.#entries.get(compare.key);
    if ("value" in compare) return entry?.value === compare.value;
    return (entry?.modRevision ?? 0) === compare.modRevision;
  }

  /** Throws Fault `store-compacted`, or `store-future-revision` when `atRevision` was not reached yet. */
  read(range: KeyRange, options: ReadOptions = {}): Snapshot {
    const { atRevision = this.#revision, limit = Number.POSITIVE_INFINITY } = options;
    if (atRevision > this.#revision) throw futureRevision(atRevision, this.#revision);
    if (atRevision < this.#compacted) throw compacted(atRevision, this.#compacted);
    const source = atRevision === this.#revision ? this.#entries : this.#past(range, atRevision);
    const entries: Entry[] = [];
    for (const [, entry] of source.within(range)) {
      if (entries.length === limit) return { revision: this.#revision, entries, more: true };
      entries.push(entry);
    }
    return { revision: this.#revision, entries, more: false };
  }

  /**
   * Carries out the operations at one new revision and returns what changed; nothing changed, no revision.
   * Leases that puts name must be known to the table.
   */
  apply(operations: readonly Operation[]): readonly Change[] {
    const revision = this.#revision + 1;
    const changes: Change[] = [];
    const before = new Map<string, Entry | undefined>();
    for (const operation of operations) {
      if (operation.do === "put") changes.push(this.#put(operation, revision, before));
      else changes.push(...this.#deleteRange(operation.range, revision, before));
    }
    if (changes.length === 0) return changes;
    this.#revision = revision;
    this.#history.push({ revision, changes, before });
    return changes;
  }

  /** Takes the last change back, as if it had never been; leases that it ended have to be known again before. */
  undoLast(): void {
    const record = this.#history.pop();
    assert(record !== undefined && record.revision === this.#revision, "what is undone lies in the history");
    for (const [key, old] of record.before) {
      this.#move(key, this.#entries.get(key)?.lease, old?.lease);
      if (old === undefined) this.#entries.delete(key);
      else this.#entries.set(key, old);
    }
    this.#revision -= 1;
  }

  /**
   * The first revision after `after`, and not after `upTo`, that touched the range, or undefined when there is none yet.
   * Throws Fault `store-compacted` when revisions between them may be gone.
   */
  firstChangeAfter(
    range: KeyRange,
    after: Revision,
    upTo: Revision = this.#revision,
  ): ChangeBatch | undefined {
    if (after + 1 < this.#watchableFrom) throw compacted(after, this.#watchableFrom);
    const oldest = this.#history[0]?.revision ?? this.#revision + 1;
    for (let i = Math.max(0, after + 1 - oldest); i < this.#history.length; i++) {
      const record = this.#record(i);
      if (record.revision > upTo) return undefined;
      const changes = record.changes.filter((change) => contains(range, keyOf(change)));
      if (changes.length > 0) return { revision: record.revision, changes };
    }
    return undefined;
  }

  /** Forgets history before `revision`. Throws Fault `store-future-revision`. */
  compact(revision: Revision): void {
    if (revision > this.#revision) throw futureRevision(revision, this.#revision);
    if (revision <= this.#compacted) return;
    this.#compacted = revision;
    this.#watchableFrom = Math.max(revision, this.#watchableFrom);
    const oldest = this.#history[0]?.revision ?? revision;
    this.#history = this.#history.slice(Math.max(0, revision - oldest));
  }

  addLease(id: LeaseId): void {
    assert(!this.#leases.has(id), `lease ${id} is new`);
    this.#leases.set(id, new Set());
  }

  hasLease(id: LeaseId): boolean {
    return this.#leases.has(id);
  }

  /** Keys that hang on the lease, in no order. */
  keysOf(id: LeaseId): Iterable<string> {
    return this.#leases.get(id) ?? [];
  }

  /** Forgets the lease and deletes its keys at one revision. */
  endLease(id: LeaseId): readonly Change[] {
    const keys = this.#leases.get(id) ?? [];
    const operations = [...keys].map((key): Operation => ({ do: "delete", range: { from: key } }));
    const changes = this.apply(operations);
    this.#leases.delete(id);
    return changes;
  }

  #put(
    operation: Operation & { do: "put" },
    revision: Revision,
    before: Map<string, Entry | undefined>,
  ): Change {
    // Other engines carry UTF-8, where half of a surrogate pair cannot exist.
    const key = operation.key.toWellFormed();
    const old = this.#entries.get(key);
    before.set(key, old);
    const entry: Entry = {
      key,
      value: operation.value.toWellFormed(),
      createRevision: old?.createRevision ?? revision,
      modRevision: revision,
      ...(operation.lease === undefined ? {} : { lease: operation.lease }),
    };
    this.#move(key, old?.lease, entry.lease);
    this.#entries.set(key, entry);
    return { kind: "put", entry };
  }

  #deleteRange(range: KeyRange, revision: Revision, before: Map<string, Entry | undefined>): Change[] {
    const doomed = [...this.#entries.within(range)];
    return doomed.map(([key, old]) => {
      before.set(key, old);
      this.#move(key, old.lease, undefined);
      this.#entries.delete(key);
      return { kind: "delete", key, modRevision: revision };
    });
  }

  #move(key: string, from: LeaseId | undefined, to: LeaseId | undefined): void {
    if (from !== undefined) this.#leases.get(from)?.delete(key);
    if (to === undefined) return;
    const keys = this.#leases.get(to);
    assert(keys !== undefined, `lease ${to} is known before a key hangs on it`);
    keys.add(key);
  }

  #record(index: number): Record {
    const record = this.#history[index];
    assert(record !== undefined, "the index lies in the history");
    return record;
  }

  /** The range as it was: the present with every later revision undone, newest first. */
  #past(range: KeyRange, atRevision: Revision): OrderedMap<Entry> {
    const past = new OrderedMap<Entry>();
    for (const [key, entry] of this.#entries.within(range)) past.set(key, entry);
    for (let i = this.#history.length - 1; i >= 0; i--) {
      const record = this.#record(i);
      if (record.revision <= atRevision) break;
      for (const [key, entry] of record.before) {
        if (entry === undefined) past.delete(key);
        else if (contains(range, key)) past.set(key, entry);
      }
    }
    return past;
  }
}

/** The key that a change is about. */
export function keyOf(change: Change): string {
  return change.kind === "put" ? change.entry.key : change.key;
}

function compacted(wanted: Revision, oldest: Revision): Fault {
  return new Fault(
    "store-compacted",
    `Cannot go back to revision ${wanted} of the store, history begins at ${oldest}: read the present and go on from there.`,
  );
}

function futureRevision(wanted: Revision, present: Revision): Fault {
  return new Fault(
    "store-future-revision",
    `Cannot use revision ${wanted} of the store, it is only at ${present}: ask for ${present} or less.`,
  );
}
