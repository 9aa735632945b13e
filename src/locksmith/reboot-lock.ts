import { goJson } from "../keys/client-text.ts";
import { type KeysClient, KeysRefusal, type KeysResponse } from "../keys/client-keys.ts";
import type { ShownNode } from "../keys/model.ts";
import { type Backoff, pauseMs } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import { type GroupKeys, groupKeys, haltKey } from "./lock-keys.ts";
import {
  type Decision,
  firstSemaphore,
  lock,
  parseSemaphore,
  type Semaphore,
  semaphoreBody,
  setMax,
  unlock,
} from "./semaphore.ts";

/** The part of a client of the keys that the lock needs. */
export type LockKeys = Pick<KeysClient, "get" | "put" | "remove">;

/** How often a change is tried again that others were quicker than; each time one of them got on. */
const mostTries = 30;
const pause: Backoff = { firstMs: 10, mostMs: 500 };

/** The shortest lease: the v2 API counts times to live in whole seconds. */
export const leastLeaseMs = 2_000;
/** How long a machine keeps its place in the queue after it last asked; it has to ask again in less than that. */
export const ticketMs = 60_000;

/** A lease on a slot. */
export interface Lease {
  /** How long it lasts from the last lock on, in seconds. */
  readonly seconds: number;
  /** Seconds that are left; 0 when it has ended and the slot is for the next one to take. */
  readonly leftSeconds: number;
}

/** What a group looked like at one moment. */
export interface LockPicture {
  readonly semaphore: Semaphore;
  /** Leases by holder; a holder that is not here keeps its slot until it is given back. */
  readonly leases: ReadonlyMap<string, Lease>;
  /** Who waits for a slot, the longest first; nobody who holds one. */
  readonly queue: readonly Waiter[];
  /** Why nobody may begin to reboot; undefined when they may. */
  readonly halted: Halt | undefined;
}

/** A machine that waits for a slot. */
export interface Waiter {
  readonly id: string;
  /** As ISO 8601, by the clock of that machine: for people. What counts is the order in the store. */
  readonly since: string;
}

/** An order that nobody begins to reboot. */
export interface Halt {
  /** As ISO 8601. */
  readonly since: string;
  /** May be empty. */
  readonly reason: string;
}

/** What a successful lock tells. */
export interface Locked {
  /** The machine had its slot already. */
  readonly already: boolean;
  /** Machines whose leases had ended and whose slots were taken back with it. */
  readonly released: readonly string[];
  /**
   * Until when, on the monotonic clock, the machine may begin to reboot on the strength of this lock: in the first half
   * of the lease, so that the slot cannot be another's before it is down. Infinity without a lease.
   */
  readonly rebootUntilMs: number;
}

interface Seen extends LockPicture {
  readonly semaphoreIndex: number;
  readonly leaseIndices: ReadonlyMap<string, number>;
  /** Machines with a place in the queue, those with a slot as well. */
  readonly tickets: ReadonlySet<string>;
}

/**
 * The reboot lock of one group, over the v2 keys API: each change is one compare-and-swap on locksmith's key.
 * All methods throw Fault `lock-refused` in locksmith's words, `bad-semaphore`, `lock-contended` after too many lost
 * races, and the Faults of the client.
 */
export class RebootLock {
  readonly #env: Env;
  readonly #api: LockKeys;
  readonly #keys: GroupKeys;

  /** @param group empty for the default group. Throws Fault `bad-group`. */
  constructor(env: Env, api: LockKeys, group: string) {
    this.#env = env;
    this.#api = api;
    this.#keys = groupKeys(group);
  }

  /** Reads the group; makes the semaphore when there is none yet, as locksmith does. */
  async picture(): Promise<LockPicture> {
    return await this.#look();
  }

  /**
   * Takes a slot for a machine, or confirms and renews the one it has. Even that writes the semaphore: whoever planned to
   * take the slot back from what he read before then loses the race, so a machine that has just locked may reboot.
   * @param leaseMs how long the slot is kept for the machine when it does not lock again; undefined: for ever
   */
  async lock(id: string, leaseMs: number | undefined): Promise<Locked> {
    return await this.#locked(id, leaseMs, (seen, ended) => {
      if (seen.halted !== undefined) return { refused: haltedText(seen.halted) };
      return lock(seen.semaphore, id, ended, ahead(seen, id));
    });
  }

  /**
   * Confirms and renews the slot that a machine has; never takes one.
   * @param whenHalted whether a halt matters: to somebody who is about to reboot it does
   */
  async renew(id: string, leaseMs: number | undefined, whenHalted: "refuse" | "renew"): Promise<Locked> {
    return await this.#locked(id, leaseMs, ({ semaphore, halted }, ended) => {
      if (!semaphore.holders.includes(id)) return { refused: "holder does not exist" };
      if (halted !== undefined && whenHalted === "refuse") return { refused: haltedText(halted) };
      return lock(semaphore, id, ended);
    });
  }

  /**
   * Has a machine wait for its turn: nobody who begins to wait later gets a slot before it, but for one who was about to
   * lock at this very moment. To be repeated before `placeMs` is over, which keeps the place.
   * @param sinceMs when it began to wait, since 1970
   * @param placeMs how long the place is kept
   */
  async queue(id: string, sinceMs: number, placeMs = ticketMs): Promise<void> {
    const key = this.#keys.ticket(id);
    const ttl = Math.ceil(placeMs / 1000);
    const value = goJson({ id, since: new Date(sinceMs).toISOString() });
    try {
      // An update keeps the index of the creation, and with it the place.
      await this.#api.put(key, { ttl, exists: true, value });
    } catch (error) {
      if (!isRefusal(error, noSuchKey)) throw error;
      await this.#api.put(key, { ttl, value });
    }
  }

  /** Gives up a machine's place in the queue, if it has one. */
  async leaveQueue(id: string): Promise<void> {
    try {
      await this.#api.remove(this.#keys.ticket(id), { ...plainly, previousIndex: 0 });
    } catch (error) {
      if (!isRefusal(error, noSuchKey)) throw error;
    }
  }

  async #locked(
    id: string,
    leaseMs: number | undefined,
    decide: (seen: Seen, ended: readonly string[]) => Decision,
  ): Promise<Locked> {
    let leased = false;
    return await this.#changed(async (seen) => {
      const beginMs = this.#env.clock.monotonic();
      const ended = endedLeases(seen);
      const decision = decide(seen, ended);
      if ("refused" in decision) {
        // A lease that an earlier try of this call left would end the slot of somebody who later locks without one.
        if (leased) await this.#dropLease(id, seen.leaseIndices.get(id));
        throw new Fault("lock-refused", decision.refused);
      }
      if (leaseMs === undefined) await this.#dropLease(id, seen.leaseIndices.get(id));
      else await this.#lease(id, leaseMs);
      leased = leaseMs !== undefined;
      await this.#swap(seen, decision.semaphore);
      const released = ended.filter((holder) => !decision.semaphore.holders.includes(holder));
      const leftBehind = forgottenLeases(seen).filter((holder) => holder !== id);
      for (const holder of [...released, ...leftBehind])
        await this.#dropLease(holder, seen.leaseIndices.get(holder));
      if (seen.tickets.has(id)) await this.leaveQueue(id);
      return {
        already: seen.semaphore.holders.includes(id),
        released,
        rebootUntilMs: leaseMs === undefined ? Number.POSITIVE_INFINITY : beginMs + leaseMs / 2,
      };
    });
  }

  /** Gives a machine's slot back. */
  async unlock(id: string): Promise<void> {
    await this.#changed(async (seen) => {
      const decision = unlock(seen.semaphore, id);
      if ("refused" in decision) throw new Fault("lock-refused", decision.refused);
      await this.#swap(seen, decision.semaphore);
      await this.#dropLease(id, seen.leaseIndices.get(id));
      if (seen.tickets.has(id)) await this.leaveQueue(id);
    });
  }

  /** Changes the number of slots and returns the one before. */
  async setMax(max: number): Promise<number> {
    return await this.#changed(async (seen) => {
      await this.#swap(seen, setMax(seen.semaphore, max));
      return seen.semaphore.max;
    });
  }

  /** Writes the semaphore as it is, so that a lock which has not seen a change beside it is decided again. */
  async touch(): Promise<void> {
    await this.#changed(async (seen) => await this.#swap(seen, seen.semaphore));
  }

  /** Looks and changes until nobody was quicker. */
  async #changed<Result>(change: (seen: Seen) => Promise<Result>): Promise<Result> {
    for (let attempt = 1; attempt <= mostTries; attempt++) {
      const seen = await this.#look();
      try {
        return await change(seen);
      } catch (error) {
        if (!isRefusal(error, compareFailed, noSuchKey)) throw error;
        await this.#env.clock.sleep(pauseMs(pause, attempt, this.#env.random()));
      }
    }
    throw new Fault(
      "lock-contended",
      `cannot change ${this.#keys.semaphore}: others were quicker ${mostTries} times; try again`,
    );
  }

  async #look(): Promise<Seen> {
    let answer = await this.#read(this.#keys.directory);
    if (child(answer?.node, this.#keys.semaphore) === undefined) {
      await this.#make();
      answer = await this.#read(this.#keys.directory);
    }
    // Read after the semaphore: a halt that comes later touches the semaphore, and the swap fails.
    const halt = await this.#read(haltKey);
    return pictureOf(this.#keys, answer?.node, halt?.node);
  }

  async #make(): Promise<void> {
    try {
      await this.#api.put(this.#keys.semaphore, {
        value: goJson(semaphoreBody(firstSemaphore)),
        exists: false,
      });
    } catch (error) {
      if (!isRefusal(error, thereAlready)) throw error;
    }
  }

  async #swap({ semaphoreIndex }: Seen, semaphore: Semaphore): Promise<void> {
    const value = goJson(semaphoreBody(semaphore));
    await this.#api.put(this.#keys.semaphore, { value, previousIndex: semaphoreIndex });
  }

  async #lease(id: string, leaseMs: number): Promise<void> {
    const seconds = Math.ceil(leaseMs / 1000);
    // In this order: a lease without its life would have ended already.
    await this.#api.put(this.#keys.life(id), { value: id, ttl: seconds });
    await this.#api.put(this.#keys.lease(id), { value: goJson({ id, seconds }) });
  }

  /** Removes a lease unless it was renewed since it was seen with this index. */
  async #dropLease(id: string, index: number | undefined): Promise<void> {
    if (index === undefined) return;
    try {
      await this.#api.remove(this.#keys.lease(id), { ...plainly, previousIndex: index });
    } catch (error) {
      if (!isRefusal(error, noSuchKey, compareFailed)) throw error;
    }
  }

  async #read(key: string): Promise<KeysResponse | undefined> {
    try {
      return await this.#api.get(key, { recursive: true, sorted: false, quorum: true });
    } catch (error) {
      if (isRefusal(error, noSuchKey)) return undefined;
      throw error;
    }
  }
}

const plainly = { directory: false, recursive: false, previousValue: "" };

const noSuchKey = 100;
const compareFailed = 101;
const thereAlready = 105;

function isRefusal(error: unknown, ...codes: readonly number[]): boolean {
  return error instanceof KeysRefusal && codes.includes(error.errorCode);
}

function haltedText({ since, reason }: Halt): string {
  return `reboots are halted since ${since}${reason === "" ? "" : `: ${reason}`}`;
}

/** Holders whose leases have ended. */
function endedLeases({ semaphore, leases }: LockPicture): readonly string[] {
  return semaphore.holders.filter((holder) => leases.get(holder)?.leftSeconds === 0);
}

/**
 * Machines without a slot whose leases have ended: locksmithctl of CoreOS has given the slot back, and knows no leases. Left
 * there, one would end the slot that it takes for that machine another time.
 */
function forgottenLeases({ semaphore, leases }: LockPicture): readonly string[] {
  const ended = [...leases].filter(([, { leftSeconds }]) => leftSeconds === 0);
  return ended.map(([holder]) => holder).filter((holder) => !semaphore.holders.includes(holder));
}

/** How many machines have waited longer than this one, or at all when it does not wait. */
function ahead({ queue }: LockPicture, id: string): number {
  const place = queue.findIndex((waiter) => waiter.id === id);
  return place === -1 ? queue.length : place;
}

function pictureOf(keys: GroupKeys, directory: ShownNode | undefined, halt: ShownNode | undefined): Seen {
  const semaphore = child(directory, keys.semaphore);
  const lives = child(directory, `${keys.directory}/lives`)?.nodes ?? [];
  const left = new Map(lives.map(({ key, ttl }) => [key, Math.max(1, ttl ?? 1)]));
  const leases = new Map<string, Lease>();
  const leaseIndices = new Map<string, number>();
  for (const { value = "", modifiedIndex = 0 } of child(directory, `${keys.directory}/leases`)?.nodes ?? []) {
    const lease = leaseOf(value);
    if (lease === undefined) continue;
    const leftSeconds = left.get(keys.life(lease.id)) ?? 0;
    leases.set(lease.id, { seconds: lease.seconds, leftSeconds });
    leaseIndices.set(lease.id, modifiedIndex);
  }
  const state = parseSemaphore(semaphore?.value ?? "", keys.semaphore);
  const tickets = ticketsOf(child(directory, `${keys.directory}/queue`)?.nodes ?? []);
  return {
    semaphore: state,
    queue: tickets.filter(({ id }) => !state.holders.includes(id)),
    tickets: new Set(tickets.map(({ id }) => id)),
    semaphoreIndex: semaphore?.modifiedIndex ?? 0,
    leases,
    leaseIndices,
    halted: halt === undefined ? undefined : haltOf(halt.value ?? ""),
  };
}

function child(directory: ShownNode | undefined, key: string): ShownNode | undefined {
  return directory?.nodes?.find((node) => node.key === key);
}

/** In the order in which the store has made them. What cannot be read waits for nothing. */
function ticketsOf(nodes: readonly ShownNode[]): readonly Waiter[] {
  return [...nodes]
    .sort((a, b) => (a.createdIndex ?? 0) - (b.createdIndex ?? 0))
    .flatMap(({ value = "" }) => {
      const { id, since } = fieldsOf(value);
      return typeof id === "string"
        ? [{ id, since: typeof since === "string" ? since : "an unknown time" }]
        : [];
    });
}

/** What cannot be read as a lease is none: its holder keeps the slot, which is the safe side. */
function leaseOf(text: string): { id: string; seconds: number } | undefined {
  const { id, seconds } = fieldsOf(text);
  return typeof id === "string" && typeof seconds === "number" ? { id, seconds } : undefined;
}

/** Whatever the value, that the key is there halts. */
function haltOf(text: string): Halt {
  const { since, reason } = fieldsOf(text);
  return {
    since: typeof since === "string" ? since : "an unknown time",
    reason: typeof reason === "string" ? reason : "",
  };
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
