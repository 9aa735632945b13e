import { Fault } from "../lib/fault.ts";
import { escapeQuery } from "../keys/client-text.ts";

/** Where locksmith keeps what it knows, below `/v2/keys`. */
const root = "/coreos.com/updateengine/rebootlock";

/** Stands there as long as nobody may begin to reboot, whatever the group; the value says since when and why. */
export const haltKey = `${root}/halted`;

/** The directory with a directory for each group that has a name. */
export const groupsKey = `${root}/groups`;

/** The keys of one group of machines. */
export interface GroupKeys {
  readonly directory: string;
  /** locksmith 0.6.2's own key; the others are Argosy's and stand beside it. */
  readonly semaphore: string;
  /** One key for each holder with a lease; it has no time to live and tells those apart that never had one. */
  readonly lease: (id: string) => string;
  /** A key that lives as long as the lease does. */
  readonly life: (id: string) => string;
}

/** Where a group keeps its keys; the empty name is the default group. Throws Fault `bad-group`. */
export function groupKeys(group: string): GroupKeys {
  if (group === "." || group === "..") {
    throw new Fault(
      "bad-group",
      `cannot use the group "${group}": it would be a part of a path; take another name`,
    );
  }
  const directory = group === "" ? root : `${groupsKey}/${escapeQuery(group)}`;
  // The letter keeps a name from being hidden, as those are that begin with "_", and from being a part of a path.
  const of = (kind: string) => (id: string) => `${directory}/${kind}/m-${escapeQuery(id)}`;
  return { directory, semaphore: `${directory}/semaphore`, lease: of("leases"), life: of("lives") };
}

/** The name of a group by the last part of its directory's key. */
export function groupOf(key: string): string {
  const escaped = key.slice(key.lastIndexOf("/") + 1);
  try {
    return decodeURIComponent(escaped.replaceAll("+", " "));
  } catch {
    // Made by something else than locksmith; its own text is all there is to call it by.
    return escaped;
  }
}
