import { pauseMs } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { Fault, isFault, sentenceOf } from "../lib/fault.ts";
import { Wake } from "../lib/wake.ts";
import type { Mirror } from "../store/mirror.ts";
import { under } from "../store/range.ts";
import type { LeaseId, Store } from "../store/store.ts";
import { hasEnded, isComing, isStarting, passGapMs, publishGapMs, type Step } from "./agent-steps.ts";
import type { AttemptBook } from "./attempt-book.ts";
import { Claims } from "./claims.ts";
import type { EventWriter } from "./events.ts";
import type { MachineId, Scheduled, UnitName, UnitState } from "./model.ts";
import { StatePublisher } from "./publisher.ts";
import type { PartitionGuard } from "./partition.ts";
import { attemptAfter, isRunning, reconcile } from "./reconcile.ts";
import { fleetKeys } from "./registry.ts";
import { observationsOf, StateTeller } from "./state-teller.ts";
import { ScheduleLines } from "./schedule-lines.ts";
import { StateNotes } from "./state-notes.ts";
import type { StoreIdentity } from "./store-identity.ts";
import { Troubles } from "./troubles.ts";
import type { ManagedUnit, UnitManager, UnitOutcome, UnitSource } from "./unit-manager.ts";

export interface AgentOptions {
  readonly store: Store;
  readonly me: MachineId;
  /** A mirror of this machine's schedule. */
  readonly schedule: Mirror;
  readonly units: UnitManager;
  readonly attempts: AttemptBook;
  /** Stops units with `OnPartition=stop` in time, and says when they may be started. */
  readonly partition: PartitionGuard;
  readonly identity: StoreIdentity;
  /** Writes states down in the transactions that publish them; without it nothing is written down. */
  readonly events?: EventWriter;
  /** This machine's lease, undefined while it is not present. */
  readonly lease: () => LeaseId | undefined;
  readonly leaseChanged: (listener: () => void) => () => void;
}

const retry = { firstMs: 500, mostMs: 30_000 };
/** After so long a unit that is about to start is told of all the same: it may wait for another one. */
const comingMs = 100;

type Lines = ReadonlyMap<UnitName, Scheduled>;

/**
 * Makes this machine's systemd hold what its schedule says, and publishes how its units are.
 * Each unit goes its own way: steps of one never wait for steps of another, and a broken one delays only itself.
 * While the store is away the last schedule stays in force and nothing is stopped.
 */
export class Agent {
  readonly #env: Env;
  readonly #options: AgentOptions;
  readonly #wake = new Wake();
  readonly #publish = new Wake();
  /** What of `states` is in the store. */
  readonly publisher: StatePublisher;
  readonly #teller: StateTeller;
  #actual = new Map<UnitName, ManagedUnit>();
  readonly #attempts: AttemptBook;
  readonly #busy = new Map<UnitName, Step>();
  readonly #trouble = new Troubles(retry);
  readonly #lines: ScheduleLines;
  readonly #claims: Claims;
  #mustList = true;
  /** The schedule was read as a whole, maybe from a store that is not the one of before. */
  #mustVerify = true;

  constructor(env: Env, options: AgentOptions) {
    this.#env = env;
    this.#options = options;
    const { events, me, store, attempts } = options;
    const notes = new StateNotes(me, () => env.clock.monotonic());
    this.publisher = new StatePublisher(store, me, events === undefined ? undefined : { events, notes });
    this.#teller = new StateTeller(me);
    this.#attempts = attempts;
    this.#lines = new ScheduleLines(env.log);
    const { publisher } = this;
    this.#claims = new Claims(env, { ...options, publisher, lines: this.#lines, agent: this });
  }

  /** Runs until the signal is aborted; leaves every unit as it is. */
  async run(signal: AbortSignal): Promise<void> {
    const { schedule, units, leaseChanged, partition } = this.#options;
    const ends = [
      partition.subscribe(this.#wake.wake),
      partition.ask((name) => hasEnded(this.#actual.get(name), this.#busy.get(name))),
      schedule.subscribe((changes, fresh) => {
        this.#mustVerify ||= fresh;
        this.#lines.apply(changes);
        this.#wake.wake();
      }),
      units.subscribe((changed) => this.#observe(changed)),
      leaseChanged(() => {
        this.#publish.wake();
        this.#wake.wake();
      }),
    ];
    try {
      this.#lines.begin(schedule.entries);
      await this.#attempts.load();
      await Promise.all([this.#converge(signal), this.#report(signal)]);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      for (const end of ends) end();
    }
  }

  /**
   * Stops every unit of this machine, for when it leaves the cluster. What was carried out here is forgotten: a machine
   * that comes back starts what it then has to run, as after a reboot. Throws Fault `units-run-on` when one did not stop.
   */
  async stopAll(): Promise<void> {
    if (this.#mustList) await this.#list();
    await this.#attempts.load();
    const started = [...this.#actual.values()].filter(isRunning);
    if (started.length > 0) {
      this.#env.log.info(`stopping ${started.length} unit(s) before leaving`);
      const outcomes = await this.#options.units.stop(started.map(({ name }) => name));
      const problem = outcomes.find((outcome) => outcome.problem !== undefined)?.problem;
      if (problem !== undefined) throw new Fault("units-run-on", problem);
    }
    this.#attempts.clear();
    await this.#attempts.save();
  }

  #observe(changed: readonly ManagedUnit[] | undefined): void {
    if (changed === undefined) this.#mustList = true;
    else for (const unit of changed) if (this.#actual.has(unit.name)) this.#actual.set(unit.name, unit);
    this.#wake.wake();
    const isQuiet = changed?.every((unit) => isComing(unit, this.#busy.get(unit.name))) ?? false;
    if (!isQuiet) this.#publish.wake();
  }

  async #converge(signal: AbortSignal): Promise<void> {
    await this.#options.schedule.ready;
    let failures = 0;
    for (;;) {
      try {
        if (this.#mustList) await this.#list();
        if (this.#options.partition.barred) await this.#readmit();
        // Last, so that nothing is awaited between this and the pass.
        while (this.#mustVerify) await this.#verify();
        failures = 0;
        this.#pass(signal);
      } catch (error) {
        if (!isFault(error)) throw error;
        failures += 1;
        this.#mustList = true;
        this.#env.log.warning(`this machine's units stay as they are: ${error.message}`);
        this.#later(pauseMs(retry, failures, this.#env.random()), signal);
      }
      await this.#gather(passGapMs, signal);
      await this.#wake.next(signal);
    }
  }

  /** Waits in proportion to what is under way; not at all when that is next to nothing. */
  async #gather(gapMs: (busyUnits: number) => number, signal: AbortSignal): Promise<void> {
    const ms = gapMs(this.#busy.size);
    if (ms > 0) await this.#env.clock.sleep(ms, signal);
  }

  async #verify(): Promise<void> {
    this.#mustVerify = false;
    try {
      await this.#options.identity.check();
    } catch (error) {
      this.#mustVerify = true;
      throw error;
    }
  }

  async #list(): Promise<void> {
    this.#mustList = false;
    const units = await this.#options.units.list();
    this.#actual = new Map(units.map((unit) => [unit.name, unit]));
    this.#publish.wake();
  }

  /** Plans from what is wanted and what is so, and sets off every step whose unit is free. */
  #pass(signal: AbortSignal): void {
    const wanted = this.#lines.all();
    const tasks = reconcile(wanted, [...this.#actual.values()], this.#attempts.all);
    const barred = this.#options.partition.holdBack(wanted);
    const lines = new Map(wanted.map((line) => [line.unit, line]));
    this.#attempts.remember(tasks.remember);
    const nowMs = this.#env.clock.monotonic();
    const free = (name: UnitName): boolean => !this.#busy.has(name) && this.#trouble.mayTry(name, nowMs);
    // A unit that is still starting may be stopped or restarted: systemd then cancels its start.
    const stop = tasks.stop.filter((name) => free(name) || isStarting(this.#busy.get(name)));
    const mayStart = (name: UnitName): boolean => !barred.has(name) && this.#claims.allow(lines.get(name));
    const restart = tasks.restart.filter(
      (name) => mayStart(name) && (free(name) || this.#busy.get(name) === "starting"),
    );
    const unload = tasks.unload.filter((name) => free(name) && !tasks.stop.includes(name));
    const earlier = new Set([...tasks.stop, ...tasks.unload]);
    const load = tasks.load.filter(({ name }) => free(name) && !earlier.has(name));
    for (const { name } of tasks.load) earlier.add(name);
    const start = tasks.start.filter((name) => free(name) && !earlier.has(name) && mayStart(name));
    const next = new Map(tasks.load.map((source) => [source.name, source]));
    for (const name of stop) this.#step("stopping", [name], signal, () => this.#stop(name, next.get(name)));
    if (unload.length > 0) this.#step("unloading", unload, signal, () => this.#unload(unload));
    const loading = load.map(({ name }) => name);
    if (load.length > 0) this.#step("loading", loading, signal, () => this.#load(load, lines));
    if (start.length > 0) this.#startAll(start, lines, signal);
    if (restart.length > 0) this.#restartAll(restart, lines, signal);
    // A unit that could not be loaded may have left its file, which only a fresh look shows.
    if (this.#trouble.keepOnly((name) => lines.has(name) || this.#actual.has(name))) this.#observe(undefined);
    // What is about to start is told once it has, not a moment before as well.
    if (start.length === 0) this.#publish.wake();
    else this.#env.clock.sleep(comingMs, signal).then(this.#publish.wake, () => undefined);
  }

  /** Reads from the store itself whether this machine still has to run what was stopped when it could not be reached. */
  async #readmit(): Promise<void> {
    const { partition, store, me, lease } = this.#options;
    if (lease() === undefined) return;
    const { entries } = await store.read(under(fleetKeys.schedule(me)));
    if (this.#lines.agreesWith(new Set(entries.map(({ key }) => key)))) partition.readmit();
  }

  /** Carries out one step for some units, marks them busy meanwhile, and wakes the loop at its end. */
  #step(
    kind: Step,
    names: readonly UnitName[],
    signal: AbortSignal,
    act: () => Promise<readonly UnitOutcome[]>,
  ): void {
    for (const name of names) this.#busy.set(name, kind);
    const finish = (outcomes: readonly UnitOutcome[], mayRepeat: boolean): void => {
      for (const name of names) if (this.#busy.get(name) === kind) this.#busy.delete(name);
      for (const outcome of outcomes) {
        // Units of one machine come one by one: a start that came before a unit it needs was none.
        const early = outcome.lacksUnit === true;
        if (early && kind === "starting")
          this.#attempts.setLoaded(outcome.name, this.#actual.get(outcome.name)?.hash);
        else if (kind === "starting") this.#attempts.confirm(outcome.name);
        this.#judge(kind, outcome, mayRepeat || early, signal);
      }
      this.#wake.wake();
    };
    act().then(
      (outcomes) => finish(outcomes, !isStarting(kind)),
      (error: unknown) => {
        if (kind === "starting")
          for (const name of names) this.#attempts.setLoaded(name, this.#actual.get(name)?.hash);
        this.#mustList = true;
        const failed = names.map((name) => ({ name, problem: sentenceOf(error) }));
        finish(failed, true);
      },
    );
  }

  /** Remembers a failure; a start that systemd has tried and failed is not tried again, everything else is. */
  #judge(kind: Step, { name, problem }: UnitOutcome, mayRepeat: boolean, signal: AbortSignal): void {
    if (problem === undefined) {
      this.#trouble.end(name);
      return;
    }
    if (isStarting(kind) && this.#busy.has(name)) return;
    const { clock, random } = this.#env;
    const pause = this.#trouble.add(name, problem, mayRepeat, clock.monotonic(), random());
    this.#env.log.error(`${name}: ${problem}`, pause === undefined ? {} : { againInMs: Math.ceil(pause) });
    if (pause !== undefined) this.#later(pause, signal);
  }

  /** @param next what takes its place: where that cannot be had, the unit runs on */
  async #stop(name: UnitName, next: UnitSource | undefined): Promise<readonly UnitOutcome[]> {
    const prepared = next === undefined ? [] : await this.#options.units.prepare([next]);
    if (prepared.some(({ problem }) => problem !== undefined)) return prepared;
    this.#env.log.info(`stopping ${name}`);
    const outcomes = await this.#options.units.stop([name]);
    const unit = this.#actual.get(name);
    if (outcomes.every(({ problem }) => problem === undefined)) {
      // The job's end may be heard before the state's change; a stop that is done has ended the processes.
      if (unit !== undefined && unit.active !== "failed")
        this.#actual.set(name, { ...unit, active: "inactive", sub: "dead" });
      this.#attempts.setLoaded(name, this.#actual.get(name)?.hash);
      void this.#attempts.save();
    }
    return outcomes;
  }

  async #unload(names: readonly UnitName[]): Promise<readonly UnitOutcome[]> {
    this.#env.log.info(`unloading ${names.join(" ")}`);
    const outcomes = await this.#options.units.unload(names);
    for (const { name, problem } of outcomes) {
      if (problem !== undefined) continue;
      this.#actual.delete(name);
      this.#attempts.delete(name);
    }
    void this.#attempts.save();
    return outcomes;
  }

  async #load(sources: readonly UnitSource[], lines: Lines): Promise<readonly UnitOutcome[]> {
    const outcomes = await this.#options.units.load(sources);
    for (const { name, problem } of outcomes) {
      const want = lines.get(name);
      if (problem !== undefined || want === undefined) continue;
      const before = this.#actual.get(name) ?? { name, active: "inactive", sub: "dead" };
      this.#actual.set(name, { ...before, hash: want.hash, load: "loaded" });
      this.#attempts.set(name, attemptAfter("load", want));
    }
    return outcomes;
  }

  #startAll(names: readonly UnitName[], lines: Lines, signal: AbortSignal): void {
    this.#env.log.info(`starting ${names.join(" ")}`);
    for (const name of names) {
      const want = lines.get(name);
      const claims = want?.stopOnPartition === true;
      if (want !== undefined && !claims) this.#attempts.begin(name, attemptAfter("start", want));
      this.#step("starting", [name], signal, () =>
        claims ? this.#startClaimed(want) : this.#options.units.start([name], this.#attempts.confirm),
      );
    }
    void this.#attempts.save();
  }

  /** Starts a unit that must never run twice; when its line has gone meanwhile, nothing is done and nothing remembered. */
  async #startClaimed(want: Scheduled): Promise<readonly UnitOutcome[]> {
    if (!(await this.#claims.claim(want))) return [];
    this.#attempts.begin(want.unit, attemptAfter("start", want));
    void this.#attempts.save();
    return await this.#options.units.start([want.unit], this.#attempts.confirm);
  }

  #restartAll(names: readonly UnitName[], lines: Lines, signal: AbortSignal): void {
    this.#env.log.info(`restarting ${names.join(" ")}`);
    for (const name of names) {
      const want = lines.get(name);
      if (want !== undefined) this.#step("restarting", [name], signal, () => this.#restart(want));
    }
  }

  /**
   * The unit's invocation is noted before systemd is told, and the restart once systemd has taken it: a daemon that ends in between
   * has the next one restart what was not started anew. Only after its claim, which may take as long as the store takes.
   */
  async #restart(want: Scheduled): Promise<readonly UnitOutcome[]> {
    const { unit: name, restart = 0, stopOnPartition } = want;
    if (stopOnPartition === true && !(await this.#claims.claim(want))) return [];
    const noted = this.#attempts.get(name)?.restarting;
    const from = noted?.restart === restart ? noted.from : undefined;
    if (from === undefined)
      await this.#attempts.beginRestart(name, restart, await this.#options.units.invocation(name));
    let isNoted = false;
    const done = (): void => {
      // Once: a stop that cancels the restart may have been noted before this hears of its end.
      if (!isNoted) this.#attempts.remember(new Map([[name, attemptAfter("restart", want)]]));
      isNoted = true;
    };
    const outcomes = await this.#options.units.restart(
      [{ name, ...(from === undefined ? {} : { from }) }],
      done,
    );
    if (outcomes.every(({ lacksUnit }) => lacksUnit !== true)) done();
    return outcomes;
  }

  #later(ms: number, signal: AbortSignal): void {
    this.#env.clock.sleep(ms, signal).then(this.#wake.wake, () => undefined);
  }

  /** Publishes the newest states whenever they change, for as long as this machine is present. */
  async #report(signal: AbortSignal): Promise<void> {
    let failures = 0;
    for (;;) {
      await this.#publish.next(signal);
      const lease = this.#options.lease();
      if (lease === undefined || this.#mustList) continue;
      try {
        if (await this.publisher.publish(lease, () => this.states()))
          await this.#gather(publishGapMs, signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (!isFault(error)) throw error;
        failures += 1;
        this.#env.log.debug(`cannot publish unit states: ${error.message}; trying again`);
        const pause = pauseMs({ firstMs: 100, mostMs: 5_000 }, failures, this.#env.random());
        await this.#env.clock.sleep(pause, signal);
        this.#publish.wake();
      }
    }
  }

  /** How every unit of this machine is, also those that could not be loaded. */
  states(): ReadonlyMap<UnitName, UnitState> {
    const wanted = this.#lines.all();
    const view = { actual: this.#actual, wanted, busy: this.#busy, attempts: this.#attempts.all };
    return this.#teller.tell(observationsOf({ ...view, troubles: this.#trouble }));
  }
}
