import { type Backoff, pauseMs } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { Fault, isFault, sentenceOf } from "../lib/fault.ts";
import type { Locked, LockPicture, RebootLock } from "./reboot-lock.ts";

/** How long the store may be away before it is asked again. */
const retry: Backoff = { firstMs: 2_000, mostMs: 30_000 };

/** Why the keeper of a lease ends. */
const ending = new Fault("slot-given-back", "the slot was given back");

/** One machine's slot of the reboot lock: keeps its lease going as long as it is held. */
export class Slot {
  readonly #env: Env;
  readonly #lock: RebootLock;
  readonly #id: string;
  readonly #leaseMs: number | undefined;
  #keeping: AbortController | undefined;

  /** @param leaseMs undefined: the slot is kept until it is given back */
  constructor(env: Env, lock: RebootLock, id: string, leaseMs: number | undefined) {
    this.#env = env;
    this.#lock = lock;
    this.#id = id;
    this.#leaseMs = leaseMs;
  }

  /** The group, and whether this machine holds a slot of it. */
  async look(): Promise<LockPicture & { readonly held: boolean }> {
    const picture = await this.#lock.picture();
    return { ...picture, held: picture.semaphore.holders.includes(this.#id) };
  }

  /**
   * Takes a slot when it is this machine's turn, and keeps its place in the queue when it is not. Throws what
   * `RebootLock.lock` does.
   * @param sinceMs when it began to wait
   */
  async take(sinceMs: number): Promise<Locked> {
    try {
      return await this.#lock.lock(this.#id, this.#leaseMs);
    } catch (error) {
      if (isFault(error, "lock-refused")) await this.#lock.queue(this.#id, sinceMs);
      throw error;
    }
  }

  /** Confirms the slot right before the reboot. Throws what `RebootLock.renew` does. */
  async confirm(): Promise<Locked> {
    return await this.#lock.renew(this.#id, this.#leaseMs, "refuse");
  }

  /**
   * Renews the lease three times in its length until the slot is given back, released or the signal is aborted; whatever fails
   * meanwhile, it tries again.
   * @param first `now` for a slot that an earlier daemon or boot took, whose lease may be almost over
   */
  keep(first: "now" | "later", signal: AbortSignal): void {
    if (this.#leaseMs === undefined || this.#keeping !== undefined) return;
    this.#keeping = new AbortController();
    const until = AbortSignal.any([signal, this.#keeping.signal]);
    this.#renewAgainAndAgain(this.#leaseMs, first, until).catch((error: unknown) => {
      if (!until.aborted) this.#env.log.error(`the lease of the slot is not renewed: ${sentenceOf(error)}`);
    });
  }

  /** Gives the slot or the place in the queue back, where there is one. */
  async giveBack(): Promise<void> {
    this.release();
    await this.#lock.leaveQueue(this.#id);
    try {
      await this.#lock.unlock(this.#id);
    } catch (error) {
      if (!isFault(error, "lock-refused")) throw error;
    }
  }

  /** Ends `keep`. */
  release(): void {
    this.#keeping?.abort(ending);
    this.#keeping = undefined;
  }

  async #renewAgainAndAgain(leaseMs: number, first: "now" | "later", signal: AbortSignal): Promise<void> {
    let pause = first === "now" ? 0 : leaseMs / 3;
    for (
      let failures = 0;
      ;
      pause = failures === 0 ? leaseMs / 3 : pauseMs(retry, failures, this.#env.random())
    ) {
      if (pause > 0) await this.#env.clock.sleep(pause, signal);
      try {
        await this.#lock.renew(this.#id, leaseMs, "renew");
        failures = 0;
      } catch (error) {
        if (!isFault(error)) throw error;
        if (error.code === "lock-refused") {
          this.#env.log.warning("this machine holds no slot any more: it was taken back or given back");
          return;
        }
        failures += 1;
        if (failures === 1)
          this.#env.log.warning(`cannot renew the lease of the slot: ${error.message}; it is tried again`);
      }
    }
  }
}
