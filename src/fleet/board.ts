import { compareText } from "../lib/text.ts";
import { splitName } from "../unit/name.ts";
import type { Cluster, PlannedUnit } from "./cluster.ts";
import { LoadOrder } from "./load-order.ts";
import { MachineModel, type Relations } from "./machine-model.ts";
import type { MachineId, UnitName } from "./model.ts";
import { Relation } from "./relation.ts";

/** A cluster while its plan is made: who is where, and why. Every change goes through `put`, `take` and `relocate`. */
export class Board {
  /** Units that the engine has to place, in name order. */
  readonly placeable: readonly PlannedUnit[];
  readonly models: ReadonlyMap<MachineId, MachineModel>;
  readonly #all: ReadonlySet<MachineModel>;
  readonly #units: ReadonlyMap<UnitName, PlannedUnit>;
  readonly #globals: readonly PlannedUnit[];
  readonly #relations: Relations;
  readonly #order: LoadOrder;
  /** For each set of wishes about the machine itself the machines that grant them. */
  readonly #suitable = new Map<string, ReadonlySet<MachineModel>>();
  readonly #where = new Map<UnitName, MachineId>();
  /** Why a unit went where it is, or left where it was. */
  readonly #because = new Map<UnitName, string>();
  /** Grows whenever a machine loses a unit for good: only then can a unit that fitted nowhere fit somewhere. */
  #departures = 0;

  constructor(cluster: Cluster) {
    const wanted = cluster.units
      .filter((unit) => unit.target !== "inactive" && !isTemplate(unit.name))
      .sort((left, right) => compareText(left.name, right.name));
    this.placeable = wanted.filter((unit) => !unit.requirements.global);
    this.#globals = wanted.filter((unit) => unit.requirements.global);
    this.#units = new Map(this.placeable.map((unit) => [unit.name, unit]));
    this.#relations = {
      conflicts: relationOf(wanted, (unit) => unit.requirements.conflicts),
      // A global unit is everywhere and cannot make way, so Replaces is between placed units only.
      replaces: relationOf(this.placeable, (unit) => unit.requirements.replaces),
    };
    const machines = [...cluster.machines].sort((left, right) => compareText(left.id, right.id));
    const models = machines.map((machine) => new MachineModel(machine, this.#relations));
    this.models = new Map(models.map((model) => [model.machine.id, model]));
    this.#all = new Set(models);
    this.#order = new LoadOrder(models);
  }

  get departures(): number {
    return this.#departures;
  }

  unit(name: UnitName): PlannedUnit | undefined {
    return this.#units.get(name);
  }

  where(name: UnitName): MachineId | undefined {
    return this.#where.get(name);
  }

  because(name: UnitName): string | undefined {
    return this.#because.get(name);
  }

  /** Leaves a unit on a machine that is not present. */
  freeze(unit: PlannedUnit, machine: MachineId): void {
    this.#where.set(unit.name, machine);
  }

  note(name: UnitName, because: string): void {
    this.#because.set(name, because);
  }

  put(unit: PlannedUnit, model: MachineModel): void {
    model.add(unit);
    this.#order.update(model);
    this.#where.set(unit.name, model.machine.id);
  }

  /** Takes a unit off a machine. Global units that it kept away may come in its place. */
  take(unit: PlannedUnit, model: MachineModel): void {
    model.remove(unit.name);
    this.#acceptGlobals(model);
    this.#where.delete(unit.name);
    this.#departures++;
  }

  relocate(unit: PlannedUnit, from: MachineModel, to: MachineModel): void {
    this.take(unit, from);
    this.put(unit, to);
    this.#acceptGlobals(to);
  }

  acceptGlobals(): void {
    for (const model of this.models.values()) this.#acceptGlobals(model);
  }

  #acceptGlobals(model: MachineModel): void {
    model.acceptGlobals(this.#globals);
    this.#order.update(model);
  }

  /** Machines with the emptiest first; machine IDs decide between equals. */
  byLoad(models: Iterable<MachineModel> = this.#order.models): MachineModel[] {
    return [...models].sort((left, right) => this.#order.compare(left, right));
  }

  /** True for a unit whose place depends on no other unit: it names none, and none names it. */
  isAlone({ name, requirements }: PlannedUnit): boolean {
    const { conflicts, replaces } = this.#relations;
    return requirements.peers.length === 0 && conflicts.isAlone(name) && replaces.isAlone(name);
  }

  /** The machines that grant what a unit asks of a machine itself, whatever else is there. */
  suitable(unit: PlannedUnit): ReadonlySet<MachineModel> {
    const { machineId, metadata } = unit.requirements;
    if (machineId === undefined && metadata.size === 0) return this.#all;
    const wishes = JSON.stringify([machineId, Array.from(metadata, ([key, values]) => [key, [...values]])]);
    const known = this.#suitable.get(wishes);
    if (known !== undefined) return known;
    const models = new Set(this.#all);
    for (const model of models) if (model.whyUnfit(unit) !== undefined) models.delete(model);
    this.#suitable.set(wishes, models);
    return models;
  }

  /** The machines that a unit is tried on, in turn: one that makes nobody leave fits on the first. */
  inTurn({ name }: PlannedUnit, fitting: ReadonlySet<MachineModel>): readonly MachineModel[] {
    if (this.#relations.replaces.own(name).length > 0) return this.byLoad(fitting);
    const first = this.#emptiest(fitting);
    return first === undefined ? [] : [first];
  }

  #emptiest(models: ReadonlySet<MachineModel>): MachineModel | undefined {
    const { models: all } = this.#order;
    // Of many, one stands near the front of the list; of a few it is quicker to compare those.
    if (models.size ** 2 > all.length) return all.find((model) => models.has(model));
    let first: MachineModel | undefined;
    for (const model of models) {
      if (first === undefined || this.#order.compare(model, first) < 0) first = model;
    }
    return first;
  }
}

/** A template cannot run, whatever its target says. */
export function isTemplate(name: UnitName): boolean {
  return splitName(name)?.isTemplate === true;
}

function relationOf(
  units: readonly PlannedUnit[],
  patternsOf: (unit: PlannedUnit) => readonly string[],
): Relation {
  return new Relation(units.map((unit) => ({ name: unit.name, patterns: patternsOf(unit) })));
}
