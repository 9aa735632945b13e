import { pauseMs, type Backoff } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { isFault } from "../lib/fault.ts";
import { exactly } from "../store/range.ts";
import { maxOperations, type Outcome, type Revision, type Store, type Transaction } from "../store/store.ts";
import { isKeysError, keysError, type KeysError } from "./errors.ts";
import { planGroup, type WaitingWrite } from "./group.ts";
import type { Answer } from "./keyspace.ts";
import type { WriteOperation } from "./model.ts";
import { counterKey } from "./records.ts";
import type { View } from "./view.ts";

/** Writes that wait for their turn at one gateway; one more is refused. */
const mostWaitingWrites = 10_000;

/** The pause before writes are planned again because another gateway was faster; short, or the others always are. */
const conflictBackoff: Backoff = { firstMs: 1, mostMs: 16 };

/** The pause before writes are tried again because the store did not say what became of them. */
const outageBackoff: Backoff = { firstMs: 50, mostMs: 500 };

interface Write extends WaitingWrite {
  /** Ends the trying. */
  readonly limit: AbortSignal;
  /** Indices at which it was tried: one of these events may turn out to be its own. */
  readonly tried: number[];
  readonly resolve: (answer: Answer | KeysError) => void;
  readonly reject: (reason: unknown) => void;
}

/** Calls `work` once: now, or after everything else that is to be done now, so that writes which come together go together. */
export type Soon = (work: () => void) => void;

/** What became of a try: settled, or why it has to be made again. */
type Tried = "settled" | "conflict" | "unknown";

/**
 * Carries out writes in the order in which they come, those that wait for the store together. They are planned on what
 * the view shows and committed on condition that the counter is still the one of the plan; otherwise they are planned
 * again.
 */
export class Writer {
  readonly #env: Env;
  readonly #store: Store;
  readonly #view: View;
  /** Names this gateway's writes; different for every gateway and every start. */
  readonly #name: string;
  /** The first ones may be under way. */
  #waiting: Write[] = [];
  #running = false;
  #count = 0;
  /** So many of the first writes go alone, since they were too much together. */
  #alone = 0;
  readonly #soon: Soon;
  /** Limits that are listened to: many writes share one. */
  readonly #limits = new WeakSet<AbortSignal>();

  constructor(env: Env, store: Store, view: View, name: string, soon: Soon) {
    this.#env = env;
    this.#store = store;
    this.#view = view;
    this.#name = name;
    this.#soon = soon;
  }

  /** @param limit ends the trying; its reason is what the call rejects with */
  write(operation: WriteOperation, limit: AbortSignal): Promise<Answer | KeysError> {
    if (limit.aborted) return Promise.reject(limit.reason as Error);
    if (this.#waiting.length >= mostWaitingWrites) {
      const cause = `argosy: more than ${mostWaitingWrites} writes wait, try again later`;
      return Promise.resolve(keysError(300, cause));
    }
    const writer = `${this.#name}-${++this.#count}`;
    const { promise, resolve, reject } = Promise.withResolvers<Answer | KeysError>();
    this.#waiting.push({ operation, writer, limit, tried: [], resolve, reject });
    this.#listenTo(limit);
    if (!this.#running) {
      this.#running = true;
      this.#soon(() => void this.#run());
    }
    return promise;
  }

  /** Gives up all writes with this limit when it ends. */
  #listenTo(limit: AbortSignal): void {
    if (this.#limits.has(limit)) return;
    this.#limits.add(limit);
    const giveUp = (): void => {
      for (const write of this.#waiting) if (write.limit === limit) write.reject(limit.reason);
    };
    limit.addEventListener("abort", giveUp, { once: true });
  }

  /** Goes on until no write waits. Rejects only for a bug. */
  async #run(): Promise<void> {
    for (let attempt = 1; this.#waiting.length > 0; attempt++) {
      this.#settleFinished();
      const tried = await this.#tryFirst();
      if (tried === "settled") attempt = 0;
      else await this.#pause(tried, attempt);
    }
    this.#running = false;
  }

  /** Takes out writes that were given up, and those that turn out to have been carried out. */
  #settleFinished(): void {
    if (!this.#waiting.some(({ tried, limit }) => tried.length > 0 || limit.aborted)) return;
    this.#waiting = this.#waiting.filter((write) => {
      const own = write.tried
        .map((index) => this.#view.history.get(index))
        .find((logged) => logged?.writer === write.writer);
      if (own !== undefined) write.resolve({ event: own.event, index: own.index });
      return own === undefined && !write.limit.aborted;
    });
  }

  /** Tries to carry out the first writes that go together. */
  async #tryFirst(): Promise<Tried> {
    const { tree, index, counterRevision } = this.#view;
    const first = this.#waiting.slice(0, this.#alone > 0 ? 1 : maxOperations);
    const { answers, then } = planGroup(tree, first, index, this.#env.clock.now());
    const writes = first.slice(0, answers.length);
    // They came one after the other, so the last one has the most time left.
    const last = writes.at(-1);
    if (last === undefined) return "settled";
    answers.forEach((answer, at) => {
      if (!isKeysError(answer)) writes[at]?.tried.push(answer.index);
    });
    const when = [{ key: counterKey, modRevision: counterRevision }];
    try {
      const outcome = await this.#commit({ when, then, otherwise: [exactly(counterKey)] }, last.limit);
      if (outcome === "unknown") return "unknown";
      if ("errorCode" in outcome) {
        if (writes.length > 1) this.#alone = writes.length;
        else this.#settle([outcome]);
        return "settled";
      }
      if (!outcome.committed) {
        await this.#view.mirror.reached(counterRevisionOf(outcome), last.limit);
        return "conflict";
      }
      if (then.length > 0) await this.#view.mirror.reached(outcome.revision, last.limit);
      this.#settle(answers);
      return "settled";
    } catch (error) {
      if (last.limit.aborted) return "unknown";
      for (const { reject } of this.#waiting.splice(0, writes.length)) reject(error);
      return "settled";
    }
  }

  /** Answers the first writes, one each. A refusal is as true as a success: the same comparison stands behind it. */
  #settle(answers: readonly (Answer | KeysError)[]): void {
    this.#alone = Math.max(0, this.#alone - answers.length);
    const settled = this.#waiting.splice(0, answers.length);
    answers.forEach((answer, at) => settled[at]?.resolve(answer));
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

  /** Ends early when the first write is given up, so that what comes behind it need not wait. */
  async #pause(tried: "conflict" | "unknown", attempt: number): Promise<void> {
    const backoff = tried === "unknown" ? outageBackoff : conflictBackoff;
    const limit = this.#waiting[0]?.limit;
    const pause = pauseMs(backoff, attempt, this.#env.random());
    await this.#env.clock.sleep(pause, limit).catch(() => undefined);
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
export function counterRevisionOf(conflict: Extract<Outcome, { committed: false }>): Revision {
  return conflict.seen[0]?.[0]?.modRevision ?? conflict.revision;
}
