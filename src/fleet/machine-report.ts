import { legend, type MachineLegend, partsOf, type WaitingReason, waitingReason } from "./api-entities.ts";
import { conditionOf } from "./drain-picture.ts";
import { whyUnfitFor } from "./machine-model.ts";
import type { MachineId, Placement, UnitName } from "./model.ts";
import { requirementsOf } from "./options.ts";
import type { FleetView } from "./registry.ts";

/** How a machine takes part in the cluster; Argosy's own addition to the API. */
export interface MachineReport extends MachineLegend {
  /** False for a machine that is known only because it is cordoned. */
  readonly present: boolean;
  /**
   * `ready`: takes units. `cordoned`: takes no new ones. `draining`: its units are leaving. `drained`: no unit of it can
   * leave any more, and none is on its way.
   */
  readonly state: "ready" | "cordoned" | "draining" | "drained";
  /** When it was cordoned or its drain began; ISO 8601 in UTC. */
  readonly since?: string;
  /** How many units the drain moves at the same time. */
  readonly maxUnavailable?: number;
  /** In name order. */
  readonly units: readonly UnitOfMachine[];
}

export interface UnitOfMachine {
  readonly name: UnitName;
  /**
   * `here`: placed here. `global`: runs everywhere and stays. `waits`: leaves when it is its turn. `starting`: starts on `to`
   * while it still runs here. `left`: has left, and is not well elsewhere yet. `stopping`: is placed elsewhere and
   * has not ended here. `stays`: cannot leave, for the reasons given. `pinned`: stays, because it may run here only.
   */
  readonly state: "here" | "global" | "waits" | "starting" | "left" | "stopping" | "stays" | "pinned";
  /**
   * True when no other machine of the cluster could ever hold it, because of its MachineID or MachineMetadata, or those of the
   * units that it has to be with; absent otherwise, and for global units.
   */
  readonly onlyHere?: true;
  readonly to?: MachineLegend;
  /** Set when it failed on `to`: the drain waits for somebody to help. */
  readonly failed?: true;
  /** Why it stays, or has no place. */
  readonly reasons?: readonly WaitingReason[];
}

/** Whether a unit is one that no drain moves: it stops with its machine. */
export function staysAtDrain({ state, onlyHere }: UnitOfMachine): boolean {
  return state === "global" || state === "pinned" || onlyHere === true;
}

/** Reports on every machine that is present or cordoned, by ID. */
export function machineReports(view: FleetView): readonly MachineReport[] {
  const ids = new Set([...view.machines.keys(), ...view.cordons.keys()]);
  return [...ids].sort().map((id) => reportOn(view, id));
}

/** Undefined for a machine that is neither present nor cordoned. */
export function machineReport(view: FleetView, id: MachineId): MachineReport | undefined {
  return view.machines.has(id) || view.cordons.has(id) ? reportOn(view, id) : undefined;
}

function reportOn(view: FleetView, id: MachineId): MachineReport {
  const cordon = view.cordons.get(id);
  const units = [...placedUnits(view, id), ...otherUnits(view, id)].sort((a, b) =>
    a.name < b.name ? -1 : 1,
  );
  const most = cordon?.drain?.mostMoving;
  return {
    ...legend(view, id),
    present: view.machines.has(id),
    state: stateOf(view, id, units),
    ...(cordon === undefined ? {} : { since: new Date(cordon.sinceMs).toISOString() }),
    ...(most === undefined ? {} : { maxUnavailable: most }),
    units,
  };
}

function stateOf(view: FleetView, id: MachineId, units: readonly UnitOfMachine[]): MachineReport["state"] {
  const cordon = view.cordons.get(id);
  if (cordon === undefined) return "ready";
  if (cordon.drain === undefined) return "cordoned";
  return units.every(({ state }) => state === "global" || state === "pinned") ? "drained" : "draining";
}

/** The units that are placed here, or left because of a drain. */
function placedUnits(view: FleetView, id: MachineId): UnitOfMachine[] {
  const drains = view.cordons.get(id)?.drain !== undefined;
  const units: UnitOfMachine[] = [];
  for (const [name, placement] of view.placements) {
    if (!view.units.has(name)) continue;
    if (placement.drained === id) units.push(leftUnit(view, name, placement));
    else if ("machine" in placement && placement.machine === id)
      units.push({
        ...(drains ? drainedUnit(view, name, placement) : { name, state: "here" }),
        ...(runsOnlyOn(view, name, id) ? { onlyHere: true } : {}),
      });
  }
  return units;
}

function leftUnit(view: FleetView, name: UnitName, placement: Placement): UnitOfMachine {
  if ("waiting" in placement) {
    return { name, state: "left", reasons: placement.waiting.map((reason) => waitingReason(view, reason)) };
  }
  return { name, state: "left", ...toward(view, name, placement.machine) };
}

function drainedUnit(
  view: FleetView,
  name: UnitName,
  { successor, stays, machine }: Extract<Placement, { machine: MachineId }>,
): UnitOfMachine {
  if (successor !== undefined) return { name, state: "starting", ...toward(view, name, successor) };
  if (isPinned(view, name, machine)) return { name, state: "pinned" };
  if (stays === undefined) return { name, state: "waits" };
  return { name, state: "stays", reasons: stays.map((reason) => waitingReason(view, reason)) };
}

function toward(view: FleetView, name: UnitName, to: MachineId): Pick<UnitOfMachine, "to" | "failed"> {
  const unit = view.units.get(name);
  const failed = unit !== undefined && conditionOf(unit, view.states.get(name)?.get(to)) === "failed";
  return { to: legend(view, to), ...(failed ? { failed } : {}) };
}

function isPinned(view: FleetView, name: UnitName, machine: MachineId): boolean {
  const unit = view.units.get(name);
  if (unit === undefined) return false;
  const { machineId } = requirementsOf(partsOf(unit).file, name);
  return machineId !== undefined && (machineId === machine || machine.startsWith(machineId));
}

/** Whether no machine but this one could ever hold a unit; a machine that is away counts for nothing. */
function runsOnlyOn(
  view: FleetView,
  name: UnitName,
  id: MachineId,
  asked: ReadonlySet<UnitName> = new Set(),
): boolean {
  const unit = view.units.get(name);
  if (unit === undefined || asked.has(name)) return false;
  const requirements = requirementsOf(partsOf(unit).file, name);
  const isPicky = requirements.machineId !== undefined || requirements.metadata.size > 0;
  const others = isPicky ? [...view.machines.values()].filter((machine) => machine.id !== id) : [];
  if (isPicky && others.every((machine) => whyUnfitFor(machine, requirements) !== undefined)) return true;
  return requirements.peers.some((peer) => runsOnlyOn(view, peer, id, new Set([...asked, name])));
}

/** Global units, and those that still run here although they have another place or none. */
function otherUnits(view: FleetView, id: MachineId): UnitOfMachine[] {
  const units: UnitOfMachine[] = [];
  for (const [name, states] of view.states) {
    if (!states.has(id)) continue;
    const unit = view.units.get(name);
    if (unit !== undefined && partsOf(unit).global) units.push({ name, state: "global" });
    else if (isStopping(view.placements.get(name), id)) units.push({ name, state: "stopping" });
  }
  return units;
}

function isStopping(placement: Placement | undefined, id: MachineId): boolean {
  if (placement === undefined) return true;
  if (placement.drained === id) return false;
  return !("machine" in placement) || (placement.machine !== id && placement.successor !== id);
}
