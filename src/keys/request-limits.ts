import type { Env } from "../lib/env.ts";

/** Requests that begin within so many ms end together. */
const sharedMs = 100;

/** Signals that end requests which take too long. Requests that come together share one, because each costs a timer. */
export class RequestLimits {
  readonly #env: Env;
  readonly #limitMs: number;
  readonly #timedOut: Error;
  readonly #stopped: Error;
  readonly #signal: AbortSignal;
  #present: AbortSignal | undefined;
  #beganMs = 0;

  /**
   * @param limitMs how long a request may take; it may be ended up to 100 ms earlier
   * @param timedOut the reason of the signals then
   * @param stopped their reason when `signal` is aborted before
   */
  constructor(env: Env, limitMs: number, timedOut: Error, stopped: Error, signal: AbortSignal) {
    this.#env = env;
    this.#limitMs = limitMs;
    this.#timedOut = timedOut;
    this.#stopped = stopped;
    this.#signal = signal;
  }

  /** The signal for a request that begins now. */
  next(): AbortSignal {
    const nowMs = this.#env.clock.monotonic();
    if (this.#present === undefined || this.#present.aborted || nowMs - this.#beganMs >= sharedMs) {
      this.#present = this.#begin();
      this.#beganMs = nowMs;
    }
    return this.#present;
  }

  #begin(): AbortSignal {
    const limit = new AbortController();
    this.#env.clock.sleep(this.#limitMs, this.#signal).then(
      () => limit.abort(this.#timedOut),
      () => limit.abort(this.#stopped),
    );
    return limit.signal;
  }
}
