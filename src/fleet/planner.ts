import { compareText } from "../lib/text.ts";
import { type Board, isTemplate } from "./board.ts";
import type { Cluster, Decision, Plan, PlannedUnit } from "./cluster.ts";
import type { Machine, MachineId, Placement, UnitName } from "./model.ts";
import { decideOne, machineOf, placeTheRest, settledBoard, whyUnwanted } from "./schedule.ts";

/** A cluster as `Cluster` has it, with its units by name. */
export interface PlannedCluster {
  readonly units: ReadonlyMap<UnitName, PlannedUnit>;
  /** The very same objects as at the last plan when no machine has changed. */
  readonly machines: readonly Machine[];
  readonly uncertain: ReadonlySet<MachineId>;
  readonly placements: ReadonlyMap<UnitName, Placement>;
  readonly cordons?: NonNullable<Cluster["cordons"]>;
  readonly condition?: NonNullable<Cluster["condition"]>;
}

/**
 * Plans the same cluster again and again: every plan is that of `schedule`, but it costs what has changed since the last
 * one and not what there is. Whatever is not simple to follow (machines, global units, units that moved, wishes that
 * changed under a placed unit) is planned from the beginning.
 */
export class Planner {
  #board: Board | undefined;
  /**
   * The last plan had cordons, or machines whose absence was not believed: what these hold in place is worked out from the
   * beginning, and once more after the last of them.
   */
  #wasHeld = false;
  #machines: readonly Machine[] = [];
  #holds = new Map<MachineId, readonly UnitName[]>();
  /** Wanted units without a machine. */
  readonly #homeless = new Map<UnitName, PlannedUnit>();
  /** Units of the last decisions: until a placement says so, none of them is carried out. */
  #unsettled: readonly UnitName[] = [];
  #triedAt = new Map<UnitName, number>();

  /**
   * @param touched names of all units of which the unit or the placement may have changed since the last plan; undefined
   *   when that is not known
   */
  plan(cluster: PlannedCluster, touched: Iterable<UnitName> | undefined): Plan & { readonly whole: boolean } {
    const board = this.#board;
    if (touched === undefined || board === undefined || !this.#knows(cluster)) return this.#whole(cluster);
    board.forgetNotes();
    board.forgetChanges();
    const names = new Set([...touched, ...this.#unsettled]);
    for (const name of names) if (!this.#follow(board, cluster, name)) return this.#whole(cluster);
    for (const model of board.changed) if (model.broken() !== undefined) return this.#whole(cluster);

    const homeless = [...this.#homeless.values()].sort((left, right) => compareText(left.name, right.name));
    placeTheRest(board, homeless, this.#triedAt);
    for (const name of board.noted()) names.add(name);
    for (const unit of homeless) {
      if (board.where(unit.name) !== undefined) this.#homeless.delete(unit.name);
      // Of a unit whose place depends on no other, the reasons to wait are as they were.
      else if (!board.isAlone(unit)) names.add(unit.name);
    }
    for (const model of board.changed) this.#holds.set(model.machine.id, model.names());
    return { ...this.#decide(board, cluster, [...names].sort(compareText)), whole: board.globalsChanged };
  }

  #knows({ machines, uncertain, cordons }: PlannedCluster): boolean {
    return (
      uncertain.size === 0 &&
      (cordons?.size ?? 0) === 0 &&
      !this.#wasHeld &&
      machines.length === this.#machines.length &&
      machines.every((machine, at) => machine === this.#machines[at])
    );
  }

  #whole(cluster: PlannedCluster): Plan & { readonly whole: true } {
    const { machines, placements } = cluster;
    const board = settledBoard({ ...cluster, units: [...cluster.units.values()] });
    this.#wasHeld = cluster.uncertain.size > 0 || (cluster.cordons?.size ?? 0) > 0;
    this.#board = board;
    this.#machines = machines;
    this.#holds = board.holds();
    this.#triedAt = new Map();
    this.#homeless.clear();
    for (const unit of board.placeable) {
      if (board.where(unit.name) === undefined) this.#homeless.set(unit.name, unit);
    }
    const names = new Set([...cluster.units.keys(), ...placements.keys()]);
    return { ...this.#decide(board, cluster, [...names].sort(compareText)), whole: true };
  }

  #decide(board: Board, { units, placements }: PlannedCluster, names: readonly UnitName[]): Plan {
    const decisions: Decision[] = [];
    for (const name of names) {
      const decision = decideOne(board, name, units.get(name), placements.get(name));
      if (decision !== undefined) decisions.push(decision);
    }
    this.#unsettled = decisions.map(({ unit }) => unit);
    return { decisions, holds: new Map(this.#holds), ...board.moves.summary };
  }

  /**
   * Brings the board in step with one unit, as keeping placements at the beginning of a plan would: what has a machine
   * stays there, everything else that is wanted is without one. False when that takes a plan from the beginning.
   */
  #follow(board: Board, { units, placements }: PlannedCluster, name: UnitName): boolean {
    const unit = units.get(name);
    if (board.isGlobal(name) || unit?.requirements.global === true) return false;
    const wanted = whyUnwanted(unit) === undefined && !isTemplate(name) ? unit : undefined;
    const known = board.unit(name);
    const from = machineOf(placements.get(name));
    const same = known !== undefined && known.requirements === wanted?.requirements;
    if (from !== undefined && wanted !== undefined) return same && board.where(name) === from;
    if (known !== undefined) this.#takeOff(board, known);
    if (same) return true;
    if (known !== undefined) {
      board.dismiss(name);
      this.#homeless.delete(name);
    }
    if (wanted !== undefined) {
      board.admit(wanted);
      this.#homeless.set(name, wanted);
      this.#triedAt.delete(name);
    }
    return true;
  }

  #takeOff(board: Board, unit: PlannedUnit): void {
    const model = board.models.get(board.where(unit.name) ?? "");
    if (model === undefined) return;
    board.take(unit, model);
    this.#homeless.set(unit.name, unit);
  }
}
