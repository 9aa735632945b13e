import process from "node:process";

import type { Plan, PlannedUnit } from "../src/fleet/cluster.ts";
import type { Machine, Placement, UnitName } from "../src/fleet/model.ts";
import { Planner } from "../src/fleet/planner.ts";
import { schedule } from "../src/fleet/schedule.ts";
import { median, percentile, rounded, say, sayLoad } from "./figures.ts";
import { planned, syntheticMachines, syntheticUnits } from "./synthetic-cluster.ts";

const machineCount = 1_000;
const unitCount = 10_000;
/** The cluster is filled in so many equal steps, to see whether it gets slower. */
const steps = 10;
/** Units that come one at a time into the full cluster. */
const singles = 500;
const rounds = 9;

/**
 * The scheduler alone, without a store: how many units it places in a second from empty, how much slower it gets as the
 * cluster fills, and how long one more unit takes in the full one. In the same run a limit: as many units, each put on
 * the emptiest machine by a bare scan, with no other rule.
 */
export function benchSchedule(): void {
  const machines = syntheticMachines(machineCount);
  const units = syntheticUnits(unitCount + singles, machines).map(planned);
  const first = units.slice(0, unitCount);
  const more = units.slice(unitCount);
  say(`${unitCount} units in a realistic mix of wishes on ${machineCount} machines, ${rounds} rounds`);
  say("own: by the processor time of the one thread, as on a machine where nothing else runs");
  sayLoad();
  fill(machines, first);

  const limits: Span[] = [];
  const wholes: Span[] = [];
  const tenths: Span[][] = [];
  const oneMores: Span[] = [];
  for (let round = 1; round <= rounds; round++) {
    const limit = span(() => scanForEmptiest(machineCount, unitCount));
    const whole = span(() => placeAll(machines, first));
    const { planner, cluster, took } = fill(machines, first);
    const single = addSingly(planner, cluster, more);
    limits.push(limit);
    wholes.push(whole);
    tenths.push(took);
    oneMores.push(...single);
    const thousands = took.map(({ ownMs }) => (unitCount / steps / ownMs).toFixed(0));
    say(
      `round ${round}: ${perSecond(unitCount, whole.ms)} placements/s from empty (own ${perSecond(unitCount, whole.ownMs)}, ` +
        `bare scan own ${perSecond(unitCount, limit.ownMs)}); by tenths, own, in thousands ${thousands.join(" ")}; ` +
        `one more unit p50 ${at(single, 0.5, "ms").toFixed(2)} ms, p99 ${at(single, 0.99, "ms").toFixed(2)} ms`,
    );
  }
  sayLoad();
  const result = {
    placementsPerSec: perSecond(unitCount, at(wholes, 0.5, "ms")),
    oneMoreP99Ms: rounded(at(oneMores, 0.99, "ms"), 2),
    slowdownPercent: slowdownPercent(tenths, "ms"),
    ownPlacementsPerSec: perSecond(unitCount, at(wholes, 0.5, "ownMs")),
    ownSlowdownPercent: slowdownPercent(tenths, "ownMs"),
    bareScanPerSec: perSecond(unitCount, at(limits, 0.5, "ms")),
    ratioToBareScan: rounded(at(limits, 0.5, "ownMs") / at(wholes, 0.5, "ownMs"), 3),
  };
  say(JSON.stringify(result));
}

/** How long something took by the clock, and how much of that this thread was at work. */
interface Span {
  readonly ms: number;
  readonly ownMs: number;
}

function span(act: () => void): Span {
  const begun = performance.now();
  const before = process.threadCpuUsage();
  act();
  const used = process.threadCpuUsage(before);
  return { ms: performance.now() - begun, ownMs: (used.user + used.system) / 1000 };
}

function at(spans: readonly Span[], share: number, key: keyof Span): number {
  return percentile(
    spans.map((one) => one[key]).sort((left, right) => left - right),
    share,
  );
}

function perSecond(count: number, ms: number): number {
  return Math.round((count / ms) * 1000);
}

/** How much slower units are placed into the cluster when it is nearly full than when it is empty; medians of all rounds. */
function slowdownPercent(rows: readonly (readonly Span[])[], key: keyof Span): number {
  const tenth = (step: number): number => median(rows.map((row) => row[step]?.[key] ?? Number.NaN));
  return rounded((1 - tenth(0) / tenth(steps - 1)) * 100);
}

class GrowingCluster {
  readonly units = new Map<UnitName, PlannedUnit>();
  readonly placements = new Map<UnitName, Placement>();
  readonly uncertain = new Set<string>();
  readonly machines: readonly Machine[];
  #revision = 0;

  constructor(machines: readonly Machine[]) {
    this.machines = machines;
  }

  /** Carries out a plan; throws when a unit has to wait, since every one of the mix fits somewhere. */
  carryOut({ decisions }: Plan): void {
    for (const decision of decisions) {
      const { unit } = decision;
      if (decision.kind === "wait")
        throw new Error(`${unit} fits nowhere: ${decision.because[0]?.why ?? ""}`);
      this.#revision += 1;
      if (decision.kind === "unplace") this.placements.delete(unit);
      else this.placements.set(unit, { unit, machine: decision.on, revision: this.#revision });
    }
  }
}

function placeAll(machines: readonly Machine[], units: readonly PlannedUnit[]): void {
  const plan = schedule({ units, machines, uncertain: new Set(), placements: new Map() });
  const placed = plan.decisions.filter(({ kind }) => kind === "place").length;
  if (placed !== units.length) throw new Error(`only ${placed} of ${units.length} units were placed`);
}

/** Brings units into an empty cluster, a tenth at a time; how long each tenth takes. */
function fill(
  machines: readonly Machine[],
  units: readonly PlannedUnit[],
): { planner: Planner; cluster: GrowingCluster; took: Span[] } {
  const planner = new Planner();
  const cluster = new GrowingCluster(machines);
  planner.plan(cluster, undefined);
  const size = units.length / steps;
  const took = Array.from({ length: steps }, (_, step) => {
    const names = units.slice(step * size, (step + 1) * size).map((unit) => {
      cluster.units.set(unit.name, unit);
      return unit.name;
    });
    let plan: Plan | undefined;
    const spent = span(() => (plan = planner.plan(cluster, names)));
    if (plan !== undefined) cluster.carryOut(plan);
    planner.plan(cluster, names);
    return spent;
  });
  return { planner, cluster, took };
}

/** One unit after the other comes and is placed; how long the plan of each takes. */
function addSingly(planner: Planner, cluster: GrowingCluster, units: readonly PlannedUnit[]): Span[] {
  return units.map((unit) => {
    const { name } = unit;
    cluster.units.set(name, unit);
    let plan: Plan | undefined;
    const took = span(() => (plan = planner.plan(cluster, [name])));
    if (plan !== undefined) cluster.carryOut(plan);
    if (!cluster.placements.has(name)) throw new Error(`${name} was not placed`);
    planner.plan(cluster, [name]);
    return took;
  });
}

function scanForEmptiest(machineCountNow: number, unitCountNow: number): void {
  const loads = new Int32Array(machineCountNow);
  for (let unit = 0; unit < unitCountNow; unit++) {
    let emptiest = 0;
    for (let machine = 1; machine < loads.length; machine++) {
      if ((loads[machine] ?? 0) < (loads[emptiest] ?? 0)) emptiest = machine;
    }
    loads[emptiest] = (loads[emptiest] ?? 0) + 1;
  }
  if (loads.some((load) => load !== unitCountNow / machineCountNow)) throw new Error("the scan is wrong");
}
