import { renewalPauseMs } from "./lease-life.ts";

/**
 * Says for how long the store has certainly worked without a break, by the answers to this machine's own renewals. A store that
 * stood still long enough ends the leases of machines that are well as soon as it moves again; a watch notices that late or, when
 * leases are short, never. Whoever believes an absence asks here first.
 */
export class StoreWitness {
  /**
   * For how long the store may have stood still between two answers without having ended a lease that is renewed in time: of such a
   * lease this much is always left.
   */
  readonly #mostStillMs: number;
  /** When the last renewal was sent that was answered, on the monotonic clock: the store has not stood still before that. */
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #steadySinceMs = Number.POSITIVE_INFINITY;

  /** @param leaseLifeMs how long leases of machines live, all of them */
  constructor(leaseLifeMs: number) {
    this.#mostStillMs = leaseLifeMs - renewalPauseMs(leaseLifeMs);
  }

  /** A renewal was answered. Both moments are of the monotonic clock. */
  answered(sentAtMs: number, atMs: number): void {
    if (this.#isOverdue(atMs)) this.#steadySinceMs = atMs;
    this.#sentAtMs = Math.max(this.#sentAtMs, sentAtMs);
  }

  /** For how many ms the store has worked without a break until `atMs`; 0 while its next answer is overdue. */
  steadyForMs(atMs: number): number {
    return this.#isOverdue(atMs) ? 0 : Math.max(0, atMs - this.#steadySinceMs);
  }

  #isOverdue(atMs: number): boolean {
    return atMs - this.#sentAtMs > this.#mostStillMs;
  }
}
