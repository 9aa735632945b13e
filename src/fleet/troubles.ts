import { type Backoff, pauseMs } from "../lib/backoff.ts";
import type { UnitName } from "./model.ts";

/** A unit whose last step failed, and when it is tried again. */
interface Trouble {
  readonly problem: string;
  readonly failures: number;
  /** On the monotonic clock; undefined when only a change of what is wanted helps. */
  readonly againAtMs: number | undefined;
}

/** Which units of a machine are in trouble: each waits by itself before its next try, so that none delays another. */
export class Troubles {
  readonly #backoff: Backoff;
  readonly #troubles = new Map<UnitName, Trouble>();

  constructor(backoff: Backoff) {
    this.#backoff = backoff;
  }

  /** Why the last step of a unit failed; undefined when it did not. */
  problemOf(name: UnitName): string | undefined {
    return this.#troubles.get(name)?.problem;
  }

  /** False while a unit waits for its next try. */
  mayTry(name: UnitName, nowMs: number): boolean {
    const againAtMs = this.#troubles.get(name)?.againAtMs;
    return againAtMs === undefined || againAtMs <= nowMs;
  }

  /**
   * Notes a failure; returns after how many milliseconds the unit may be tried again, or undefined when only a change of what
   * is wanted helps. @param chance a number in [0, 1)
   */
  add(
    name: UnitName,
    problem: string,
    mayRepeat: boolean,
    nowMs: number,
    chance: number,
  ): number | undefined {
    const failures = (this.#troubles.get(name)?.failures ?? 0) + 1;
    const pause = mayRepeat ? pauseMs(this.#backoff, failures, chance) : undefined;
    this.#troubles.set(name, {
      problem,
      failures,
      againAtMs: pause === undefined ? undefined : nowMs + pause,
    });
    return pause;
  }

  end(name: UnitName): void {
    this.#troubles.delete(name);
  }

  /** Forgets units that are of no interest any more; true when there were any. */
  keepOnly(isOfInterest: (name: UnitName) => boolean): boolean {
    const forgotten = [...this.#troubles.keys()].filter((name) => !isOfInterest(name));
    for (const name of forgotten) this.#troubles.delete(name);
    return forgotten.length > 0;
  }
}
