import { Fault } from "../lib/fault.ts";
import type { KeyRange, LeaseId } from "./store.ts";

/** What a call with a lease gets that expired or was revoked. */
export function leaseGone(id: LeaseId): Fault {
  return new Fault(
    "store-lease-gone",
    `Cannot use lease ${id}, it expired or was revoked: ask for a new one.`,
  );
}

/** What a watch gets that goes on from a revision of another store. */
export function anotherStore(range: KeyRange): Fault {
  return new Fault(
    "store-compacted",
    `Cannot watch ${range.from} from there, that is a revision of another store, which this one has taken the place of: read the present and go on from there.`,
  );
}

/** What every call gets after the store was closed. */
export function storeClosed(): Fault {
  return new Fault("store-closed", "Cannot use the store, it was closed: open it again.");
}
