import { orAborted } from "../lib/aborted.ts";
import { assert } from "../lib/assert.ts";
import { pauseMs, type Backoff } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { isFault } from "../lib/fault.ts";
import { exactly } from "../store/range.ts";
import {
  type Compare,
  maxOperations,
  type Outcome,
  type Revision,
  type Store,
  type Transaction,
} from "../store/store.ts";
import { isKeysError, keysError, type KeysError } from "./errors.ts";
import { planGroup, type Group, type WaitingWrite } from "./group.ts";
import type { Answer } from "./keyspace.ts";
import type { WriteOperation } from "./model.ts";
import { counterKey, counterRecord } from "./records.ts";
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

/** How writes come to go together, which costs the store less than one after the other. */
export interface Gathering {
  /** Calls `work` once, after everything else that is to be done now. */
  readonly soon: (work: () => void) => void;
  /** Calls `work` once, in a few ms. */
  readonly later: (work: () => void) => void;
}

/**
 * What became of a try: settled, or why its writes have to be planned again: at once because they were too much together or what they were
 * planned on failed, because another gateway was faster, or because the store did not say.
 */
type Tried = "settled" | "again" | "conflict" | "unknown";

/** A transaction under way. */
interface Flight {
  readonly writes: readonly Write[];
  readonly group: Group;
  readonly token: string;
  readonly fate: Fate;
  readonly tried: Promise<Tried>;
}

interface Fate {
  committed: boolean;
}

/**
 * Transactions that may be under way at once. While the store carries one out the next is planned, on what the first leaves behind,
 * and is carried out only if the first was.
 */
const mostUnderWay = 2;

/** Writes that wait where a second transaction is worth its costs. */
const enoughForSecond = 96;

/**
 * Carries out writes in the order in which they come, those that wait for the store together. They are planned on what
 * the view shows and what is under way, and committed on condition that the counter is still the one of the plan;
 * otherwise they are planned again.
 */
export class Writer {
  readonly #env: Env;
  readonly #store: Store;
  readonly #view: View;
  /** Names this gateway's writes; different for every gateway and every start. */
  readonly #name: string;
  readonly #gathering: Gathering | undefined;
  #waiting: Write[] = [];
  /** The oldest first. */
  #underWay: Flight[] = [];
  /** Whether `#run` sees to what is under way. */
  #running = false;
  #startIsDue = false;
  /**
   * Clients that were answered together soon write again, together: so many writes are waited for, if only for a few ms. Without that
   * the first of them would go alone, and all others would wait for it.
   */
  #expected = 0;
  #answered = 0;
  /** Nothing new is begun while what was under way has to be planned again. */
  #halted = false;
  #count = 0;
  #transactions = 0;
  /** So many of the first writes go alone, since they were too much together. */
  #alone = 0;
  /** Limits that are listened to: many writes share one. */
  readonly #limits = new WeakSet<AbortSignal>();

  /** @param gathering left out: what comes goes at once */
  constructor(env: Env, store: Store, view: View, name: string, gathering: Gathering | undefined) {
    this.#env = env;
    this.#store = store;
    this.#view = view;
    this.#name = name;
    this.#gathering = gathering;
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
    if (!this.#startIsDue && this.#mayBegin()) {
      this.#startIsDue = true;
      if (this.#gathering === undefined) this.#startNow();
      else this.#gathering.soon(() => this.#startNow());
    }
    return promise;
  }

  #startNow(): void {
    this.#startIsDue = false;
    this.#start();
    if (!this.#running) void this.#run();
  }

  /** Whether a transaction may begin now. */
  #mayBegin(): boolean {
    if (this.#halted || this.#underWay.length >= mostUnderWay) return false;
    if (this.#gathering === undefined) return true;
    return this.#waiting.length >= (this.#underWay.length > 0 ? enoughForSecond : this.#expected);
  }

  /** Waits a little for those who were answered just now to write again. */
  #expect(writes: number): void {
    if (this.#gathering === undefined) return;
    this.#expected = Math.min(writes, enoughForSecond);
    const answered = ++this.#answered;
    if (this.#expected < 2) return;
    this.#gathering.later(() => {
      if (this.#answered !== answered) return;
      this.#expected = 0;
      if (this.#waiting.length > 0 && !this.#startIsDue) this.#startNow();
    });
  }

  /** Gives up all writes with this limit when it ends. */
  #listenTo(limit: AbortSignal): void {
    if (this.#limits.has(limit)) return;
    this.#limits.add(limit);
    const giveUp = (): void => {
      const all = [...this.#underWay.flatMap(({ writes }) => writes), ...this.#waiting];
      for (const write of all) if (write.limit === limit) write.reject(limit.reason);
    };
    limit.addEventListener("abort", giveUp, { once: true });
  }

  /** Goes on until no write waits. Rejects only for a bug. */
  async #run(): Promise<void> {
    this.#running = true;
    for (let attempt = 1; ; attempt++) {
      this.#start();
      const [first] = this.#underWay;
      if (first === undefined) break;
      const tried = await first.tried;
      if (tried === "settled") {
        this.#underWay.shift();
        this.#expect(first.writes.length);
        attempt = 0;
        continue;
      }
      this.#halted = true;
      await this.#takeBack();
      if (tried === "again") attempt = 0;
      else await this.#pause(tried, attempt);
      this.#settleFinished();
      this.#halted = false;
    }
    this.#running = false;
  }

  /** Begins as many transactions as may be under way. */
  #start(): void {
    while (this.#mayBegin()) {
      if (this.#alone > 0 && this.#underWay.length > 0) return;
      const flight = this.#plan();
      if (flight === undefined) return;
      this.#underWay.push(flight);
    }
  }

  /** Begins to carry out the first writes that go together; undefined when they wait for what is under way, or there are none. */
  #plan(): Flight | undefined {
    this.#waiting = this.#waiting.filter(({ limit }) => !limit.aborted);
    const { tree, index, counterRevision } = this.#view;
    const changing = this.#underWay.filter(({ group }) => group.then.length > 0);
    const before = changing.at(-1);
    const ground = {
      seen: tree,
      lastIndex: before?.group.lastIndex ?? index,
      underWay: changing.map(({ group }) => group.drafted),
      nowMs: this.#env.clock.now(),
    };
    const token = `${this.#name}.${this.#transactions + 1}`;
    const first = this.#waiting.slice(0, this.#alone > 0 ? 1 : maxOperations);
    const group = planGroup(ground, first, token);
    const writes = this.#waiting.splice(0, group.answers.length);
    if (writes.length === 0) return undefined;
    this.#transactions++;
    // After one under way: only if that was carried out, which nothing but its token tells.
    const when: Compare =
      before === undefined
        ? { key: counterKey, modRevision: counterRevision }
        : { key: counterKey, value: counterRecord(before.group.lastIndex, before.token) };
    const fate: Fate = { committed: false };
    const { events, drafted, lastIndex } = group;
    const forget = this.#view.expect(counterRecord(lastIndex, token), {
      put: drafted.put.values(),
      remove: drafted.remove,
      events,
    });
    const tried = this.#try(writes, group, when, fate, before?.fate).finally(forget);
    return { writes, group, token, fate, tried };
  }

  /** Waits for everything under way; what was not settled waits again, in front of all others. */
  async #takeBack(): Promise<void> {
    const flights = this.#underWay;
    const again: Write[] = [];
    for (const { writes, tried } of flights) if ((await tried) !== "settled") again.push(...writes);
    this.#underWay = [];
    this.#waiting = [...again, ...this.#waiting];
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

  /** Tries to carry out writes as planned, and answers them. Never rejects. */
  async #try(
    writes: readonly Write[],
    { answers, then }: Group,
    when: Compare,
    fate: Fate,
    before: Fate | undefined,
  ): Promise<Tried> {
    // They came one after the other, so the last one has the most time left.
    const limit = writes.at(-1)?.limit;
    assert(limit !== undefined, "a group has a write");
    answers.forEach((answer, at) => {
      if (!isKeysError(answer)) writes[at]?.tried.push(answer.index);
    });
    try {
      const outcome = await this.#commit({ when: [when], then, otherwise: [exactly(counterKey)] }, limit);
      if (outcome === "unknown") return "unknown";
      if ("errorCode" in outcome) {
        if (writes.length === 1) return this.#settle(writes, [outcome]);
        this.#alone = writes.length;
        return "again";
      }
      if (!outcome.committed) {
        await this.#view.mirror.reached(counterRevisionOf(outcome), limit);
        return before === undefined || before.committed ? "conflict" : "again";
      }
      fate.committed = true;
      if (then.length > 0) await this.#view.mirror.reached(outcome.revision, limit);
      return this.#settle(writes, answers);
    } catch (error) {
      if (limit.aborted) return "unknown";
      for (const { reject } of writes) reject(error);
      return "settled";
    }
  }

  /** Answers writes. A refusal is as true as a success: the same comparison stands behind it. */
  #settle(writes: readonly Write[], answers: readonly (Answer | KeysError)[]): "settled" {
    this.#alone = Math.max(0, this.#alone - answers.length);
    answers.forEach((answer, at) => writes[at]?.resolve(answer));
    return "settled";
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

/** The revision that the mirror must have before planning again: that of the counter which did not fit. */
export function counterRevisionOf(conflict: Extract<Outcome, { committed: false }>): Revision {
  return conflict.seen[0]?.[0]?.modRevision ?? conflict.revision;
}
