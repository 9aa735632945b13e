/** How a job of systemd ended: `done`, `failed`, `timeout`, `canceled`, `dependency`, `skipped` ..., or why nobody knows. */
export type JobEnd =
  | { readonly kind: "ended"; readonly result: string }
  | { readonly kind: "lost" }
  | { readonly kind: "late" };

/** How many ended jobs nobody has asked for yet are remembered; other programs' jobs end here too. */
const mostRemembered = 4096;

/**
 * Brings StartUnit's and StopUnit's replies together with the JobRemoved signals. The signal may come before the reply
 * that names the job, so the results of unknown jobs are remembered for a while.
 */
export class Jobs {
  readonly #waiting = new Map<string, (end: JobEnd) => void>();
  readonly #ended = new Map<string, string>();

  /** Resolves when the job of that object path has ended. */
  wait(path: string): Promise<JobEnd> {
    const result = this.#ended.get(path);
    if (result !== undefined) {
      this.#ended.delete(path);
      return Promise.resolve({ kind: "ended", result });
    }
    return new Promise((resolve) => this.#waiting.set(path, resolve));
  }

  /** A JobRemoved signal came. */
  removed(path: string, result: string): void {
    if (this.#settle(path, { kind: "ended", result })) return;
    this.#ended.set(path, result);
    if (this.#ended.size <= mostRemembered) return;
    for (const oldest of this.#ended.keys()) {
      this.#ended.delete(oldest);
      return;
    }
  }

  /** The job is gone, its JobRemoved signal was missed. */
  lose(path: string): void {
    this.#settle(path, { kind: "lost" });
  }

  /** The job's limit is over; it goes on without being waited for. */
  giveUp(path: string): void {
    this.#settle(path, { kind: "late" });
  }

  /** The object paths of the jobs that are waited for. */
  awaited(): readonly string[] {
    return [...this.#waiting.keys()];
  }

  #settle(path: string, end: JobEnd): boolean {
    const resolve = this.#waiting.get(path);
    if (resolve === undefined) return false;
    this.#waiting.delete(path);
    resolve(end);
    return true;
  }
}
