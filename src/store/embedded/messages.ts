import type { Entry, LeaseId, Revision } from "../store.ts";

/** A lease as the file keeps it. */
export interface LeaseRow {
  readonly ttlMs: number;
  /** Milliseconds since 1970 at which it runs out, as far as the last renewal that was written. */
  readonly deadlineMs: number;
}

/** What one group of commits changes in the file; undefined stands for a key or a lease that is gone. */
export interface GroupRows {
  /** Of the last commit in the group. */
  readonly revision: Revision;
  readonly entries: readonly (readonly [string, Entry | undefined])[];
  readonly leases: readonly (readonly [LeaseId, LeaseRow | undefined])[];
}

/** The same as one text and numbers: what is passed between threads is copied, and this costs the least. */
export interface PackedRows {
  /** Keys, values and names of leases, one behind the other. */
  readonly text: string;
  /** The revision and the number of entries; then five for each entry and three for each lease. */
  readonly numbers: Float64Array;
}

/** In place of a length or a time: the key or the lease is gone. */
const gone = -1;

/** Rows as they are passed between threads. */
export function packRows({ revision, entries, leases }: GroupRows): PackedRows {
  const texts: string[] = [];
  const numbers = new Float64Array(2 + 5 * entries.length + 3 * leases.length);
  numbers[0] = revision;
  numbers[1] = entries.length;
  let at = 2;
  for (const [key, entry] of entries) {
    const lease = entry?.lease ?? "";
    texts.push(key, entry?.value ?? "", lease);
    numbers[at++] = key.length;
    numbers[at++] = entry?.value.length ?? gone;
    numbers[at++] = lease.length;
    numbers[at++] = entry?.createRevision ?? 0;
    numbers[at++] = entry?.modRevision ?? 0;
  }
  for (const [id, row] of leases) {
    texts.push(id);
    numbers[at++] = id.length;
    numbers[at++] = row?.ttlMs ?? gone;
    numbers[at++] = row?.deadlineMs ?? 0;
  }
  return { text: texts.join(""), numbers };
}

/** The rows that were packed. */
export function unpackRows({ text, numbers }: PackedRows): GroupRows {
  let [at, textAt] = [0, 0];
  const number = (): number => numbers[at++] ?? 0;
  const part = (length: number): string => text.slice(textAt, (textAt += length));
  const revision = number();
  const entries = Array.from({ length: number() }, (): GroupRows["entries"][number] => {
    const [keyLength, valueLength, leaseLength] = [number(), number(), number()];
    const [createRevision, modRevision] = [number(), number()];
    const key = part(keyLength);
    if (valueLength === gone) return [key, undefined];
    const value = part(valueLength);
    const lease = part(leaseLength);
    const entry = { key, value, createRevision, modRevision };
    return [key, lease === "" ? entry : { ...entry, lease }];
  });
  const leases: GroupRows["leases"][number][] = [];
  while (at < numbers.length) {
    const [idLength, ttlMs, deadlineMs] = [number(), number(), number()];
    leases.push([part(idLength), ttlMs === gone ? undefined : { ttlMs, deadlineMs }]);
  }
  return { revision, entries, leases };
}

/** Names the store for ever: numbers of 52 bits, as decimal text. */
export interface StoreNames {
  readonly clusterId: string;
  readonly memberId: string;
}

/** What the file holds besides its entries. */
export interface StoreFacts {
  readonly names: StoreNames;
  readonly revision: Revision;
  readonly leases: readonly (readonly [LeaseId, LeaseRow])[];
}

/** A failure on its way out of the worker, where classes do not survive. */
export interface PlainFault {
  readonly code: string;
  readonly sentence: string;
  /** The file cannot be trusted any more in this process: nothing more may be written. */
  readonly final: boolean;
}

/** Entries as columns: half as much work to pass between threads as objects. */
export interface EntryColumns {
  readonly keys: readonly string[];
  readonly values: readonly string[];
  /** The createRevision and the modRevision of each, one behind the other. */
  readonly revisions: Float64Array;
  /** Empty for none. */
  readonly leases: readonly string[];
}

/** Entries as they are passed between threads. */
export function columnsOf(entries: readonly Entry[]): EntryColumns {
  return {
    keys: entries.map(({ key }) => key),
    values: entries.map(({ value }) => value),
    revisions: Float64Array.from(
      entries.flatMap(({ createRevision, modRevision }) => [createRevision, modRevision]),
    ),
    leases: entries.map(({ lease = "" }) => lease),
  };
}

export function* entriesOf({ keys, values, revisions, leases }: EntryColumns): Generator<Entry, void> {
  for (let at = 0; at < keys.length; at++) {
    const lease = leases[at] ?? "";
    const entry = {
      key: keys[at] ?? "",
      value: values[at] ?? "",
      createRevision: revisions[2 * at] ?? 0,
      modRevision: revisions[2 * at + 1] ?? 0,
    };
    yield lease === "" ? entry : { ...entry, lease };
  }
}

export type ToWorker =
  | { readonly kind: "write"; readonly rows: PackedRows }
  /** Copies what the write-ahead log holds into the file, and empties it. */
  | { readonly kind: "close" };

export type FromWorker =
  | { readonly kind: "entries"; readonly columns: EntryColumns }
  | { readonly kind: "opened"; readonly facts: StoreFacts }
  | { readonly kind: "written" }
  | { readonly kind: "failed"; readonly fault: PlainFault }
  | { readonly kind: "warning"; readonly sentence: string }
  | { readonly kind: "closed" };

/** What the worker is started with. */
export interface WorkerOptions {
  readonly folder: string;
  /** For a file that is made now. */
  readonly newNames: StoreNames;
}
