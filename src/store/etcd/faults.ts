import { status, type ServiceError } from "@grpc/grpc-js";
import { Fault } from "../../lib/fault.ts";

/** What etcd says, and what it means to us. The sentences are those of etcd's rpctypes, the same in 3.4 and 3.5. */
const meanings: readonly { readonly says: RegExp; readonly code: string; readonly advice: string }[] = [
  {
    says: /required revision has been compacted/,
    code: "store-compacted",
    advice: "that revision was compacted: read the present and go on from there.",
  },
  {
    says: /required revision is a future revision/,
    code: "store-future-revision",
    advice: "that revision was not reached yet: ask for one that was.",
  },
  {
    says: /request is too large|received message larger than max/,
    code: "store-too-large",
    advice: "the request is too large: write smaller values, or raise etcd's --max-request-bytes.",
  },
  {
    says: /too many operations in txn request/,
    code: "store-too-large",
    advice: "etcd allows fewer operations in one transaction: set its --max-txn-ops to 128 or more.",
  },
  {
    says: /database space exceeded/,
    code: "store-no-space",
    advice:
      "etcd's database is full: compact and defragment it, then disarm the alarm, or raise --quota-backend-bytes.",
  },
  {
    says: /requested lease not found/,
    code: "store-lease-gone",
    advice: "the lease expired or was revoked: ask for a new one.",
  },
];

/** The Fault that a failed call is; whatever has no meaning of its own is `store-unavailable`. */
export function faultOf(doing: string, endpoint: string, error: ServiceError): Fault {
  const meaning = meanings.find(({ says }) => says.test(error.details));
  const to = `Cannot ${doing} etcd at ${endpoint}`;
  if (meaning !== undefined) return new Fault(meaning.code, `${to}, ${meaning.advice}`, { cause: error });
  return new Fault(
    "store-unavailable",
    `${to}, ${reasonOf(error)}: see whether that member and most of its cluster are up.`,
    { cause: error },
  );
}

export function unavailable(doing: string, endpoint: string, reason: string): Fault {
  return new Fault(
    "store-unavailable",
    `Cannot ${doing} etcd at ${endpoint}, ${reason}: see whether that member and most of its cluster are up.`,
  );
}

export function storeClosed(): Fault {
  return new Fault("store-closed", "Cannot use the store, it was closed: open it again.");
}

/**
 * Whether the member refused before it did anything: it knows no leader (the answer to the `hasleader` header), or
 * has too many requests waiting.
 */
export function wasRefused(error: ServiceError): boolean {
  return /etcdserver: (no leader|too many requests)/.test(error.details);
}

/** Whether the member is alive, although it cannot serve now. */
export function isAlive(error: ServiceError): boolean {
  return error.details.startsWith("etcdserver: ");
}

function reasonOf(error: ServiceError): string {
  if (error.code === status.DEADLINE_EXCEEDED) return "it did not answer in time";
  return error.details.replace(/[.:\s]+$/, "") || `the call failed with gRPC status ${error.code}`;
}
