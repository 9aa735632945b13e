import { assert } from "../../lib/assert.ts";
import type {
  Change,
  Compare as StoreCompare,
  Entry,
  KeyRange,
  LeaseId,
  Operation,
  Outcome,
  ReadOptions,
  Revision,
  StoreId,
  Transaction,
} from "../store.ts";
import {
  type Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  type Event,
  Event_EventType,
  type KeyValue,
  type RangeRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  type RequestOp,
  type ResponseHeader,
  type TxnRequest,
  type TxnResponse,
  type WatchRequest,
} from "../wire/generated/etcd.ts";

const nothing = Buffer.alloc(0);

/** The key and range_end of etcd's requests; an empty end means the single key. */
export function boundsOf(range: KeyRange): { key: Buffer; rangeEnd: Buffer } {
  return { key: bytesOf(range.from), rangeEnd: range.to === undefined ? nothing : bytesOf(range.to) };
}

export function rangeRequest(range: KeyRange, options: ReadOptions = {}): RangeRequest {
  return {
    ...wholeAnswer,
    ...boundsOf(range),
    limit: BigInt(options.limit ?? 0),
    revision: BigInt(options.atRevision ?? 0),
    serializable: options.consistency === "local",
  };
}

/** In key order, with values, and of any age: what etcd does when it is told nothing else. */
const wholeAnswer = {
  sortOrder: RangeRequest_SortOrder.NONE,
  sortTarget: RangeRequest_SortTarget.KEY,
  keysOnly: false,
  countOnly: false,
  minModRevision: 0n,
  maxModRevision: 0n,
  minCreateRevision: 0n,
  maxCreateRevision: 0n,
} as const;

export function transactionRequest(transaction: Transaction): TxnRequest {
  return {
    compare: transaction.when.map(compareOf),
    success: transaction.then.map(operationOf),
    failure: (transaction.otherwise ?? []).map((range) => ({
      request: { $case: "requestRange", requestRange: rangeRequest(range) },
    })),
  };
}

export function watchRequest(range: KeyRange, after: Revision): WatchRequest {
  const startRevision = BigInt(after + 1);
  const createRequest = { ...boundsOf(range), startRevision, filters: [], prevKv: false, watchId: 0n };
  return { requestUnion: { $case: "createRequest", createRequest } };
}

export function outcomeOf(response: TxnResponse): Outcome {
  const revision = revisionOf(response.header);
  if (response.succeeded) return { committed: true, revision };
  const seen = response.responses.map(({ response: one }) =>
    one?.$case === "responseRange" ? one.responseRange.kvs.map(entryOf) : [],
  );
  return { committed: false, revision, seen };
}

export function entryOf(pair: KeyValue): Entry {
  return {
    key: pair.key.toString("utf8"),
    value: pair.value.toString("utf8"),
    createRevision: safeNumber(pair.createRevision),
    modRevision: safeNumber(pair.modRevision),
    ...(pair.lease === 0n ? {} : { lease: leaseIdOf(pair.lease) }),
  };
}

export function changeOf(event: Event): Change {
  assert(event.kv !== undefined, "an event of etcd names its key");
  if (event.type === Event_EventType.PUT) return { kind: "put", entry: entryOf(event.kv) };
  return {
    kind: "delete",
    key: event.kv.key.toString("utf8"),
    modRevision: safeNumber(event.kv.modRevision),
  };
}

export function revisionOf(header: ResponseHeader | undefined): Revision {
  assert(header !== undefined, "an answer of etcd has a header");
  return safeNumber(header.revision);
}

/** The cluster that answered, as decimal text. */
export function storeIdOf(header: ResponseHeader | undefined): StoreId {
  assert(header !== undefined, "an answer of etcd has a header");
  return header.clusterId.toString();
}

/** Undefined for a server that holds no elections. */
export function termOf(header: ResponseHeader | undefined): number | undefined {
  const term = Number(header?.raftTerm ?? 0n);
  return term > 0 ? term : undefined;
}

export function safeNumber(number: bigint): number {
  assert(number <= BigInt(Number.MAX_SAFE_INTEGER), "etcd's numbers stay below 2^53");
  return Number(number);
}

export function leaseIdOf(number: bigint): LeaseId {
  return number.toString();
}

/** A lease that never exists, for what cannot be one of etcd; 0 would mean to etcd that there is none to look for. */
const nobodysLease = -1n;

export function leaseNumberOf(id: LeaseId): bigint {
  if (!/^-?[0-9]{1,19}$/.test(id)) return nobodysLease;
  return BigInt.asIntN(64, BigInt(id)) || nobodysLease;
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, "utf8");
}

function compareOf(compare: StoreCompare): Compare {
  const one = { key: bytesOf(compare.key), rangeEnd: nothing, result: Compare_CompareResult.EQUAL };
  if ("value" in compare) {
    const targetUnion = { $case: "value", value: bytesOf(compare.value) } as const;
    return { ...one, target: Compare_CompareTarget.VALUE, targetUnion };
  }
  const targetUnion = { $case: "modRevision", modRevision: BigInt(compare.modRevision) } as const;
  return { ...one, target: Compare_CompareTarget.MOD, targetUnion };
}

function operationOf(operation: Operation): RequestOp {
  if (operation.do === "delete") {
    const requestDeleteRange = { ...boundsOf(operation.range), prevKv: false };
    return { request: { $case: "requestDeleteRange", requestDeleteRange } };
  }
  const { key, value, lease } = operation;
  const number = lease === undefined ? 0n : leaseNumberOf(lease);
  const pair = { key: bytesOf(key), value: bytesOf(value), lease: number };
  const requestPut = { ...pair, prevKv: false, ignoreValue: false, ignoreLease: false };
  return { request: { $case: "requestPut", requestPut } };
}
