import { Fault } from "../lib/fault.ts";
import { escapeQuery } from "../keys/client-text.ts";

/** Where locksmith keeps what it knows, below `/v2/keys`. Whoever watches it hears of every change. */
export const rootKey = "/coreos.com/updateengine/rebootlock";
const root = rootKey;

/** Stands there as long as nobody may begin to reboot, whatever the group; the value says since when and why. */
export const haltKey = `${root}/halted`;

/** Who wants which machine to be rebooted, and what the machines' daemons tell about themselves: a key for each machine. */
export const wishesKey = `${root}/wishes`;
export const machinesKey = `${root}/machines`;

/** The key of a machine in one of the directories above. */
export function machineKey(directory: string, id: string): string {
  return `${directory}/m-${escapeQuery(id)}`;
}

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
  /** One key for each machine that waits for a slot; the order of their creation is the order of the queue. */
  readonly ticket: (id: string) => string;
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
  const of = (kind: string) => (id: string) => machineKey(`${directory}/${kind}`, id);
  return {
    directory,
    semaphore: `${directory}/semaphore`,
    lease: of("leases"),
    life: of("lives"),
    ticket: of("queue"),
  };
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
