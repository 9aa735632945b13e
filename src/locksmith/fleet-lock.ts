import type { Log } from "../lib/env.ts";
import { isFault, sentenceOf } from "../lib/fault.ts";
import {
  denied,
  type FleetLockAnswer,
  type FleetLockRequest,
  type FleetLockWish,
  granted,
  lockGroupOf,
  wishOf,
} from "./fleet-lock-rules.ts";
import type { RebootLock } from "./reboot-lock.ts";

/** What the fleet lock protocol is served with. */
export interface FleetLockParts {
  readonly log: Log;
  /** The lock of a group; the empty name is the default group. */
  readonly lockOf: (group: string) => RebootLock;
  /** Groups that are served; empty: any. */
  readonly groups: readonly string[];
  /** How long a slot is kept for a machine that is not heard of again; undefined: for ever. */
  readonly leaseMs: number | undefined;
}

/** Answers one request of the fleet lock protocol out of the reboot lock; whatever happens is an answer. */
export async function answerFleetLock(
  parts: FleetLockParts,
  request: FleetLockRequest,
): Promise<FleetLockAnswer> {
  const wish = wishOf(request, parts.groups);
  if ("status" in wish) return wish;
  try {
    await carryOut(parts, wish);
    return granted;
  } catch (error) {
    if (isFault(error, "lock-refused", "lock-contended")) return denied(500, "failed_lock", error.message);
    const sentence = sentenceOf(error).trim();
    parts.log.warning(`cannot answer ${wish.id}: ${sentence}`, { group: wish.group });
    return denied(500, "failed_sem_init", sentence);
  }
}

async function carryOut({ log, lockOf, leaseMs }: FleetLockParts, wish: FleetLockWish): Promise<void> {
  const { deed, id, group } = wish;
  const lock = lockOf(lockGroupOf(wish));
  if (deed === "pre-reboot") {
    const { already, released } = await lock.lock(id, leaseMs);
    for (const other of released) {
      log.warning("the lease of a machine had ended, its slot was given back", { machine: other, group });
    }
    if (!already) log.info("a machine took a slot", { machine: id, group });
    return;
  }
  const { semaphore } = await lock.picture();
  // Machines report their steady state at each start, mostly without a slot.
  if (!semaphore.holders.includes(id)) return;
  try {
    await lock.unlock(id);
    log.info("a machine gave its slot back", { machine: id, group });
  } catch (error) {
    // Gone in the meantime, which is as well.
    if (!isFault(error, "lock-refused")) throw error;
  }
}
