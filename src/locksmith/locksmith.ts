import { type Backoff, pauseMs } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { Fault, isFault, sentenceOf } from "../lib/fault.ts";
import { Wake } from "../lib/wake.ts";
import type { LocksmithParts } from "./locksmith-parts.ts";
import { afterDrain, type DrainPart, type Turn } from "./reboot-turn.ts";
import { timesState } from "./reboot-times.ts";
import { recover } from "./recovery.ts";
import { Slot } from "./slot.ts";
import { nextStep, type Situation, type Step } from "./steps.ts";
import { ticketMs } from "./reboot-lock.ts";
import { stopOrder } from "./stop-order.ts";
import { startUnitsAgain, stopUnits, untilUnitsLeft } from "./unit-stop.ts";
import { wokenWithin } from "./waiting.ts";
import { type Want, wantOf, wantText } from "./wants.ts";
import type { Share } from "./workload.ts";

/** Units whose presence makes `best-effort` take the lock: the store of a machine of CoreOS, or ours. */
const storeUnits = ["etcd.service", "etcd2.service", "etcd-member.service"];
/** Pauses after a failure; those of locksmith 0.6.2. */
const retry: Backoff = { firstMs: 10_000, mostMs: 300_000 };
const nothingDrained: DrainPart = { before: "ready", done: true, well: { global: [], placed: [] } };
/** A clock that is set says so to nobody, and windows are told by it. */
const lookAtClockMs = 900_000;
/** How long a machine may take to go down after logind has agreed; its units are stopped meanwhile. */
const goDownMs = 900_000;

/** Reboots one machine when that is wanted, allowed and its turn: the whole of locksmithd but for its settings and edges. */
export class Locksmith {
  readonly #env: Env;
  readonly #parts: LocksmithParts;
  readonly #slot: Slot;
  readonly #wake = new Wake();
  #turn: Turn | undefined;
  #boot = "";
  /** The version of the last update that this machine was rebooted for. */
  #rebootedFor: string | undefined;
  #waitsSinceMs = 0;
  #toldAtMs: number | undefined;
  #drainFromMs: number | undefined;
  /** What takes long and goes on beside the loop. */
  #beside: AbortController | undefined;
  #failures = 0;

  constructor(env: Env, parts: LocksmithParts) {
    this.#env = env;
    this.#parts = parts;
    this.#slot = new Slot(env, parts.lock, parts.id, parts.leaseMs);
  }

  /** Runs until the signal is aborted, which leaves everything as it is for the next daemon. */
  async run(signal: AbortSignal): Promise<void> {
    const { machine, news, updates, required, report } = this.#parts;
    const sources = [machine, news, updates, required];
    const ends = sources.map((source) => source.subscribe(this.#wake.wake));
    try {
      this.#boot = await machine.bootId();
      await this.#begin(signal);
      for (;;) await this.#pass(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      for (const end of ends) end();
      this.#beside?.abort(signal.reason);
      this.#slot.release();
      if (this.#turn === undefined) await report.leave();
    }
  }

  /** Takes up what an earlier boot or an earlier daemon of this boot has begun. */
  async #begin(signal: AbortSignal): Promise<void> {
    const { file, news } = this.#parts;
    const turn = await file.read();
    if (turn !== undefined && turn.boot === this.#boot) {
      this.#env.log.info(`goes on with a reboot that was begun: ${turn.why}`);
      // What asked for it may be in the store, and is not to be taken for gone before that was read.
      if (turn.wish !== undefined) await news.ready;
      // An earlier daemon's wait for the drain is over with it; a drain itself goes on in the cluster.
      this.#turn = { ...turn, rebooting: false };
      this.#waitsSinceMs = this.#env.clock.now();
      if (turn.drain?.done === false) this.#followDrain(signal);
      if (turn.stop?.done === false) this.#followStop(turn.stop.names, signal);
      return;
    }
    this.#rebootedFor = turn?.version;
    // Without a slot there is nobody to give anything back to, and maybe no store.
    if (turn?.locks === false) return await file.write(undefined);
    if (turn === undefined && !(await this.#strategyLocks())) return;
    await recover(this.#env, { ...this.#parts, slot: this.#slot, turn }, signal);
  }

  /** One look, one step. */
  async #pass(signal: AbortSignal): Promise<void> {
    try {
      const { wish } = this.#parts.news;
      // What was wished in an earlier boot is done, whoever has rebooted the machine.
      if (wish !== undefined && wish.boot !== this.#boot) await this.#parts.news.fulfil(wish.number);
      const situation = await this.#look(signal);
      await this.#carryOut(nextStep(situation), situation, signal);
      this.#failures = 0;
    } catch (error) {
      if (signal.aborted || !isFault(error)) throw error;
      this.#failures += 1;
      const ms = pauseMs(retry, this.#failures, this.#env.random());
      // In the words of locksmith 0.6.2.
      const [sentence = ""] = error.message.split("\n", 1);
      this.#env.log.warning(`${sentence}. Retrying in ${Math.round(ms / 100) / 10}s.`);
      await wokenWithin(this.#env.clock, this.#wake, ms, signal);
    }
  }

  async #look(signal: AbortSignal): Promise<Situation> {
    const { machine, times } = this.#parts;
    const [goingDown, inhibitors, users] = await Promise.all([
      machine.goingDown(),
      machine.inhibitors(),
      machine.users(),
    ]);
    const window = times === undefined ? "always" : (timesState(times, this.#env.clock.now()) ?? "never");
    this.#parts.report.window(window === "always" || window === "never" ? undefined : window);
    return {
      goingDown,
      want: this.#want(),
      window,
      inhibitors,
      users,
      turn: this.#turn,
      ...(await this.#lookAtLock(signal)),
      drains: this.#parts.drainMs > 0 && this.#turn?.locks === true,
      toldForMs: this.#toldAtMs === undefined ? undefined : this.#env.clock.monotonic() - this.#toldAtMs,
    };
  }

  #want(): Want | undefined {
    const { news, updates, required } = this.#parts;
    return wantOf({
      wish: news.wish,
      update: updates.status,
      required: required.packages,
      boot: this.#boot,
      rebootedFor: this.#rebootedFor,
    });
  }

  async #lookAtLock(signal: AbortSignal): Promise<Pick<Situation, "slot" | "halted">> {
    if (this.#turn?.locks !== true) return { slot: "none", halted: undefined };
    try {
      const { held, halted } = await this.#slot.look();
      // An earlier daemon may have taken it.
      if (held) this.#slot.keep("now", signal);
      const reason = halted === undefined || halted.reason === "" ? "" : `: ${halted.reason}`;
      const text = halted === undefined ? undefined : `reboots are halted since ${halted.since}${reason}`;
      return { slot: held ? "held" : "none", halted: text };
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#env.log.debug(`cannot look at the reboot lock: ${error.message}`);
      return { slot: "unknown", halted: undefined };
    }
  }

  async #carryOut(step: Step, situation: Situation, signal: AbortSignal): Promise<void> {
    switch (step.do) {
      case "wait":
        await this.#parts.report.phase(step.phase, step.why);
        return await this.#wait(step.ms, situation, signal);
      case "begin":
        return situation.want === undefined ? undefined : await this.#beginTurn(situation.want);
      case "undo":
        return await this.#undo(step.why);
      case "lock":
        return await this.#takeSlot(situation, signal);
      case "drain":
        return await this.#beginDrain(signal);
      case "warn":
        return await this.#warn(situation.users);
      case "stop":
        return await this.#beginStop(signal);
      case "reboot":
        return await this.#reboot(signal);
    }
  }

  async #beginTurn(want: Want): Promise<void> {
    const why = wantText(want);
    this.#env.log.info(`a reboot is wanted: ${why}`);
    this.#waitsSinceMs = this.#env.clock.now();
    await this.#save({
      boot: this.#boot,
      why,
      ...(want.kind === "wish" ? { wish: want.number } : {}),
      ...(want.kind === "update" && want.version !== "" ? { version: want.version } : {}),
      // Who asks for one machine asks through the store, and means one machine after the other.
      locks: want.kind === "wish" || (await this.#strategyLocks()),
      rebooting: false,
    });
  }

  async #strategyLocks(): Promise<boolean> {
    const { strategy, machine } = this.#parts;
    if (strategy !== "best-effort") return strategy === "etcd-lock";
    for (const unit of storeUnits) if (await machine.isActive(unit)) return true;
    return false;
  }

  /** Waits for something to change, for `ms` at most, and not beyond the next edge of the window. */
  async #wait(ms: number | undefined, { window }: Situation, signal: AbortSignal): Promise<void> {
    if (typeof window === "string") return await wokenWithin(this.#env.clock, this.#wake, ms, signal);
    // The end still belongs to the window.
    const edgeMs = window.open ? window.closesAt - this.#env.clock.now() + 1 : window.waitMs;
    const soonestMs = Math.min(ms ?? edgeMs, Math.max(1, edgeMs), lookAtClockMs);
    await wokenWithin(this.#env.clock, this.#wake, soonestMs, signal);
  }

  async #takeSlot(situation: Situation, signal: AbortSignal): Promise<void> {
    try {
      const { released } = await this.#slot.take(this.#waitsSinceMs);
      for (const id of released)
        this.#env.log.warning(`the lease of ${id} had ended: its slot was given back`);
      this.#env.log.info("took a slot of the reboot lock");
      this.#slot.keep("later", signal);
    } catch (error) {
      if (!isFault(error, "lock-refused")) {
        throw new Fault("lock-failed", `Failed to acquire lock: ${sentenceOf(error)}`, { cause: error });
      }
      await this.#parts.report.phase("queued", error.message);
      // Whatever changes about the lock wakes this one; the place in the queue lapses without a word from time to time.
      await this.#wait(ticketMs / 3, situation, signal);
    }
  }

  async #beginDrain(signal: AbortSignal): Promise<void> {
    const { workload, report } = this.#parts;
    const turn = this.#current();
    this.#drainFromMs ??= this.#env.clock.monotonic();
    const share = await this.#shareInTime();
    if (share === undefined) return await this.#save({ ...turn, drain: nothingDrained });
    const drain = { before: share.taking, well: share.well, done: false };
    if (share.others === 0) {
      this.#env.log.info("there is no other machine that could take the units over: they stop with this one");
      return await this.#save({ ...turn, drain: { ...drain, done: true } });
    }
    await report.phase("draining", turn.why);
    await this.#save({ ...turn, drain });
    if (share.taking === "ready" || share.taking === "cordoned") {
      const since = await workload.drain();
      await this.#save({ ...turn, drain: { ...drain, ...(since === undefined ? {} : { since }) } });
    }
    this.#followDrain(signal);
  }

  /** Undefined when nobody has answered for as long as a drain may take: then there is nobody to drain this machine. */
  async #shareInTime(): Promise<Share | undefined> {
    try {
      return await this.#parts.workload.share();
    } catch (error) {
      const waitedMs = this.#env.clock.monotonic() - (this.#drainFromMs ?? 0);
      if (!isFault(error, "workload-unavailable") || waitedMs < this.#parts.drainMs) throw error;
      this.#env.log.warning(`${error.message}: its units stop with this machine`);
      return undefined;
    }
  }

  /** Waits for the end of the drain beside the loop. */
  #followDrain(signal: AbortSignal): void {
    const { workload, drainMs } = this.#parts;
    const follow = async (until: AbortSignal): Promise<void> =>
      await untilUnitsLeft(this.#env, workload, drainMs, until);
    this.#doBeside(follow, signal, (turn) =>
      turn.drain === undefined ? turn : { ...turn, drain: { ...turn.drain, done: true } },
    );
  }

  /** Has the units stop that do not leave, each before what it depends on, once the slot is confirmed. */
  async #beginStop(signal: AbortSignal): Promise<void> {
    const { machine, report } = this.#parts;
    const turn = this.#current();
    this.#drainFromMs ??= this.#env.clock.monotonic();
    // Without a store nobody reboots, and so no unit stops.
    await this.#slot.confirm();
    const share = await this.#shareInTime();
    const names = stopOrder(await machine.running(share?.wanted ?? [])).map(({ name }) => name);
    await this.#save({ ...turn, stop: { names, done: names.length === 0 } });
    if (names.length === 0) return;
    this.#env.log.info(`stops the units that stay, in this order: ${names.join(", ")}`);
    await report.phase("stopping", turn.why);
    this.#followStop(names, signal);
  }

  #followStop(names: readonly string[], signal: AbortSignal): void {
    const { machine, drainMs } = this.#parts;
    this.#doBeside(
      async (until) => await stopUnits(this.#env, machine, names, drainMs, until),
      signal,
      (turn) => (turn.stop === undefined ? turn : { ...turn, stop: { ...turn.stop, done: true } }),
    );
  }

  /** Does what takes long beside the loop, which goes on looking at what stands against the reboot, and wakes it. */
  #doBeside(
    work: (until: AbortSignal) => Promise<void>,
    signal: AbortSignal,
    after: (turn: Turn) => Turn,
  ): void {
    const own = new AbortController();
    this.#beside = own;
    const until = AbortSignal.any([signal, own.signal]);
    const run = async (): Promise<void> => {
      await work(until);
      if (this.#turn !== undefined && !until.aborted) await this.#save(after(this.#turn));
      this.#wake.wake();
    };
    run().catch((error: unknown) => {
      if (until.aborted) return;
      this.#env.log.error(`cannot go on with the reboot: ${sentenceOf(error)}`);
      this.#wake.wake();
    });
  }

  async #warn(users: readonly string[]): Promise<void> {
    this.#toldAtMs = this.#env.clock.monotonic();
    this.#env.log.info(`logged in: ${users.join(", ")}; told that the machine reboots in 5 minutes`);
    // In the words of locksmith 0.6.2. That a terminal cannot be written keeps nobody from rebooting.
    await this.#parts.machine.tell("System reboot in 5 minutes!").catch((error: unknown) => {
      this.#env.log.warning(sentenceOf(error));
    });
  }

  async #reboot(signal: AbortSignal): Promise<void> {
    try {
      await this.#askForReboot();
    } catch (error) {
      if (!signal.aborted && isFault(error)) await this.#startAgain();
      throw error;
    }
    await this.#env.clock.sleep(goDownMs, signal);
    throw new Fault(
      "still-up",
      `logind agreed to reboot ${goDownMs / 60_000} min ago and this machine is still up`,
    );
  }

  async #askForReboot(): Promise<void> {
    const { machine, report } = this.#parts;
    const turn = this.#current();
    const confirmed = turn.locks ? await this.#slot.confirm() : undefined;
    await this.#save({ ...turn, rebooting: true });
    await report.phase("rebooting", turn.why);
    if (confirmed !== undefined && this.#env.clock.monotonic() >= confirmed.rebootUntilMs)
      throw new Fault("lease-old", "the lease was half over before the reboot: it is confirmed again");
    this.#env.log.info(`reboots: ${turn.why}`);
    await machine.reboot();
  }

  /** Has those run again that were stopped for a reboot which does not come now. */
  async #startAgain(): Promise<void> {
    const { machine, workload } = this.#parts;
    const { stop, ...turn } = this.#current();
    if (stop === undefined) return;
    await startUnitsAgain(this.#env, machine, workload, stop.names);
    await this.#save(turn);
  }

  /** Takes everything back that was done for a reboot that does not come now. */
  async #undo(why: string): Promise<void> {
    const { workload, file } = this.#parts;
    const turn = this.#current();
    this.#env.log.info(`does not reboot now: ${why}`);
    this.#beside?.abort(new Fault("undone", why));
    this.#toldAtMs = undefined;
    this.#drainFromMs = undefined;
    await this.#startAgain();
    if (turn.drain !== undefined) {
      const deed = afterDrain(turn.drain, await workload.share());
      if (deed !== undefined) await workload[deed]();
    }
    if (turn.locks) await this.#slot.giveBack();
    await file.write(undefined);
    this.#turn = undefined;
  }

  #current(): Turn {
    if (this.#turn === undefined) throw new TypeError("there is no turn");
    return this.#turn;
  }

  async #save(turn: Turn): Promise<void> {
    await this.#parts.file.write(turn);
    this.#turn = turn;
  }
}
