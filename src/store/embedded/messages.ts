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
  | { readonly kind: "write"; readonly rows: GroupRows }
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
