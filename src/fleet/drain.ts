import { compareText } from "../lib/text.ts";
import type { Board } from "./board.ts";
import type { Cluster, Condition, PlannedUnit } from "./cluster.ts";
import type { MachineModel } from "./machine-model.ts";
import type { MachineId, Reason, UnitName } from "./model.ts";

/**
 * Puts every unit that was lent to a successor there again, as far as that still makes sense: the machine it is placed on
 * is still drained or away, and the successor can still hold it. Where the machine is gone, its successor takes over.
 */
export function keepSuccessors(board: Board, cluster: Cluster, units: readonly PlannedUnit[]): void {
  for (const unit of units) {
    const placement = cluster.placements.get(unit.name);
    if (placement === undefined || !("machine" in placement) || placement.successor === undefined) continue;
    const { machine, successor } = placement;
    const heir = board.models.get(successor);
    if (heir === undefined || heir.has(unit.name) || heir.whyNotKeep(unit) !== undefined) continue;
    const where = board.where(unit.name);
    if (where === undefined && !board.models.has(machine)) board.put(unit, heir);
    else if (where === machine && mostMovingOf(cluster, machine) !== undefined) board.lend(unit, heir);
  }
}

/**
 * Carries the drains of machines on by one step each: hands units over whose successors are well, and sends the next ones on
 * their way while fewer than `mostMoving` are. What a unit is on the move for is in its placement, so that any engine can go
 * on at any moment.
 */
export function drainMachines(board: Board, cluster: Cluster): void {
  carryMarks(board, cluster);
  const drained = [...(cluster.cordons ?? [])].sort(([a], [b]) => compareText(a, b));
  for (const [machine, { mostMoving }] of drained) {
    const model = board.models.get(machine);
    if (mostMoving === undefined || model === undefined) continue;
    const groups = groupsOn(board, model);
    for (const group of groups) handOver(board, cluster, model, group);
    startMoves(board, cluster, model, groups, mostMoving);
  }
}

/** Marks of units that left a drained machine stay until they are well elsewhere, or the drain is over. */
function carryMarks(board: Board, cluster: Cluster): void {
  for (const placement of cluster.placements.values()) {
    const unit = board.unit(placement.unit);
    if (placement.drained === undefined || unit === undefined) continue;
    if (mostMovingOf(cluster, placement.drained) === undefined) continue;
    const where = board.where(unit.name);
    const arrived =
      where !== undefined &&
      "machine" in placement &&
      where === placement.machine &&
      conditionOf(cluster, unit, where) === "well";
    if (!arrived) board.moves.drained.set(unit.name, placement.drained);
  }
}

function mostMovingOf(cluster: Cluster, machine: MachineId): number | undefined {
  return cluster.cordons?.get(machine)?.mostMoving;
}

function conditionOf(cluster: Cluster, unit: PlannedUnit, machine: MachineId): Condition {
  return cluster.condition?.(unit, machine) ?? "absent";
}

type Group = readonly PlannedUnit[];

/** The units placed on a machine, those together that need each other; in name order, peers before those that need them. */
function groupsOn(board: Board, model: MachineModel): Group[] {
  const { id } = model.machine;
  const units = model.names().flatMap((name) => {
    const unit = board.unit(name);
    return unit !== undefined && board.where(name) === id ? [unit] : [];
  });
  const groupOf = new Map<UnitName, PlannedUnit[]>(units.map((unit) => [unit.name, [unit]]));
  for (const unit of units) {
    for (const peer of unit.requirements.peers) {
      const [own, other] = [groupOf.get(unit.name), groupOf.get(peer)];
      if (own === undefined || other === undefined || own === other) continue;
      for (const each of other) groupOf.set(each.name, own);
      own.push(...other);
    }
  }
  return [...new Set(groupOf.values())].map(peersFirst);
}

function peersFirst(group: readonly PlannedUnit[]): Group {
  const left = [...group].sort((one, other) => compareText(one.name, other.name));
  const sorted: PlannedUnit[] = [];
  while (left.length > 0) {
    const ready = left.findIndex(
      ({ name, requirements }) =>
        !requirements.peers.some((peer) => peer !== name && left.some((unit) => unit.name === peer)),
    );
    sorted.push(...left.splice(Math.max(0, ready), 1));
  }
  return sorted;
}

/** Lets successors take a group over once every unit of it is well there. */
function handOver(board: Board, cluster: Cluster, model: MachineModel, group: Group): void {
  const { successors } = board.moves;
  const isWell = (unit: PlannedUnit): boolean => {
    const successor = successors.get(unit.name);
    return successor !== undefined && conditionOf(cluster, unit, successor) === "well";
  };
  if (!group.every(isWell)) return;
  for (const unit of group) {
    board.note(unit.name, `left drained Machine(${model.machine.id})`);
    board.succeed(unit, model);
  }
}

function startMoves(
  board: Board,
  cluster: Cluster,
  model: MachineModel,
  groups: readonly Group[],
  mostMoving: number,
): void {
  const { id } = model.machine;
  const { successors, drained, stays } = board.moves;
  let moving = new Set([...drained].filter(([, from]) => from === id)).size;
  for (const group of groups) {
    const lent = group.filter(({ name }) => successors.has(name));
    // A successor that failed takes nothing away from anybody: the unit goes on where it is, and so does the drain.
    if (lent.length > 0 && !lent.some((unit) => hasFailed(board, cluster, unit))) moving += 1;
  }
  for (const group of groups) {
    if (group.some(({ name }) => board.where(name) !== id)) continue;
    if (group.every(({ name }) => successors.has(name))) continue;
    if (moving >= mostMoving) {
      for (const { name } of group) keepReasons(board, cluster, name);
      continue;
    }
    if (moveGroup(board, cluster, model, group)) moving += 1;
    else for (const unit of group) stays.set(unit.name, whyStays(board, unit, id));
  }
}

function hasFailed(board: Board, cluster: Cluster, unit: PlannedUnit): boolean {
  const successor = board.moves.successors.get(unit.name);
  return successor !== undefined && conditionOf(cluster, unit, successor) === "failed";
}

/** The reasons of a unit whose turn has not come stay as they are. */
function keepReasons(board: Board, cluster: Cluster, name: UnitName): void {
  const placement = cluster.placements.get(name);
  if (placement !== undefined && "machine" in placement && placement.stays !== undefined)
    board.moves.stays.set(name, placement.stays);
}

/**
 * Sends a group to the emptiest machine that takes all of it. It runs there before it stops here, unless a unit of it asks
 * never to run twice, or none runs here anyway.
 */
function moveGroup(board: Board, cluster: Cluster, from: MachineModel, group: Group): boolean {
  const { id } = from.machine;
  for (const unit of group) if (board.moves.successors.has(unit.name)) board.takeBack(unit);
  const to = lendTogether(board, from, group);
  if (to === undefined) return false;
  const because = `leaves drained Machine(${id})`;
  for (const unit of group) board.note(unit.name, because);
  const running = group.filter((unit) => isUp(conditionOf(cluster, unit, id)));
  if (running.length > 0 && !group.some(({ requirements }) => requirements.stopOnPartition === true))
    return true;
  for (const unit of group) {
    board.takeBack(unit);
    board.relocate(unit, from, to);
    if (running.includes(unit)) board.moves.drained.set(unit.name, id);
  }
  return true;
}

/** Lends a whole group to one machine; undefined, and nothing changed, when no machine takes it. */
function lendTogether(board: Board, from: MachineModel, group: Group): MachineModel | undefined {
  for (const to of board.byLoad()) {
    if (to === from) continue;
    const fits = group.every((unit) => {
      if (to.whyNot(unit) !== undefined || to.inTheWayOf(unit.name).length > 0) return false;
      board.lend(unit, to);
      return true;
    });
    if (fits) return to;
    for (const unit of group) if (board.moves.successors.has(unit.name)) board.takeBack(unit);
  }
  return undefined;
}

function isUp(condition: Condition): boolean {
  return condition === "well" || condition === "pending";
}

function whyStays(board: Board, unit: PlannedUnit, on: MachineId): Reason[] {
  const others = [...board.models.values()].filter(({ machine }) => machine.id !== on);
  if (others.length === 0) return [{ why: "there is no other machine" }];
  return others.map((model) => {
    const why = model.whyNot(unit) ?? "units that need it beside them, or that it replaces, do not fit there";
    return { machine: model.machine.id, why };
  });
}
