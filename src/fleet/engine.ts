import { pauseMs } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { isFault, sentenceOf } from "../lib/fault.ts";
import { Wake } from "../lib/wake.ts";
import { parseUnitFile } from "../unit/parse.ts";
import type { Mirror } from "../store/mirror.ts";
import type { LeaseId, Outcome, Store, Transaction } from "../store/store.ts";
import { AbsenceJudge, type Presence } from "./absence.ts";
import type { PlannedUnit } from "./cluster.ts";
import { drainInputs } from "./drain-picture.ts";
import { packWrites } from "./engine-packs.ts";
import { type EngineWork, type EngineWrite, engineWork } from "./engine-writes.ts";
import type { EventWriter } from "./events.ts";
import { countFailures, countTasks } from "./engine-counts.ts";
import type { FleetMetrics } from "./metrics.ts";
import type { MachineId, Unit, UnitName } from "./model.ts";
import { requirementsOf } from "./options.ts";
import type { FleetPicture } from "./picture.ts";
import { type PlannedCluster, Planner } from "./planner.ts";
import { decodeFleetEntry, parseFleetKey } from "./records.ts";
import { fleetKeys } from "./registry.ts";
import type { StoreWitness } from "./store-witness.ts";
import type { Held, SharedPicture } from "./shared-picture.ts";

export interface EngineOptions {
  readonly store: Store;
  readonly me: MachineId;
  /** How long a machine's lease lives (`leaseLifeMs`): how long an unexplained absence is given to end. */
  readonly ttlMs: number;
  /** A mirror of `engine/` to `machines/`: who leads and who is present. Small, so every engine keeps one. */
  readonly members: Mirror;
  readonly shared: SharedPicture;
  /** Knows for how long the store has worked; its owner tells it of each renewal of this machine's presence. */
  readonly witness: StoreWitness;
  /** Writes decisions down in the transactions that carry them out; without it nothing is written down. */
  readonly events?: EventWriter;
  readonly metrics?: FleetMetrics;
  /** This machine's lease, undefined while it is not present. */
  readonly lease: () => LeaseId | undefined;
  /** Called by the owner of the lease whenever it changes. */
  readonly leaseChanged: (listener: () => void) => () => void;
}

const retry = { firstMs: 50, mostMs: 5_000 };

/**
 * Takes part in leading the cluster. One engine leads, by a key on its machine's lease; the lock only avoids double work,
 * since every write is guarded by what the plan saw.
 */
export async function runEngine(env: Env, options: EngineOptions, signal: AbortSignal): Promise<void> {
  const { members, me, store } = options;
  const judge = new AbsenceJudge(options.ttlMs);
  const wake = new Wake();
  const ends = [
    members.subscribe((_changes, fresh) => {
      judge.observe(presentMachines(members), fresh ? undefined : unbrokenForMs(env, options));
      wake.wake();
    }),
    options.leaseChanged(wake.wake),
  ];
  let leading: { readonly stop: AbortController; readonly done: Promise<void> } | undefined;
  const resign = async (): Promise<void> => {
    leading?.stop.abort(new Error("not the leader any more"));
    await leading?.done;
    leading = undefined;
  };
  try {
    await members.ready;
    judge.observe(presentMachines(members), undefined);
    for (;;) {
      const lease = options.lease();
      const leader = members.entries.get(fleetKeys.leader);
      const mine = lease !== undefined && leader?.value === me && leader.lease === lease;
      if (mine && leading === undefined) {
        env.log.info("this machine's engine leads the cluster now");
        const stop = new AbortController();
        leading = { stop, done: lead(env, options, judge, AbortSignal.any([signal, stop.signal])) };
      } else if (!mine && leading !== undefined) {
        env.log.info("this machine's engine does not lead the cluster any more");
        await resign();
      } else if (lease !== undefined && leader === undefined) {
        await writeLock(env, store, me, lease, 0);
      } else if (
        lease !== undefined &&
        leader !== undefined &&
        leader.value === me &&
        leader.lease !== lease
      ) {
        await writeLock(env, store, me, lease, leader.modRevision);
      }
      await wake.next(signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    for (const end of ends) end();
    await resign();
  }
}

/** Writes the lock if it is still at revision `seen`; who was faster shows in the mirror of members. */
async function writeLock(env: Env, store: Store, me: MachineId, lease: LeaseId, seen: number): Promise<void> {
  try {
    await store.commit({
      when: [{ key: fleetKeys.leader, modRevision: seen }],
      then: [{ do: "put", key: fleetKeys.leader, value: me, lease }],
    });
  } catch (error) {
    if (!isFault(error)) throw error;
    env.log.debug(`cannot try to lead: ${sentenceOf(error)}`);
  }
}

function presentMachines(members: Mirror): Presence[] {
  const machines: Presence[] = [];
  for (const [path, entry] of members.entries) {
    const key = parseFleetKey(path);
    const record = decodeFleetEntry(entry);
    // A record that cannot be read is still a machine that is there.
    if (key?.family === "machine")
      machines.push({
        id: key.machine,
        leaving: record?.family === "machine" && record.machine.leaving === true,
      });
  }
  return machines;
}

/** For how long the store has been watched and has worked without a break; undefined while it is not watched. */
function unbrokenForMs(env: Env, { members, witness }: EngineOptions): number | undefined {
  const nowMs = env.clock.monotonic();
  const { syncedSinceMs } = members;
  return syncedSinceMs === undefined
    ? undefined
    : Math.min(nowMs - syncedSinceMs, witness.steadyForMs(nowMs));
}

/** Plans and writes whenever something changed, until the signal is aborted. */
async function lead(
  env: Env,
  options: EngineOptions,
  judge: AbsenceJudge,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  options.metrics?.leads(true);
  signal.addEventListener("abort", () => options.metrics?.leads(false), { once: true });
  while (!signal.aborted) {
    let held: Held | undefined;
    try {
      held = await options.shared.hold(signal);
      await leadWith(env, options, judge, held, signal, () => {
        failures = 0;
      });
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      env.log.warning(`the engine cannot go on: ${sentenceOf(error)}; trying again`);
      await env.clock.sleep(pauseMs(retry, failures, env.random()), signal).catch(() => undefined);
    } finally {
      held?.release();
    }
  }
}

async function leadWith(
  env: Env,
  options: EngineOptions,
  judge: AbsenceJudge,
  held: Held,
  signal: AbortSignal,
  progressed: () => void,
): Promise<void> {
  const { picture } = held;
  const { members, ttlMs } = options;
  const wake = new Wake();
  /** When the first change came that no pass has looked at yet. */
  let heardAtMs: number | undefined;
  const hear = (): void => {
    heardAtMs ??= env.clock.monotonic();
    wake.wake();
  };
  const ends = [options.shared.subscribe(hear), members.subscribe(hear)];
  const planning = { parsed: new ParsedUnits(env), planner: new Planner(), unfinished: undefined };
  const grace = new AbortController();
  signal.addEventListener("abort", () => grace.abort(signal.reason), { once: true });
  let graceUntil: number | undefined;
  /** What the last pass was made of; while it stays the same and nothing waits for states, a pass would find nothing. */
  let planned = { changes: -1, uncertain: "", waitsForStates: false };
  try {
    for (;;) {
      const syncedForMs = unbrokenForMs(env, options);
      const machines = picture.machines();
      const missing = [...picture.schedules.keys()].filter((machine) => !machines.has(machine));
      const uncertain = judge.uncertain(missing, syncedForMs);
      const inGrace = syncedForMs !== undefined && syncedForMs < ttlMs;
      if (uncertain.size > 0 && inGrace && graceUntil === undefined) {
        graceUntil = ttlMs - syncedForMs;
        env.log.info(`giving ${uncertain.size} absent machine(s) time to come back`, {
          ms: Math.ceil(graceUntil),
        });
        env.clock.sleep(graceUntil, grace.signal).then(
          () => {
            graceUntil = undefined;
            wake.wake();
          },
          () => undefined,
        );
      }
      const heard = heardAtMs ?? env.clock.monotonic();
      heardAtMs = undefined;
      const now = { changes: picture.planChanges, uncertain: [...uncertain].sort().join(" ") };
      if (planned.waitsForStates || planned.changes !== now.changes || planned.uncertain !== now.uncertain) {
        const { deferred, moving } = await pass(env, options, picture, planning, uncertain, heard, signal);
        planned = { ...now, waitsForStates: deferred.length > 0 || moving };
        progressed();
      }
      await wake.next(signal);
    }
  } finally {
    grace.abort(new Error("ended"));
    for (const end of ends) end();
  }
}

/** What one leader keeps between its passes. */
interface Planning {
  readonly parsed: ParsedUnits;
  readonly planner: Planner;
  /** Units that were written about and have to be looked at again; undefined before the first pass. */
  unfinished: ReadonlySet<UnitName> | undefined;
}

async function pass(
  env: Env,
  options: EngineOptions,
  picture: FleetPicture,
  planning: Planning,
  uncertain: ReadonlySet<MachineId>,
  heardAtMs: number,
  signal: AbortSignal,
): Promise<EngineWork & { readonly moving: boolean }> {
  const { metrics } = options;
  const startMs = env.clock.monotonic();
  const { parsed, planner, unfinished } = planning;
  const changed = picture.takeTouched();
  const touched = unfinished === undefined ? undefined : changed.union(unfinished);
  const cluster: PlannedCluster = {
    units: parsed.of(picture.units, touched),
    machines: [...picture.machines().values()],
    uncertain,
    placements: picture.placements,
    ...drainInputs(picture),
  };
  const plan = planner.plan(cluster, touched);
  const isGlobal = (name: UnitName): boolean => parsed.isGlobal(name);
  const work = engineWork(plan, picture, isGlobal, plan.whole ? undefined : touched);
  planning.unfinished = new Set(work.writes.map(({ unit }) => unit));
  for (const pack of packWrites(work.writes)) {
    signal.throwIfAborted();
    const outcome = await commit(options, pack.transaction, pack.writes);
    if (outcome.committed) logWrites(env, pack.writes);
    else if (pack.writes.length > 1) await commitSingly(env, options, pack.writes, heardAtMs);
    if (outcome.committed || pack.writes.length === 1)
      countTasks(metrics, pack.writes, outcome.committed, env.clock.monotonic() - heardAtMs);
    // A single write that lost its race needs nothing: what overtook it is on its way and wakes the next pass.
  }
  countFailures(metrics, plan, cluster.machines);
  metrics?.passes.add();
  metrics?.passDuration.observe(env.clock.monotonic() - startMs);
  return { ...work, moving: plan.moving === true };
}

/** One stale write spoils a whole transaction, so the others go one by one. */
async function commitSingly(
  env: Env,
  options: EngineOptions,
  writes: readonly EngineWrite[],
  heardAtMs: number,
): Promise<void> {
  for (const write of writes) {
    const { when, then } = write;
    const outcome = await commit(options, { when, then }, [write]);
    if (outcome.committed) logWrites(env, [write]);
    countTasks(options.metrics, [write], outcome.committed, env.clock.monotonic() - heardAtMs);
  }
}

/** Decisions that the store does not take because it is away count as failed, too; the pass ends with them. */
async function commit(
  { store, events, metrics }: EngineOptions,
  transaction: Transaction,
  writes: readonly EngineWrite[],
): Promise<Outcome> {
  try {
    return await store.commit(withEvents(transaction, writes, events));
  } catch (error) {
    countTasks(metrics, writes, false, 0);
    throw error;
  }
}

/** A transaction with one more operation that writes down what its writes decide. */
function withEvents(
  transaction: Transaction,
  writes: readonly EngineWrite[],
  events: EventWriter | undefined,
): Transaction {
  const notes = writes.flatMap(({ note }) => (note === undefined ? [] : [note]));
  if (events === undefined || notes.length === 0) return transaction;
  return { ...transaction, then: [...transaction.then, events.operation(notes)] };
}

function logWrites(env: Env, writes: readonly EngineWrite[]): void {
  for (const write of writes) env.log.info(`${write.unit}: ${write.because}`);
}

/** Requirements of units, worked out once for each text. */
class ParsedUnits {
  readonly #env: Env;
  readonly #units = new Map<UnitName, PlannedUnit>();

  constructor(env: Env) {
    this.#env = env;
  }

  /**
   * All units that there are.
   * @param touched those that may have changed since the last call; undefined when it may be any
   */
  of(
    units: ReadonlyMap<UnitName, Unit>,
    touched: Iterable<UnitName> | undefined,
  ): ReadonlyMap<UnitName, PlannedUnit> {
    for (const name of touched ?? new Set([...this.#units.keys(), ...units.keys()])) {
      const unit = units.get(name);
      if (unit === undefined) this.#units.delete(name);
      else this.#units.set(name, this.#planned(unit, this.#units.get(name)));
    }
    return this.#units;
  }

  #planned({ name, target, hash, text }: Unit, known: PlannedUnit | undefined): PlannedUnit {
    if (known?.hash === hash) return known.target === target ? known : { ...known, target };
    const { file, problems } = parseUnitFile(text);
    for (const problem of problems)
      this.#env.log.warning(`${name}: line ${problem.line}: ${problem.sentence}; the line is ignored`);
    return { name, target, hash, requirements: requirementsOf(file, name) };
  }

  isGlobal(name: UnitName): boolean {
    return this.#units.get(name)?.requirements.global ?? false;
  }
}
