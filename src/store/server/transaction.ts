import { compareKeys, contains } from "../range.ts";
import { type Entry, type KeyRange, maxOperationsAlone, type Operation, type Revision } from "../store.ts";
import type { Table } from "../table.ts";
import { keyValueOf, leaseNumberOf, rangeResponseOf } from "./answers.ts";
import { bytesOf, rangeOf, textOf } from "./bytes.ts";
import { refusals } from "./failures.ts";
import {
  type Compare,
  Compare_CompareResult as Result,
  Compare_CompareTarget as Target,
  type DeleteRangeRequest,
  type DeleteRangeResponse,
  type PutRequest,
  type PutResponse,
  type RangeRequest,
  type RequestOp,
  type ResponseOp,
  type TxnRequest,
  type TxnResponse,
} from "../wire/generated/etcd.ts";

/** Operations of one transaction, planned one after the other; each sees what those before it did. */
export class Plan {
  readonly operations: Operation[] = [];
  readonly #table: Table;
  readonly #next: Revision;
  readonly #puts = new Set<string>();
  readonly #deletes: KeyRange[] = [];

  constructor(table: Table) {
    this.#table = table;
    this.#next = table.revision + 1;
  }

  put(request: PutRequest): PutResponse {
    const { from: key } = rangeOf(request.key, new Uint8Array());
    if (this.#puts.has(key) || this.#deletes.some((range) => contains(range, key))) throw refusals.keyTwice();
    this.#puts.add(key);
    const old = this.#table.get(key);
    if ((request.ignoreValue || request.ignoreLease) && old === undefined) throw refusals.keyNotFound();
    const value = request.ignoreValue ? (old?.value ?? "") : textOf(request.value);
    const lease = request.ignoreLease ? old?.lease : leaseNameOf(request.lease);
    this.operations.push({ do: "put", key, value, ...(lease === undefined ? {} : { lease }) });
    const prevKv = request.prevKv && old !== undefined ? keyValueOf(old) : undefined;
    return { header: undefined, prevKv };
  }

  delete(request: DeleteRangeRequest): DeleteRangeResponse {
    const range = rangeOf(request.key, request.rangeEnd);
    for (const key of this.#puts) if (contains(range, key)) throw refusals.keyTwice();
    this.#deletes.push(range);
    const doomed = this.#read(range);
    this.operations.push({ do: "delete", range });
    const prevKvs = request.prevKv ? doomed.map((entry) => keyValueOf(entry)) : [];
    return { header: undefined, deleted: BigInt(doomed.length), prevKvs };
  }

  transaction(request: TxnRequest): TxnResponse {
    const { compare, success, failure } = request;
    if (Math.max(compare.length, success.length, failure.length) > maxOperationsAlone)
      throw refusals.tooManyOperations();
    const succeeded = compare.every((one) => holds(this.#table, one));
    const responses = (succeeded ? success : failure).map((one) => this.#carryOut(one));
    return { header: undefined, succeeded, responses };
  }

  #carryOut({ request }: RequestOp): ResponseOp {
    if (request === undefined) throw refusals.emptyKey();
    switch (request.$case) {
      case "requestRange": {
        const responseRange = this.#range(request.requestRange);
        return { response: { $case: "responseRange", responseRange } };
      }
      case "requestPut": {
        const responsePut = this.put(request.requestPut);
        return { response: { $case: "responsePut", responsePut } };
      }
      case "requestDeleteRange": {
        const responseDeleteRange = this.delete(request.requestDeleteRange);
        return { response: { $case: "responseDeleteRange", responseDeleteRange } };
      }
      case "requestTxn": {
        const responseTxn = this.transaction(request.requestTxn);
        return { response: { $case: "responseTxn", responseTxn } };
      }
    }
  }

  #range(request: RangeRequest): ReturnType<typeof rangeResponseOf> {
    const range = rangeOf(request.key, request.rangeEnd);
    const entries =
      request.revision > 0n
        ? this.#table.read(range, { atRevision: Number(request.revision) }).entries
        : this.#read(range);
    return rangeResponseOf(request, entries);
  }

  /** The range as it is after the operations so far. */
  #read(range: KeyRange): readonly Entry[] {
    const present = this.#table.read(range).entries;
    if (this.operations.length === 0) return present;
    const entries = new Map(present.map((entry) => [entry.key, entry]));
    for (const operation of this.operations) {
      if (operation.do === "delete") {
        for (const key of entries.keys()) if (contains(operation.range, key)) entries.delete(key);
      } else if (contains(range, operation.key)) {
        const { key, value, lease } = operation;
        const createRevision = entries.get(key)?.createRevision ?? this.#next;
        const made = { key, value, createRevision, modRevision: this.#next };
        entries.set(key, lease === undefined ? made : { ...made, lease });
      }
    }
    return [...entries.values()].toSorted((one, other) => compareKeys(one.key, other.key));
  }
}

/** The text of a lease's number; undefined for none. */
export function leaseNameOf(number: bigint): string | undefined {
  return number === 0n ? undefined : number.toString();
}

/** A compare over a range holds when it does for every key there; over a single key that is not there, for zeros. */
function holds(table: Table, compare: Compare): boolean {
  const range = rangeOf(compare.key, compare.rangeEnd);
  const { entries } = table.read(range);
  if (range.to !== undefined) return entries.every((entry) => holdsFor(entry, compare));
  return holdsFor(entries[0], compare);
}

function holdsFor(entry: Entry | undefined, { result, target, targetUnion }: Compare): boolean {
  if (target === Target.VALUE) {
    const wanted = targetUnion?.$case === "value" ? targetUnion.value : bytesOf("");
    return entry !== undefined && compares(Buffer.compare(bytesOf(entry.value), wanted), result);
  }
  const wanted =
    targetUnion?.$case === "version"
      ? targetUnion.version
      : targetUnion?.$case === "createRevision"
        ? targetUnion.createRevision
        : targetUnion?.$case === "modRevision"
          ? targetUnion.modRevision
          : targetUnion?.$case === "lease"
            ? targetUnion.lease
            : 0n;
  if (target === Target.VERSION) return compares(versionAgainst(entry, wanted), result);
  const actual =
    target === Target.CREATE
      ? BigInt(entry?.createRevision ?? 0)
      : target === Target.MOD
        ? BigInt(entry?.modRevision ?? 0)
        : leaseNumberOf(entry?.lease);
  return compares(actual < wanted ? -1 : actual > wanted ? 1 : 0, result);
}

/** Versions are not counted, so a key can only be known to be there (above 0) or not. */
function versionAgainst(entry: Entry | undefined, wanted: bigint): number {
  if (entry === undefined) return wanted === 0n ? 0 : -1;
  if (wanted <= 0n) return 1;
  throw refusals.noVersions();
}

function compares(order: number, result: Result): boolean {
  if (result === Result.EQUAL) return order === 0;
  if (result === Result.NOT_EQUAL) return order !== 0;
  return result === Result.GREATER ? order > 0 : order < 0;
}
