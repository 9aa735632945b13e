import { pauseMs, type Backoff } from "../lib/backoff.ts";
import type { Env, Log } from "../lib/env.ts";
import { Fault, isFault } from "../lib/fault.ts";
import { presentInAnyFleet } from "../fleet/fleet-name.ts";
import type { ClusterAdmin } from "../store/etcd/cluster-admin.ts";
import { openMirror } from "../store/mirror.ts";
import { exactly, under } from "../store/range.ts";
import type { KeyRange, Snapshot, Store } from "../store/store.ts";
import type { MemberPicture, MemberRow } from "./picture.ts";
import { memberKeys, readState, wishText, type MachineState, type Wish } from "./records.ts";

/** How long a machine may take to become what was wished, in ms; large stores take their time to be copied. */
export const wishLimitMs = 120_000;

/** How long etcd may doubt members that are well, in ms: it wants to have heard them for 5 s. */
const unwellLimitMs = 20_000;
/** How often a wish is told to a store that does not answer. */
const mostWishes = 4;
const unwellBackoff: Backoff = { firstMs: 500, mostMs: 2_000 };

/** Looks at the members of a cluster and changes who they are. */
export class Membership {
  readonly #env: Env;
  readonly #store: Store;
  readonly #admin: ClusterAdmin;

  constructor(env: Env, store: Store, admin: ClusterAdmin) {
    this.#env = env;
    this.#store = store;
    this.#admin = admin;
  }

  /** Works without a quorum, too, from what the nearest member holds. */
  async picture(): Promise<MemberPicture> {
    const { members, leader } = await this.#admin.read();
    const [states, present, answers] = await Promise.all([
      this.#read(under(memberKeys.states)),
      presentInAnyFleet(async (range, limit) => (await this.#read(range, limit)).entries),
      Promise.all(
        members.map(async (member) =>
          (await this.#admin.ask(member))?.hasLeader === true ? [member.id] : [],
        ),
      ),
    ]);
    return {
      members,
      leader,
      well: new Set(answers.flat()),
      states: states.entries.map(({ key, value }) => readState(value, key)),
      present,
    };
  }

  /**
   * Wishes that a machine is a member, and resolves when it is. Throws Fault `wish-waits` when it takes longer than a
   * person waits; it goes on by itself.
   * @param progress gets what hinders it meanwhile
   */
  async add(
    row: MemberRow,
    vote: boolean,
    progress: (line: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const wish = await this.#wish(row, { role: "member", vote });
    await this.#untilFulfilled(row, wish, progress, signal);
  }

  /** Takes a member out; resolves when its machine has stopped its etcd, if that machine is there. */
  async remove(
    picture: MemberPicture,
    row: MemberRow,
    progress: (line: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    if (row.role === "leader") await this.#letAnotherLead(picture, row);
    // The wish is there before and told again behind: a machine that dies in between knows what it is when it returns.
    if (row.machine !== "") await this.#wish(row, { role: "proxy", vote: false });
    await this.#takeOut(row.member, progress, signal);
    if (row.machine === "") return;
    const wish = await this.#wish(row, { role: "proxy", vote: false });
    // A machine whose etcd does not answer may be gone for good; it is told when it returns.
    if (row.state === "well") await this.#untilFulfilled(row, wish, progress, signal);
  }

  async #takeOut(id: string, progress: (line: string) => void, signal: AbortSignal): Promise<void> {
    const startMs = this.#env.clock.monotonic();
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#admin.remove(id);
      } catch (error) {
        // A member that is asked to take itself out ends before it answers; the others know, if not at once.
        const isUnanswered = isFault(error, "store-unavailable");
        if (isUnanswered && !(await this.#isListed(id))) return;
        const isLate = this.#env.clock.monotonic() - startMs > unwellLimitMs;
        if ((!isUnanswered && !isFault(error, "members-unwell")) || isLate) throw error;
        if (attempt === 1 && !isUnanswered)
          progress("etcd waits until it is sure of the members that came just now");
      }
      await this.#env.clock.sleep(pauseMs(unwellBackoff, attempt, this.#env.random()), signal);
      if (!(await this.#isListed(id))) return;
    }
  }

  async #isListed(id: string): Promise<boolean> {
    const { members } = await this.#admin.read();
    return members.some((member) => member.id === id);
  }

  /** Without it the store would pause for an election. */
  async #letAnotherLead({ members, well, leader }: MemberPicture, row: MemberRow): Promise<void> {
    const now = members.find(({ id }) => id === leader);
    const next = members.find(({ id, learner }) => id !== row.member && !learner && well.has(id));
    if (now === undefined || next === undefined) return;
    try {
      await this.#admin.moveLeader(now, next.id);
    } catch (error) {
      // An election is only slower.
      if (!isFault(error)) throw error;
    }
  }

  async #wish(row: MemberRow, wished: Omit<Wish, "number">): Promise<Wish> {
    const wish = { ...wished, number: Math.floor(this.#env.random() * 2 ** 48).toString(16) };
    const key = memberKeys.wish(row.machine);
    const put = { do: "put", key, value: wishText(wish) } as const;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#store.commit({ when: [], then: [put] });
        return wish;
      } catch (error) {
        // A member that was just taken out may be the one that was asked. To wish the same twice does no harm.
        if (!isFault(error, "store-unavailable") || attempt === mostWishes) throw error;
        await this.#env.clock.sleep(pauseMs(unwellBackoff, attempt, this.#env.random()));
      }
    }
  }

  async #untilFulfilled(
    row: MemberRow,
    wish: Wish,
    progress: (line: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const ending = new AbortController();
    const either = AbortSignal.any([signal, ending.signal]);
    const key = memberKeys.state(row.machine);
    // A person hears what hinders the machine, not each connection that breaks while members change.
    const quiet = { ...this.#env, log: silentLog };
    const mirror = openMirror(quiet, this.#store, exactly(key), either);
    const done = Promise.withResolvers<void>();
    let problem = "";
    mirror.subscribe(() => {
      const state = stateIn(mirror.entries.get(key)?.value, key);
      if (state?.seen !== wish.number) return;
      if (state.problem === "") return done.resolve();
      if (state.problem !== problem) progress(state.problem);
      ({ problem } = state);
    });
    const late = this.#env.clock.sleep(wishLimitMs, either).then(() => {
      const why = problem === "" ? "it does not say why" : problem;
      throw new Fault(
        "wish-waits",
        `${row.name} is not there after ${wishLimitMs / 1000} s: ${why}. It goes on by itself; see argosy member list, and journalctl -u etcd there.`,
      );
    });
    try {
      await Promise.race([done.promise, late]);
    } finally {
      ending.abort();
      await late.catch(() => undefined);
    }
  }

  async #read(range: KeyRange, limit?: number): Promise<Snapshot> {
    const options = limit === undefined ? {} : { limit };
    try {
      return await this.#store.read(range, options);
    } catch (error) {
      if (!isFault(error, "store-unavailable")) throw error;
      return await this.#store.read(range, { ...options, consistency: "local" });
    }
  }
}

function stateIn(value: string | undefined, key: string): MachineState | undefined {
  return value === undefined ? undefined : readState(value, key);
}

const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warning: () => undefined,
  error: () => undefined,
};
