import { compareKeys } from "../range.ts";
import type { Entry } from "../store.ts";
import { bytesOf } from "./bytes.ts";
import {
  type KeyValue,
  type RangeRequest,
  RangeRequest_SortOrder as Order,
  RangeRequest_SortTarget as Target,
  type RangeResponse,
} from "../wire/generated/etcd.ts";

/** An entry as etcd tells it. Versions are not counted; 0 stands for "not known". */
export function keyValueOf(entry: Entry, keysOnly = false): KeyValue {
  return {
    key: bytesOf(entry.key),
    createRevision: BigInt(entry.createRevision),
    modRevision: BigInt(entry.modRevision),
    version: 0n,
    value: bytesOf(keysOnly ? "" : entry.value),
    lease: leaseNumberOf(entry.lease),
  };
}

/** The number of a lease; those of the embedded store are numbers in decimal. */
export function leaseNumberOf(id: string | undefined): bigint {
  return id === undefined ? 0n : BigInt(id);
}

/** The answer to a request for a range, out of all entries of the range in key order. */
export function rangeResponseOf(request: RangeRequest, all: readonly Entry[]): RangeResponse {
  const count = BigInt(all.length);
  if (request.countOnly) return { header: undefined, kvs: [], more: false, count };
  const wanted = sorted(
    request,
    all.filter((entry) => isWanted(request, entry)),
  );
  const limit = request.limit > 0n ? Number(request.limit) : wanted.length;
  const kvs = wanted.slice(0, limit).map((entry) => keyValueOf(entry, request.keysOnly));
  return { header: undefined, kvs, more: wanted.length > limit, count };
}

function isWanted(request: RangeRequest, { modRevision, createRevision }: Entry): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  return (
    (minModRevision === 0n || modRevision >= minModRevision) &&
    (maxModRevision === 0n || modRevision <= maxModRevision) &&
    (minCreateRevision === 0n || createRevision >= minCreateRevision) &&
    (maxCreateRevision === 0n || createRevision <= maxCreateRevision)
  );
}

/** In key order, unless another one is asked for; as in etcd, a target without an order is sorted upwards. */
function sorted({ sortOrder, sortTarget }: RangeRequest, entries: Entry[]): Entry[] {
  if (sortTarget === Target.KEY) return sortOrder === Order.DESCEND ? entries.toReversed() : entries;
  const direction = sortOrder === Order.DESCEND ? -1 : 1;
  const by = (one: Entry, other: Entry): number => {
    if (sortTarget === Target.CREATE) return one.createRevision - other.createRevision;
    if (sortTarget === Target.MOD) return one.modRevision - other.modRevision;
    return sortTarget === Target.VALUE ? compareKeys(one.value, other.value) : 0;
  };
  return entries.toSorted((one, other) => direction * by(one, other));
}
