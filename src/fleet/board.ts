import { compareText } from "../lib/text.ts";
import { splitName } from "../unit/name.ts";
import type { Cluster, PlannedUnit } from "./cluster.ts";
import { MachineModel } from "./machine-model.ts";
import type { MachineId, UnitName } from "./model.ts";
import { Relation } from "./relation.ts";

/** A cluster while its plan is made: who is where, and why. Every change goes through `put`, `take` and `relocate`. */
export class Board {
  /** Units that the engine has to place, in name order. */
  readonly placeable: readonly PlannedUnit[];
  readonly models: ReadonlyMap<MachineId, MachineModel>;
  readonly #units: ReadonlyMap<UnitName, PlannedUnit>;
  readonly #globals: readonly PlannedUnit[];
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
    const relations = {
      conflicts: relationOf(wanted, (unit) => unit.requirements.conflicts),
      // A global unit is everywhere and cannot make way, so Replaces is between placed units only.
      replaces: relationOf(this.placeable, (unit) => unit.requirements.replaces),
    };
    const machines = [...cluster.machines].sort((left, right) => compareText(left.id, right.id));
    this.models = new Map(machines.map((machine) => [machine.id, new MachineModel(machine, relations)]));
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
    this.#where.set(unit.name, model.machine.id);
  }

  /** Takes a unit off a machine. Global units that it kept away may come in its place. */
  take(unit: PlannedUnit, model: MachineModel): void {
    model.remove(unit.name);
    model.acceptGlobals(this.#globals);
    this.#where.delete(unit.name);
    this.#departures++;
  }

  relocate(unit: PlannedUnit, from: MachineModel, to: MachineModel): void {
    this.take(unit, from);
    this.put(unit, to);
    to.acceptGlobals(this.#globals);
  }

  acceptGlobals(): void {
    for (const model of this.models.values()) model.acceptGlobals(this.#globals);
  }

  /** The present machines with the emptiest first; machine IDs decide between equals. */
  byLoad(models: Iterable<MachineModel> = this.models.values()): MachineModel[] {
    return [...models].sort(
      (left, right) => left.load - right.load || compareText(left.machine.id, right.machine.id),
    );
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
