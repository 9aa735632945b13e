import { goJson } from "../keys/client-text.ts";
import { type KeysClient, KeysRefusal, type KeysResponse } from "../keys/client-keys.ts";
import type { ShownNode } from "../keys/model.ts";
import { type Backoff, pauseMs } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import { type GroupKeys, groupKeys, haltKey } from "./lock-keys.ts";
import {
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
  /** Why nobody may begin to reboot; undefined when they may. */
  readonly halted: Halt | undefined;
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
    let leased = false;
    return await this.#changed(async (seen) => {
      const beginMs = this.#env.clock.monotonic();
      const ended = endedLeases(seen);
      const decision =
        seen.halted === undefined ? lock(seen.semaphore, id, ended) : { refused: haltedText(seen.halted) };
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
      for (const holder of released) await this.#dropLease(holder, seen.leaseIndices.get(holder));
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
      const plain = { directory: false, recursive: false, previousValue: "" };
      await this.#api.remove(this.#keys.lease(id), { ...plain, previousIndex: index });
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
  return {
    semaphore: parseSemaphore(semaphore?.value ?? "", keys.semaphore),
    semaphoreIndex: semaphore?.modifiedIndex ?? 0,
    leases,
    leaseIndices,
    halted: halt === undefined ? undefined : haltOf(halt.value ?? ""),
  };
}

function child(directory: ShownNode | undefined, key: string): ShownNode | undefined {
  return directory?.nodes?.find((node) => node.key === key);
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
