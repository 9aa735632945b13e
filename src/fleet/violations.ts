import { matchesGlob } from "../lib/glob.ts";
import { splitName } from "../unit/name.ts";
import type { Cluster, Plan, PlannedUnit } from "./cluster.ts";
import type { Machine, MachineId, UnitName } from "./model.ts";

/**
 * Every rule that a plan breaks, one sentence each; empty for a good plan. It shares nothing with the scheduler but the
 * types, takes every rule literally and is slow: it is there to judge plans in tests and simulations.
 */
export function violations(cluster: Cluster, plan: Plan): string[] {
  const units = new Map(cluster.units.map((unit) => [unit.name, unit]));
  const found = [
    ...decisionFaults(cluster, plan),
    ...holdFaults(cluster, plan, units),
    ...rivalFaults(cluster, plan, units),
  ];
  for (const machine of cluster.machines) {
    const here = plan.holds.get(machine.id) ?? [];
    const held = here.flatMap((name) => units.get(name) ?? []);
    for (const unit of held) found.push(...unitFaults(unit, machine, held));
    const takes = (unit: PlannedUnit): boolean =>
      cluster.cordons?.get(machine.id)?.holds.has(unit.name) ?? true;
    for (const unit of cluster.units) {
      if (takes(unit) && missesGlobal(unit, machine, held)) {
        found.push(`global ${unit.name} fits ${machine.id} but is not there`);
      }
    }
  }
  return found;
}

/** Where every placed unit is once the decisions are carried out. */
export function placementsAfter(cluster: Cluster, plan: Plan): Map<UnitName, MachineId> {
  const where = new Map<UnitName, MachineId>();
  for (const placement of cluster.placements.values()) {
    if ("machine" in placement) where.set(placement.unit, placement.machine);
  }
  for (const decision of plan.decisions) {
    if ("on" in decision) where.set(decision.unit, decision.on);
    else where.delete(decision.unit);
  }
  return where;
}

/** Where units are held a second time once the decisions are carried out, because a drain hands them over. */
function successorsAfter(cluster: Cluster, plan: Plan): Map<UnitName, MachineId> {
  const successors = new Map<UnitName, MachineId>();
  for (const placement of cluster.placements.values()) {
    if ("machine" in placement && placement.successor !== undefined)
      successors.set(placement.unit, placement.successor);
  }
  for (const decision of plan.decisions) {
    if (decision.kind === "keep" && decision.successor !== undefined)
      successors.set(decision.unit, decision.successor);
    else successors.delete(decision.unit);
  }
  return successors;
}

/** Each unit is decided once, from the placement it has, and only onto machines that are present. */
function decisionFaults(cluster: Cluster, plan: Plan): string[] {
  const found: string[] = [];
  const decided = new Set<UnitName>();
  const present = new Set(cluster.machines.map((machine) => machine.id));
  for (const decision of plan.decisions) {
    const placement = cluster.placements.get(decision.unit);
    if (decided.has(decision.unit)) found.push(`${decision.unit} is decided twice`);
    decided.add(decision.unit);
    if (decision.seen !== (placement?.revision ?? 0)) found.push(`${decision.unit}: seen is not what it saw`);
    const from = placement !== undefined && "machine" in placement ? placement.machine : undefined;
    if ("from" in decision && decision.from !== from) found.push(`${decision.unit} was not on its from`);
    if ("on" in decision && !present.has(decision.on))
      found.push(`${decision.unit} goes to an absent machine`);
    if (decision.kind !== "keep" && "on" in decision && decision.on === from)
      found.push(`${decision.unit} moves to where it is`);
    const canRun = splitName(decision.unit)?.isTemplate !== true;
    if (
      canRun &&
      decision.kind !== "unplace" &&
      from !== undefined &&
      cluster.uncertain.has(from) &&
      !present.has(from)
    ) {
      found.push(`${decision.unit} leaves ${from}, whose absence is not certain`);
    }
  }
  return found;
}

/** What machines hold is what is placed there, and nothing that is not wanted. */
function holdFaults(cluster: Cluster, plan: Plan, units: ReadonlyMap<UnitName, PlannedUnit>): string[] {
  const found: string[] = [];
  const where = placementsAfter(cluster, plan);
  const successors = successorsAfter(cluster, plan);
  const present = new Set(cluster.machines.map((machine) => machine.id));
  if (plan.holds.size !== present.size) found.push("not every present machine has a list of what it holds");
  for (const [machine, names] of plan.holds) {
    for (const [at, name] of names.entries()) {
      const unit = units.get(name);
      if (at > 0 && (names[at - 1] ?? "") >= name) found.push(`${machine}: ${name} is out of order`);
      if (unit === undefined || unit.target === "inactive")
        found.push(`${machine} holds ${name}, not wanted`);
      else if (!unit.requirements.global && where.get(name) !== machine && successors.get(name) !== machine) {
        found.push(`${machine} holds ${name}, which is placed on ${where.get(name) ?? "no machine"}`);
      }
    }
  }
  for (const decision of plan.decisions) {
    const on = decision.kind === "keep" ? decision.successor : "on" in decision ? decision.on : undefined;
    const before = cluster.placements.get(decision.unit);
    const known =
      before !== undefined && "machine" in before && [before.machine, before.successor].includes(on);
    if (on !== undefined && !known && cluster.cordons?.has(on) === true)
      found.push(`${decision.unit} comes to ${on}, which is cordoned`);
  }
  for (const [name, machine] of where) {
    if (units.get(name)?.target === undefined || units.get(name)?.target === "inactive") {
      found.push(`${name} is placed but not wanted`);
    }
    if (present.has(machine)) {
      if (plan.holds.get(machine)?.includes(name) !== true) found.push(`${machine} does not hold ${name}`);
    } else if (!cluster.uncertain.has(machine)) {
      found.push(`${name} is placed on ${machine}, which is gone`);
    }
  }
  return found;
}

/** No unit gets a machine while another one has one that it replaces and that replaces it. */
function rivalFaults(cluster: Cluster, plan: Plan, units: ReadonlyMap<UnitName, PlannedUnit>): string[] {
  const placed = [...placementsAfter(cluster, plan).keys()].flatMap((name) => units.get(name) ?? []);
  return plan.decisions.flatMap(({ kind, unit: name }) => {
    const newcomer = kind === "place" ? units.get(name) : undefined;
    if (newcomer === undefined) return [];
    const rival = placed.find(
      (other) => other !== newcomer && replaces(newcomer, other) && replaces(other, newcomer),
    );
    return rival === undefined
      ? []
      : [`${name} is placed beside ${rival.name}, which it replaces and which replaces it`];
  });
}

function replaces(one: PlannedUnit, other: PlannedUnit): boolean {
  return one.requirements.replaces.some((pattern) => matchesGlob(pattern, other.name));
}

function unitFaults(unit: PlannedUnit, machine: Machine, held: readonly PlannedUnit[]): string[] {
  const found: string[] = [];
  const wants = unit.requirements;
  const fault = (rule: string): void => void found.push(`${unit.name} on ${machine.id}: ${rule}`);
  if (!fitsMachine(unit, machine)) fault("machine does not fit");
  if (splitName(unit.name)?.isTemplate === true) fault("a template cannot run");
  for (const peer of wants.global ? [] : wants.peers) {
    if (!held.some((other) => other.name === peer)) fault(`peer ${peer} is not there`);
  }
  for (const other of held) {
    if (inConflict(unit, other)) fault(`conflicts with ${other.name}`);
  }
  return found;
}

function missesGlobal(unit: PlannedUnit, machine: Machine, held: readonly PlannedUnit[]): boolean {
  return (
    unit.requirements.global &&
    unit.target !== "inactive" &&
    splitName(unit.name)?.isTemplate !== true &&
    fitsMachine(unit, machine) &&
    !held.some((other) => other.name === unit.name || inConflict(unit, other))
  );
}

function fitsMachine({ requirements }: PlannedUnit, machine: Machine): boolean {
  const id = requirements.machineId;
  const idFits = id === undefined || id === machine.id || id === machine.id.slice(0, 8);
  const values = new Map(Object.entries(machine.metadata));
  return (
    idFits && [...requirements.metadata].every(([key, accepted]) => accepted.has(values.get(key) ?? "\0"))
  );
}

function inConflict(one: PlannedUnit, other: PlannedUnit): boolean {
  if (one.name === other.name) return false;
  return (
    one.requirements.conflicts.some((pattern) => matchesGlob(pattern, other.name)) ||
    other.requirements.conflicts.some((pattern) => matchesGlob(pattern, one.name))
  );
}
