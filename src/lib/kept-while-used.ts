import { orAborted } from "./aborted.ts";
import type { Clock } from "./env.ts";
import { Fault } from "./fault.ts";

/** What `KeptWhileUsed` keeps. */
export interface Kept {
  /** Resolves when it can be used, rejects when it was closed before. */
  readonly ready: Promise<void>;
  /** Frees it; called once. */
  close(): void;
}

/** Why the pause before something unused is closed ends early; made once, because every use ends one. */
const isUsedAgain = new Fault("used-again", "it is used again");

/** Something costly that many share: opened for the first who asks, closed a while after the last has gone. */
export class KeptWhileUsed<Resource extends Kept> {
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #open: () => Resource;
  #current: Resource | undefined;
  #users = 0;
  #idle: AbortController | undefined;

  /** @param idleMs how long it is kept without a user */
  constructor(clock: Clock, idleMs: number, open: () => Resource) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#open = open;
  }

  /** What is open now, be it in use or not. */
  get current(): Resource | undefined {
    return this.#current;
  }

  /** Resolves once it is ready; whoever has it calls `release` when done. Rejects with the signal's reason. */
  async hold(signal: AbortSignal): Promise<{ readonly resource: Resource; readonly release: () => void }> {
    this.#users += 1;
    this.#idle?.abort(isUsedAgain);
    this.#idle = undefined;
    const resource = (this.#current ??= this.#open());
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      this.#users -= 1;
      if (this.#users === 0) this.#rest(resource);
    };
    try {
      await orAborted(resource.ready, signal);
    } catch (error) {
      release();
      throw error;
    }
    return { resource, release };
  }

  /** Closes it now, whoever uses it. */
  close(): void {
    this.#idle?.abort(isUsedAgain);
    this.#current?.close();
    this.#current = undefined;
  }

  #rest(resource: Resource): void {
    const idle = new AbortController();
    this.#idle = idle;
    this.#clock.sleep(this.#idleMs, idle.signal).then(
      () => {
        if (this.#users > 0 || this.#current !== resource) return;
        this.#current = undefined;
        resource.close();
      },
      () => undefined,
    );
  }
}
