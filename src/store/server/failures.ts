import { status } from "@grpc/grpc-js";
import { isFault, sentenceOf } from "../../lib/fault.ts";

/** An answer that is a failure, in etcd's words: clients of etcd decide by them (etcd 3.4, its package rpctypes). */
export class Refusal extends Error {
  readonly code: status;
  readonly details: string;

  constructor(code: status, details: string) {
    super(details);
    this.code = code;
    this.details = details;
  }
}

export const refusals = {
  compacted: () => new Refusal(status.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted"),
  emptyKey: () => new Refusal(status.INVALID_ARGUMENT, "etcdserver: key is not provided"),
  keyNotFound: () => new Refusal(status.INVALID_ARGUMENT, "etcdserver: key not found"),
  leaseGone: () => new Refusal(status.NOT_FOUND, "etcdserver: requested lease not found"),
  leaseExists: () => new Refusal(status.FAILED_PRECONDITION, "etcdserver: lease already exists"),
  leaseTooLong: () => new Refusal(status.OUT_OF_RANGE, "etcdserver: too large lease TTL"),
  tooManyOperations: () =>
    new Refusal(status.INVALID_ARGUMENT, "etcdserver: too many operations in txn request"),
  keyTwice: () => new Refusal(status.INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request"),
  notText: () =>
    new Refusal(status.INVALID_ARGUMENT, "argosy: the embedded store keeps UTF-8 text, and this is none"),
  noVersions: () =>
    new Refusal(
      status.INVALID_ARGUMENT,
      "argosy: the embedded store does not count versions; compare with 0 or with a revision",
    ),
};

/** What a client is told when the store refuses. */
const meanings: Readonly<Record<string, readonly [status, string]>> = {
  "store-future-revision": [status.OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision"],
  "store-no-space": [status.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"],
  "store-too-large": [status.INVALID_ARGUMENT, "etcdserver: request is too large"],
  "store-busy": [status.RESOURCE_EXHAUSTED, "etcdserver: too many requests"],
  "store-closed": [status.UNAVAILABLE, "etcdserver: server stopped"],
};

/** Any failure of a call, as the refusal to answer with. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (isFault(error, "store-compacted")) return refusals.compacted();
  if (isFault(error, "store-lease-gone")) return refusals.leaseGone();
  if (isFault(error)) {
    const [code, details] = meanings[error.code] ?? [status.UNAVAILABLE, `etcdserver: ${error.message}`];
    return new Refusal(code, details);
  }
  return new Refusal(status.INTERNAL, `etcdserver: ${sentenceOf(error)}`);
}
