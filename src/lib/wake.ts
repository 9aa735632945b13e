/**
 * One remembered wake-up: any number of `wake()` calls between two `next()` calls count as one.
 * A loop waits on it, then reads the whole picture again, so a lost or doubled event does no harm.
 */
export class Wake {
  #pending = false;
  #resolve: (() => void) | undefined;

  /** Wakes the waiting loop, or makes its next wait return at once. */
  readonly wake = (): void => {
    this.#pending = true;
    this.#resolve?.();
  };

  /** Resolves once woken; rejects with the signal's reason when aborted. One waiter at a time. */
  async next(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#pending) {
      await new Promise<void>((resolve, reject) => {
        const abort = (): void => {
          this.#resolve = undefined;
          reject(signal.reason);
        };
        signal.addEventListener("abort", abort, { once: true });
        this.#resolve = () => {
          signal.removeEventListener("abort", abort);
          this.#resolve = undefined;
          resolve();
        };
      });
    }
    this.#pending = false;
  }
}
