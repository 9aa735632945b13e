import type { Clock } from "../lib/env.ts";
import { answer, refuse } from "./api-answers.ts";
import {
  type MachineLegend,
  partsOf,
  type StateReport,
  unitReport,
  type UnitReport,
} from "./api-entities.ts";
import { type Machines, unitJournal } from "./api-local.ts";
import { within } from "./api-waits.ts";
import type { Cluster, PlannedUnit } from "./cluster.ts";
import type { EventFeed } from "./event-feed.ts";
import { type FleetEvent, fromTheStart } from "./events.ts";
import { drainInputs } from "./drain-picture.ts";
import { explain } from "./explain.ts";
import { machineReport } from "./machine-report.ts";
import type { MachineId, UnitName } from "./model.ts";
import type { FleetView } from "./registry.ts";

/** Why a unit is where it is, or nowhere; what `argosy why` prints. */
export interface WhyEntity extends Omit<UnitReport, "waiting"> {
  /** The whole in one sentence. */
  readonly summary: string;
  /** The engine's last decision about the unit, while the history still has it. */
  readonly decision?: FleetEvent;
  /** What each present machine says to the unit, in order of their IDs. */
  readonly machines: readonly MachineVerdict[];
  /** The last lines of the journal where the unit has failed. */
  readonly journal?: readonly JournalTail[];
}

export interface MachineVerdict {
  readonly machine: MachineLegend;
  /** True where the unit is placed, or runs as a global one. */
  readonly here: boolean;
  /** Whether it may be there as things are. */
  readonly may: boolean;
  /** Why it may not. */
  readonly why?: string;
  /** How many units the machine has: the fewest of those that may win. */
  readonly units: number;
}

export interface JournalTail {
  readonly machine: MachineLegend;
  /** Absent when the machine could not be asked. */
  readonly lines?: readonly string[];
  /** Why it could not. */
  readonly problem?: string;
}

/** Lines of a journal that are shown, machines whose journals are, and how long each may take. */
const tailLines = 10;
const mostTails = 3;
const tailLimitMs = 5000;

/** What the answer is made from. */
export interface WhySources {
  readonly view: FleetView;
  readonly machines: Machines;
  readonly feed: EventFeed | undefined;
  readonly clock: Clock;
}

/** `GET /argosy/v1/units/{name}/why`. */
export async function whyUnit(sources: WhySources, name: UnitName, signal: AbortSignal): Promise<Response> {
  const { view } = sources;
  const verdicts = explain(clusterOf(view), name);
  if (verdicts === undefined) return refuse(404, "unit does not exist");
  const { waiting: _waiting, ...report } = unitReport(view, name);
  const [decision, journal] = await Promise.all([
    lastDecision(sources, name, signal),
    tails(sources, report, signal),
  ]);
  const machines = verdicts.map(({ machine, here, why, units }): MachineVerdict => {
    const legend = { id: machine, address: view.machines.get(machine)?.address ?? "" };
    return { machine: legend, here, may: why === undefined, ...(why === undefined ? {} : { why }), units };
  });
  const entity: WhyEntity = {
    summary: summaryOf(report, machines) + drainOf(view, report),
    ...report,
    ...(decision === undefined ? {} : { decision }),
    machines,
    ...(journal.length === 0 ? {} : { journal }),
  };
  return answer(entity);
}

/** The cluster as the scheduler takes it, from what the API sees. */
function clusterOf(view: FleetView): Cluster {
  const units = Array.from(view.units.values(), (unit): PlannedUnit => {
    const { name, target, hash } = unit;
    return { name, target, hash, requirements: partsOf(unit).requirements };
  });
  return {
    units,
    machines: [...view.machines.values()],
    uncertain: new Set(),
    placements: view.placements,
    ...drainInputs({ cordons: view.cordons, schedules: heldBy(view), states: view.states }),
  };
}

/** What each cordoned machine has, as far as it has told. */
function heldBy(view: FleetView): ReadonlyMap<MachineId, ReadonlyMap<UnitName, unknown>> {
  const held = new Map(Array.from(view.cordons.keys(), (machine) => [machine, new Map<UnitName, unknown>()]));
  if (held.size === 0) return held;
  for (const [unit, states] of view.states)
    for (const machine of states.keys()) held.get(machine)?.set(unit, true);
  return held;
}

async function lastDecision(
  { feed, clock }: WhySources,
  name: UnitName,
  signal: AbortSignal,
): Promise<FleetEvent | undefined> {
  if (feed === undefined) return undefined;
  try {
    const release = await within(clock, tailLimitMs, signal, async (limit) => await feed.hold(limit));
    const filter = { units: [name], machines: [], kinds: ["decision"] };
    const { events } = feed.page(fromTheStart, filter);
    release();
    return events.at(-1);
  } catch (error) {
    // Without the history the rest of the answer is as good.
    if (signal.aborted) throw error;
    return undefined;
  }
}

async function tails(
  { view, machines, clock }: WhySources,
  { name, states }: Pick<UnitReport, "name" | "states">,
  signal: AbortSignal,
): Promise<readonly JournalTail[]> {
  const failed = states.filter(hasFailed).slice(0, mostTails);
  return await Promise.all(
    failed.map(async ({ machine }): Promise<JournalTail> => {
      try {
        const lines = await within(clock, tailLimitMs, signal, async (limit) => {
          const url = new URL(`http://fleet/?lines=${tailLines}&machine=${machine.id}`);
          const response = await unitJournal(view, name, url, machines, clock.now(), limit);
          const text = await response.text();
          if (response.status !== 200) throw new Error(`the machine answered ${response.status}`);
          return text.split("\n").filter((line) => line !== "");
        });
        return { machine, lines };
      } catch (error) {
        return { machine, problem: error instanceof Error ? error.message : String(error) };
      }
    }),
  );
}

function hasFailed({ active, problem }: StateReport): boolean {
  return active === "failed" || problem !== undefined;
}

/** What a person wants to know first. */
function summaryOf(report: Omit<UnitReport, "waiting">, machines: readonly MachineVerdict[]): string {
  const { name, desiredState, global, machine, states } = report;
  if (desiredState === "inactive") return `${name} is not to be on any machine: its target state is inactive`;
  if (machines.length === 0) return `${name} has no machine to be on: none is present`;
  const failed = states.find(hasFailed);
  if (failed !== undefined) return `${name} is in trouble on ${shown(failed.machine)}: ${troubleOf(failed)}`;
  if (global) {
    const count = machines.filter(({ here }) => here).length;
    return `${name} is global: ${count} of ${machines.length} machines have it`;
  }
  if (machine === undefined) {
    const fits = machines.some(({ may }) => may);
    return fits
      ? `${name} has no machine yet, but one that may run it: the engine has not decided, or it still stops elsewhere`
      : `no machine can run ${name} now`;
  }
  if (!machines.some(({ here }) => here))
    return `${name} is placed on ${shown(machine)}, which is not present`;
  const state = states.find((each) => each.machine.id === machine.id);
  const says = state === undefined ? "and has not been heard of there yet" : `where it is ${state.active}`;
  return `${name} is placed on ${shown(machine)}, ${says}`;
}

/** What a drain of its machine means for a unit; nothing when there is none. */
function drainOf(view: FleetView, { name, machine, desiredState }: Omit<UnitReport, "waiting">): string {
  if (machine === undefined || desiredState === "inactive") return "";
  if (view.cordons.get(machine.id)?.drain === undefined) return "";
  const found = machineReport(view, machine.id)?.units.find((unit) => unit.name === name);
  const to = found?.to === undefined ? "another machine" : shown(found.to);
  const drained = "; its machine is being drained, ";
  switch (found?.state) {
    case "waits":
      return `${drained}and its turn has not come`;
    case "starting":
      if (found.failed === true) return `${drained}but it failed on ${to}`;
      return `${drained}and it starts on ${to} before it stops there`;
    case "stays":
      return `${drained}but it cannot leave now, because no other machine can take it`;
    case "pinned":
      return `${drained}and it stays, because it is pinned to it`;
    default:
      return "";
  }
}

function troubleOf({ active, sub, result, problem }: StateReport): string {
  const said = result === undefined || result === "success" ? `${active} (${sub})` : `${active} (${result})`;
  return problem === undefined ? said : `${said}; ${problem}`;
}

function shown({ id, address }: MachineLegend): string {
  return address === "" ? `${id.slice(0, 8)}...` : `${id.slice(0, 8)}.../${address}`;
}
