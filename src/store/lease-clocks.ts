import { assert } from "../lib/assert.ts";
import type { Env } from "../lib/env.ts";
import { leaseGone } from "./faults.ts";
import type { LeaseId } from "./store.ts";

/** Timers take no more than 2^31 - 1 ms; longer leases sleep again. */
const longestSleepMs = 24 * 3_600_000;

interface LeaseClock {
  readonly ttlMs: number;
  readonly ended: AbortController;
  /** On the monotonic clock. */
  deadlineMs: number;
}

/** A clock for each lease, that calls `expire` once when a lease was neither renewed nor ended in its time. */
export class LeaseClocks {
  readonly #env: Env;
  readonly #expire: (id: LeaseId, ttlMs: number) => void;
  readonly #clocks = new Map<LeaseId, LeaseClock>();

  constructor(env: Env, expire: (id: LeaseId, ttlMs: number) => void) {
    this.#env = env;
    this.#expire = expire;
  }

  /** Starts the clock of a new lease, with `leftMs` to go if that is not its whole time. */
  start(id: LeaseId, ttlMs: number, leftMs: number = ttlMs): void {
    assert(!this.#clocks.has(id), `lease ${id} has no clock yet`);
    const deadlineMs = this.#env.clock.monotonic() + leftMs;
    const clock: LeaseClock = { ttlMs, ended: new AbortController(), deadlineMs };
    this.#clocks.set(id, clock);
    void this.#run(id, clock);
  }

  /** Gives the lease its whole time again, and tells what that is; undefined when there is no such lease. */
  renew(id: LeaseId): number | undefined {
    const clock = this.#clocks.get(id);
    if (clock === undefined) return undefined;
    clock.deadlineMs = this.#env.clock.monotonic() + clock.ttlMs;
    return clock.ttlMs;
  }

  /** The whole time of a lease and what is left of it, in ms. */
  timeOf(id: LeaseId): { readonly ttlMs: number; readonly leftMs: number } | undefined {
    const clock = this.#clocks.get(id);
    if (clock === undefined) return undefined;
    return {
      ttlMs: clock.ttlMs,
      leftMs: Math.max(0, clock.deadlineMs - this.#env.clock.monotonic()),
    };
  }

  ids(): Iterable<LeaseId> {
    return this.#clocks.keys();
  }

  /** Stops the clock of a lease; false when there is none. */
  end(id: LeaseId): boolean {
    const clock = this.#clocks.get(id);
    if (clock === undefined) return false;
    this.#clocks.delete(id);
    clock.ended.abort(leaseGone(id));
    return true;
  }

  /** Stops every clock; nothing expires any more. */
  stop(): void {
    for (const id of this.#clocks.keys()) this.end(id);
  }

  async #run(id: LeaseId, lease: LeaseClock): Promise<void> {
    const { clock } = this.#env;
    try {
      // A clock that was renewed meanwhile sleeps on.
      for (let left = lease.deadlineMs - clock.monotonic(); left > 0; ) {
        await clock.sleep(Math.min(left, longestSleepMs), lease.ended.signal);
        left = lease.deadlineMs - clock.monotonic();
      }
    } catch (error) {
      if (lease.ended.signal.aborted) return;
      throw error;
    }
    if (this.end(id)) this.#expire(id, lease.ttlMs);
  }
}
