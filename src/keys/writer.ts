import { pauseMs, type Backoff } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { isFault } from "../lib/fault.ts";
import { exactly } from "../store/range.ts";
import { maxOperations, type Outcome, type Revision, type Store, type Transaction } from "../store/store.ts";
import { applyWrite, type Plan } from "./apply.ts";
import { isKeysError, keysError, type KeysError } from "./errors.ts";
import type { Answer } from "./keyspace.ts";
import type { LoggedEvent, WriteOperation } from "./model.ts";
import { counterKey, operationsOf } from "./records.ts";
import type { View } from "./view.ts";

/** Writes that wait for their turn at one gateway; one more is refused. */
const mostWaitingWrites = 10_000;

/** The pause before a write is planned again because another gateway was faster; short, or the others always are. */
const conflictBackoff: Backoff = { firstMs: 1, mostMs: 16 };

/** The pause before a write is tried again because the store did not say what became of it. */
const outageBackoff: Backoff = { firstMs: 50, mostMs: 500 };

/**
 * Carries out writes one after the other. Each is planned on what the view shows and committed on condition that the
 * counter is still the one of the plan; otherwise it is planned again.
 */
export class Writer {
  readonly #env: Env;
  readonly #store: Store;
  readonly #view: View;
  /** Names this gateway's writes; different for every gateway and every start. */
  readonly #name: string;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #count = 0;

  constructor(env: Env, store: Store, view: View, name: string) {
    this.#env = env;
    this.#store = store;
    this.#view = view;
    this.#name = name;
  }

  /** @param limit ends the trying; its reason is what the call rejects with */
  async write(operation: WriteOperation, limit: AbortSignal): Promise<Answer | KeysError> {
    if (this.#waiting >= mostWaitingWrites) {
      return keysError(300, `argosy: more than ${mostWaitingWrites} writes wait, try again later`);
    }
    this.#waiting++;
    const turn = this.#last;
    const { promise, resolve: done } = Promise.withResolvers<void>();
    this.#last = promise;
    try {
      await turn;
      limit.throwIfAborted();
      return await this.#carryOut(operation, limit);
    } finally {
      this.#waiting--;
      done();
    }
  }

  async #carryOut(operation: WriteOperation, limit: AbortSignal): Promise<Answer | KeysError> {
    const writer = `${this.#name}-${++this.#count}`;
    /** Indices of tries whose outcome is not known. */
    const unknown: number[] = [];
    for (let attempt = 1; ; attempt++) {
      const own = unknown
        .map((index) => this.#view.history.get(index))
        .find((logged) => logged?.writer === writer);
      if (own !== undefined) return { event: own.event, index: own.index };
      const index = this.#view.index + 1;
      const plan = applyWrite(this.#view.tree, operation, index, this.#env.clock.now());
      const { transaction, answer } = this.#toCommit(plan, index, writer);
      if (transaction === undefined) return answer;
      const outcome = await this.#commit(transaction, limit);
      if (outcome === "unknown") {
        unknown.push(index);
      } else if ("errorCode" in outcome) {
        return outcome;
      } else if (outcome.committed) {
        if (!isKeysError(answer)) await this.#view.mirror.reached(outcome.revision, limit);
        return answer;
      } else {
        await this.#view.mirror.reached(counterRevision(outcome), limit);
      }
      const backoff = outcome === "unknown" ? outageBackoff : conflictBackoff;
      await this.#env.clock.sleep(pauseMs(backoff, attempt, this.#env.random()), limit);
    }
  }

  /** The transaction for a plan, and what to answer when it goes through. A refusal has to be as true as a success. */
  #toCommit(
    plan: Plan | KeysError,
    index: number,
    writer: string,
  ): { readonly transaction: Transaction | undefined; readonly answer: Answer | KeysError } {
    const unchanged = {
      when: [{ key: counterKey, modRevision: this.#view.counterRevision }],
      otherwise: [exactly(counterKey)],
    };
    if (isKeysError(plan)) return { transaction: { ...unchanged, then: [] }, answer: plan };
    const { event, silent } = plan;
    const logged: LoggedEvent = { index, event, silent, writer };
    const then = operationsOf(plan, logged);
    if (then.length > maxOperations) {
      const cause = `argosy: the change makes ${plan.put.length} nodes, but the store takes ${maxOperations} changes at once: make the directories above first`;
      return { transaction: undefined, answer: keysError(300, cause) };
    }
    return { transaction: { ...unchanged, then }, answer: { event, index } };
  }

  async #commit(transaction: Transaction, limit: AbortSignal): Promise<Outcome | KeysError | "unknown"> {
    try {
      return await orAborted(this.#store.commit(transaction), limit);
    } catch (error) {
      if (isFault(error, "store-unavailable")) return "unknown";
      if (isFault(error, "store-too-large", "store-no-space", "store-closed")) {
        return keysError(300, `argosy: ${error.message}`);
      }
      throw error;
    }
  }
}

/** Settles as `promise` does, or rejects with the signal's reason if that comes first. */
export async function orAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** The revision that the mirror must have before planning again: that of the counter which did not fit. */
function counterRevision(conflict: Extract<Outcome, { committed: false }>): Revision {
  return conflict.seen[0]?.[0]?.modRevision ?? conflict.revision;
}
