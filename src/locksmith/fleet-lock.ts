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
import type { Locked, RebootLock } from "./reboot-lock.ts";

/** What the fleet lock protocol is served with. */
export interface FleetLockParts {
  readonly log: Log;
  /** The lock of a group; the empty name is the default group. */
  readonly lockOf: (group: string) => RebootLock;
  /** Groups that are served; empty: any. */
  readonly groups: readonly string[];
  /** How long a slot is kept for a machine that is not heard of again; undefined: for ever. */
  readonly leaseMs: number | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** How long a machine that was refused keeps its place in the queue: zincati asks again after a minute. */
const placeMs = 180_000;

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

async function carryOut(parts: FleetLockParts, wish: FleetLockWish): Promise<void> {
  const { log, lockOf } = parts;
  const { deed, id, group } = wish;
  const lock = lockOf(lockGroupOf(wish));
  if (deed === "pre-reboot") {
    const { already, released } = await lockOrQueue(parts, lock, id);
    for (const other of released) {
      log.warning("the lease of a machine had ended, its slot was given back", { machine: other, group });
    }
    if (!already) log.info("a machine took a slot", { machine: id, group });
    return;
  }
  const { semaphore, queue } = await lock.picture();
  if (queue.some((waiter) => waiter.id === id)) await lock.leaveQueue(id);
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

/** Clients of the protocol ask again and again; meanwhile the queue remembers that they wait. */
async function lockOrQueue({ leaseMs, now }: FleetLockParts, lock: RebootLock, id: string): Promise<Locked> {
  try {
    return await lock.lock(id, leaseMs);
  } catch (error) {
    if (isFault(error, "lock-refused")) {
      const waiter = (await lock.picture()).queue.find((each) => each.id === id);
      const since = Date.parse(waiter?.since ?? "");
      await lock.queue(id, Number.isNaN(since) ? now() : since, placeMs);
    }
    throw error;
  }
}
