import { compareText } from "../lib/text.ts";
import { Board, isTemplate } from "./board.ts";
import { drainMachines, keepSuccessors } from "./drain.ts";
import type { Cluster, Decision, Plan, PlannedUnit } from "./cluster.ts";
import { type MachineModel, replaceText, rivalText } from "./machine-model.ts";
import type { MachineId, Placed, Placement, Reason, UnitName } from "./model.ts";

/**
 * Says where every unit has to run. The same cluster gives the same plan whatever the order of its lists, and a plan
 * carried out gives an empty plan. A placement that is still allowed is never given up, but for a unit that another one
 * replaces; load is the number of units of a machine (fleet v1.0.0).
 */
export function schedule(cluster: Cluster): Plan {
  const board = settledBoard(cluster);
  return { decisions: decide(board, cluster), holds: board.holds(), ...board.moves.summary };
}

/** The cluster with every unit where it has to run. */
export function settledBoard(cluster: Cluster): Board {
  const board = new Board(cluster);
  keepPlacements(board, cluster);
  placeTheRest(
    board,
    board.placeable.filter(({ name }) => board.where(name) === undefined),
    new Map(),
  );
  drainMachines(board, cluster);
  return board;
}

/** Puts every unit that may stay where it was; among units that conflict the one that has been there longest. */
function keepPlacements(board: Board, cluster: Cluster): void {
  const placed = placedUnits(board, cluster);
  for (const { unit, machine } of placed) {
    const model = board.models.get(machine);
    if (model === undefined) {
      if (cluster.uncertain.has(machine)) board.freeze(unit, machine);
      else board.note(unit.name, `target Machine(${machine}) went away`);
      continue;
    }
    const why = model.whyNotKeep(unit);
    if (why === undefined) board.put(unit, model);
    else board.note(unit.name, unableText(machine, why));
  }
  board.acceptGlobals();
  keepSuccessors(
    board,
    cluster,
    placed.map(({ unit }) => unit),
  );
  for (const model of board.models.values()) {
    // Ends after as many rounds as the machine has units: each takes one away.
    for (let broken = model.broken(); broken !== undefined; broken = model.broken()) {
      if (board.moves.successors.get(broken.unit.name) === model.machine.id) {
        board.takeBack(broken.unit);
        continue;
      }
      board.take(broken.unit, model);
      board.note(broken.unit.name, unableText(model.machine.id, broken.why));
    }
  }
}

/** The units that have a machine, those placed longest ago first. */
function placedUnits(board: Board, cluster: Cluster): { unit: PlannedUnit; machine: MachineId }[] {
  return board.placeable
    .flatMap((unit) => {
      const placement = cluster.placements.get(unit.name);
      const machine = machineOf(placement);
      return placement === undefined || machine === undefined
        ? []
        : [{ unit, machine, revision: placement.revision }];
    })
    .sort((left, right) => left.revision - right.revision || compareText(left.unit.name, right.unit.name));
}

/**
 * Places what has no machine, in name order, again and again until nothing changes, so that a unit comes to its peer in
 * the same plan. It ends: every round places a unit that stays placed, or parts two units for good.
 * @param homeless every unit that has no machine, in name order
 * @param triedAt what the board had seen leave when a unit fitted nowhere
 */
export function placeTheRest(
  board: Board,
  homeless: readonly PlannedUnit[],
  triedAt: Map<UnitName, number>,
): void {
  let progress = true;
  while (progress) {
    progress = partReplaced(board);
    for (const unit of homeless) {
      if (board.where(unit.name) !== undefined) continue;
      if (triedAt.get(unit.name) === board.departures) continue;
      if (placeOne(board, unit)) progress = true;
      else if (!dependsOnOthers(unit)) triedAt.set(unit.name, board.departures);
    }
  }
}

/** True for a unit that may come to fit because another one arrives somewhere. */
function dependsOnOthers({ requirements }: PlannedUnit): boolean {
  return requirements.peers.length > 0 || requirements.replaces.length > 0;
}

/** Parts units that share a machine although one replaces the other, as far as the replaced one fits elsewhere. */
function partReplaced(board: Board): boolean {
  let parted = false;
  for (const unit of board.replacers()) {
    const model = modelOf(board, unit.name);
    if (model === undefined) continue;
    for (const other of model.inTheWayOf(unit.name)) {
      const moves: Move[] = [];
      if (moveAway(board, other, model, moves)) {
        noteMoves(board, moves, unit.name);
        parted = true;
      }
    }
  }
  return parted;
}

function placeOne(board: Board, unit: PlannedUnit): boolean {
  if (board.rivalOf(unit.name) !== undefined) return false;
  const fitting = board.fitting(unit);
  for (const model of board.inTurn(unit, fitting)) {
    const { load } = model;
    const { size } = fitting;
    if (!putInPlaceOfOthers(board, unit, model)) continue;
    const before = board.because(unit.name);
    const choice = `fewest units (${load}) of ${size} fitting machines`;
    board.note(unit.name, before ?? choice);
    return true;
  }
  return false;
}

/** Puts a unit on a machine and moves those away that it replaces; changes nothing when one of them fits nowhere else. */
function putInPlaceOfOthers(board: Board, unit: PlannedUnit, model: MachineModel): boolean {
  const inTheWay = model.inTheWayOf(unit.name);
  board.put(unit, model);
  const moves: Move[] = [];
  const allMoved = inTheWay.every(
    (other) => board.where(other) !== model.machine.id || moveAway(board, other, model, moves),
  );
  if (allMoved) {
    noteMoves(board, moves, unit.name);
    return true;
  }
  undo(board, moves, 0);
  board.take(unit, model);
  return false;
}

interface Move {
  readonly unit: PlannedUnit;
  readonly from: MachineModel;
  readonly to: MachineModel;
}

/** Moves a unit, with those that need it beside them, to the emptiest machine that takes them all. */
function moveAway(board: Board, name: UnitName, from: MachineModel, moves: Move[]): boolean {
  const unit = board.unit(name);
  if (unit === undefined) return false;
  const start = moves.length;
  for (const to of board.byLoad()) {
    if (to === from) continue;
    let next: PlannedUnit | undefined = unit;
    while (next !== undefined && to.whyNot(next) === undefined && to.inTheWayOf(next.name).length === 0) {
      board.relocate(next, from, to);
      moves.push({ unit: next, from, to });
      next = from.broken()?.unit;
    }
    if (next === undefined) return true;
    undo(board, moves, start);
  }
  return false;
}

function undo(board: Board, moves: Move[], start: number): void {
  for (const { unit, from, to } of moves.splice(start).reverse()) board.relocate(unit, to, from);
}

function noteMoves(board: Board, moves: readonly Move[], newcomer: UnitName): void {
  for (const { unit } of moves) board.note(unit.name, `makes way for Unit(${newcomer})`);
}

/** Compares where units were with where they have to be. */
function decide(board: Board, cluster: Cluster): Decision[] {
  const units = new Map(cluster.units.map((unit) => [unit.name, unit]));
  const names = new Set([...units.keys(), ...cluster.placements.keys()]);
  return [...names].sort(compareText).flatMap((name) => {
    const decision = decideOne(board, name, units.get(name), cluster.placements.get(name));
    return decision === undefined ? [] : [decision];
  });
}

/** What has to change for one unit; undefined when nothing has to. */
export function decideOne(
  board: Board,
  name: UnitName,
  unit: PlannedUnit | undefined,
  placement: Placement | undefined,
): Decision | undefined {
  const seen = placement?.revision ?? 0;
  const from = machineOf(placement);
  const origin = from === undefined ? {} : { from };
  const unwanted = whyUnwanted(unit);
  if (unit === undefined || unwanted !== undefined) {
    if (placement === undefined) return undefined;
    return { kind: "unplace", unit: name, ...origin, seen, because: unwanted ?? "unit was destroyed" };
  }
  const on = board.where(name);
  if (on !== undefined && placement !== undefined && from !== undefined && "machine" in placement) {
    if (on === from) return keepMarked(board, name, placement);
    const because = board.because(name) ?? "fits here";
    if (placement.successor === on && board.models.has(from))
      return { kind: "succeed", unit: name, from, on, seen, because };
    return { kind: "move", unit: name, from, on, seen, because, ...drainedFrom(board, name) };
  }
  if (on !== undefined) {
    const reason = board.because(name) ?? "fits here";
    return { kind: "place", unit: name, on, seen, reason, ...drainedFrom(board, name) };
  }
  const because = reasonsToWait(board, unit);
  const known = placement !== undefined && "waiting" in placement ? placement : undefined;
  const mark = drainedFrom(board, name);
  if (known?.drained === mark.drained && known !== undefined && sameReasons(known.waiting, because))
    return undefined;
  return { kind: "wait", unit: name, ...origin, seen, because, ...mark };
}

/** What a drain adds to the placement of a unit that stays on its machine, when it is not what stands there. */
function keepMarked(board: Board, unit: UnitName, placement: Placement & Placed): Decision | undefined {
  const marks = board.moves.marksOf(unit);
  const { machine: on, revision: seen, successor, drained, stays } = placement;
  const same =
    marks.successor === successor && marks.drained === drained && sameReasons(marks.stays ?? [], stays ?? []);
  if (same && (marks.stays === undefined) === (stays === undefined)) return undefined;
  return { kind: "keep", unit, on, seen, because: board.because(unit) ?? "fits here", ...marks };
}

function drainedFrom(board: Board, unit: UnitName): { readonly drained?: MachineId } {
  const drained = board.moves.drained.get(unit);
  return drained === undefined ? {} : { drained };
}

/** Why a unit that may have a placement must not have one. */
export function whyUnwanted(unit: PlannedUnit | undefined): string | undefined {
  if (unit === undefined) return "unit was destroyed";
  if (unit.target === "inactive") return "target state inactive";
  return unit.requirements.global ? "unit is global" : undefined;
}

function reasonsToWait(board: Board, unit: PlannedUnit): Reason[] {
  if (isTemplate(unit.name)) return [{ why: `cannot activate template "${unit.name}"` }];
  if (board.models.size === 0) return [{ why: "zero agents available" }];
  const rival = rivalText(board.rivalOf(unit.name));
  if (rival !== undefined) return [{ why: rival }];
  return Array.from(board.models, ([machine, model]) => {
    // A machine that takes the unit but for those it replaces: they fit nowhere else.
    const why =
      model.whyNot(unit) ?? `${replaceText(model.inTheWayOf(unit.name)[0])}, which fits nowhere else`;
    return { machine, why };
  });
}

function sameReasons(left: readonly Reason[], right: readonly Reason[]): boolean {
  return (
    left.length === right.length &&
    left.every((reason, at) => reason.machine === right[at]?.machine && reason.why === right[at]?.why)
  );
}

export function machineOf(placement: Placement | undefined): MachineId | undefined {
  return placement !== undefined && "machine" in placement ? placement.machine : undefined;
}

function modelOf(board: Board, name: UnitName): MachineModel | undefined {
  const machine = board.where(name);
  return machine === undefined ? undefined : board.models.get(machine);
}

function unableText(machine: MachineId, why: string): string {
  return `target Machine(${machine}) unable to run unit: ${why}`;
}
