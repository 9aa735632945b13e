/**
 * The store: a replicated, ordered map of text keys to text values with revisions, in the shape of etcd v3.
 * Three engines implement it (memory, embedded, etcd); `contract.ts` beside this file is the suite all of them pass.
 * Keys and values are UTF-8 text; keys are ordered by their UTF-8 bytes.
 */
export interface Store {
  /**
   * Reads a range at one revision.
   * Throws Fault `store-unavailable`, or `store-compacted` when `atRevision` is gone.
   */
  read(range: KeyRange, options?: ReadOptions): Promise<Snapshot>;

  /**
   * All or nothing: when every compare holds, carries out every operation at one new revision.
   * A key may be named by at most one operation. A transaction has at most `maxOperations` compares and as many operations.
   * Throws Fault `store-unavailable` (the outcome is then unknown: repeat only what is guarded by a compare),
   * `store-too-large`, `store-no-space` or `store-lease-gone`.
   */
  commit(transaction: Transaction): Promise<Outcome>;

  /**
   * Every change in the range with a revision greater than `after`, in order, whole revisions at a time.
   * Ends by throwing: Fault `store-compacted` when `after` is older than the history (read again),
   * `store-unavailable` when the connection or the quorum is lost (open again from the last revision seen),
   * or the signal's reason when aborted.
   * `storeId` tells which store `after` was read from: when it is another one now, its past is gone (`store-compacted`).
   */
  watch(range: KeyRange, after: Revision, signal: AbortSignal, storeId?: StoreId): AsyncIterable<ChangeBatch>;

  /** Makes a lease: its keys vanish together, in one revision, when it is neither renewed for `ttlMs` nor revoked before. */
  grantLease(ttlMs: number): Promise<Lease>;

  /** Renews a lease for its whole time to live. Throws Fault `store-lease-gone` when it has expired or was revoked. */
  renewLease(id: LeaseId): Promise<Lease>;

  /** Ends a lease and deletes its keys now. Revoking a lease that is gone is no error. */
  revokeLease(id: LeaseId): Promise<void>;

  /** Forgets history before `revision`; watches from before it throw `store-compacted`. */
  compact(revision: Revision): Promise<void>;

  /** The term of the last answer: how many elections its members have held. Left out by stores without elections. */
  readonly term?: number | undefined;

  /** Ends all watches and frees connections. Calls after it throw Fault `store-closed`. */
  close(): Promise<void>;
}

/** The number of a change to the store: each commit that writes something adds one. A safe integer. */
export type Revision = number;

/** An opaque name of a store: another one counts other revisions, even when everything was moved there. */
export type StoreId = string;

/** An opaque name of a lease. */
export type LeaseId = string;

/** Compares and operations one transaction may hold each (etcd's default --max-txn-ops). */
export const maxOperations = 128;

/**
 * Operations that a transaction may hold where it cannot be split, such as a key of the v2 API and all directories above it.
 * Our own stores take them, and etcd-member.service has --max-txn-ops set to it; another etcd refuses more than its own
 * limit with Fault `store-too-large`.
 */
export const maxOperationsAlone = 1024;

/**
 * Bytes of keys and values that one transaction may hold. The v2 keys take forms of 10 MiB, and one write of them sends a
 * value up to three times: with its node, and in the event that holds the one before as well. What is special in JSON takes
 * more than a byte, so there is room for four. etcd's own limit is 1.5 MiB unless --max-request-bytes says otherwise, as
 * etcd-member.service does; another etcd refuses more with Fault `store-too-large`.
 */
export const maxTransactionBytes = 128 * 1024 * 1024;

export interface Lease {
  readonly id: LeaseId;
  /** What the store granted, in ms; etcd rounds up to whole seconds and has a lower bound of its own. */
  readonly ttlMs: number;
}

/** Keys from `from` (included) up to `to` (not included), by UTF-8 bytes. Made by `exactly`, `under` or `between`. */
export interface KeyRange {
  readonly from: string;
  /** Undefined: only the key `from` itself. */
  readonly to?: string;
}

export interface ReadOptions {
  /** Read the past: the state as it was at this revision. */
  readonly atRevision?: Revision;
  /** Return at most this many entries, lowest keys first; `more` tells whether some were left out. */
  readonly limit?: number;
  /** `local` may answer from the nearest member without asking the others, and can lag. Default `linearizable`. */
  readonly consistency?: "linearizable" | "local";
}

export interface Entry {
  readonly key: string;
  readonly value: string;
  /** Revision of the change that made the key. */
  readonly createRevision: Revision;
  /** Revision of the last change of the key. */
  readonly modRevision: Revision;
  /** The lease the key hangs on, if any. */
  readonly lease?: LeaseId;
}

export interface Snapshot {
  /** The store's revision when this was read. */
  readonly revision: Revision;
  /** In key order. */
  readonly entries: readonly Entry[];
  /** True when `limit` left entries out. */
  readonly more: boolean;
  /** The store that this was read from, where it can change (etcd's cluster_id); to be passed on to `watch`. */
  readonly storeId?: StoreId;
}

/** A condition on one key. A modRevision of 0 means that the key does not exist. */
export type Compare =
  | { readonly key: string; readonly modRevision: Revision }
  | { readonly key: string; readonly value: string };

export type Operation =
  | { readonly do: "put"; readonly key: string; readonly value: string; readonly lease?: LeaseId }
  | { readonly do: "delete"; readonly range: KeyRange };

export interface Transaction {
  readonly when: readonly Compare[];
  readonly then: readonly Operation[];
  /** Ranges to read, at the same revision, when a compare does not hold; saves a round trip before planning again. */
  readonly otherwise?: readonly KeyRange[];
}

export type Outcome = Committed | Conflict;

export interface Committed {
  readonly committed: true;
  /** The revision of the change. */
  readonly revision: Revision;
}

export interface Conflict {
  readonly committed: false;
  readonly revision: Revision;
  /** One list of entries for each range in `otherwise`. */
  readonly seen: readonly (readonly Entry[])[];
}

export type Change =
  | { readonly kind: "put"; readonly entry: Entry }
  | { readonly kind: "delete"; readonly key: string; readonly modRevision: Revision };

export interface ChangeBatch {
  /** The last revision in this batch; open the next watch after it. */
  readonly revision: Revision;
  readonly changes: readonly Change[];
}
