import { compareText } from "../lib/text.ts";
import { splitName } from "../unit/name.ts";
import type { Cluster, PlannedUnit } from "./cluster.ts";
import { LoadOrder } from "./load-order.ts";
import { MachineModel, Relations } from "./machine-model.ts";
import type { DrainMarks, MachineId, Reason, UnitName } from "./model.ts";
import { Relation } from "./relation.ts";

/** A cluster while its plan is made: who is where, and why. Every change goes through `put`, `take` and `relocate`. */
export class Board {
  readonly models: ReadonlyMap<MachineId, MachineModel>;
  readonly #all: ReadonlySet<MachineModel>;
  /** Those that are not cordoned. */
  readonly #open: ReadonlySet<MachineModel>;
  /** What drains add to placements. */
  readonly moves = new Moves();
  /** Units that the engine has to place. */
  readonly #units: Map<UnitName, PlannedUnit>;
  /** Those of them that replace others. */
  readonly #replacers = new Map<UnitName, PlannedUnit>();
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
  readonly #changed = new Set<MachineModel>();
  #globalsChanged = false;

  constructor(cluster: Cluster) {
    const wanted = cluster.units
      .filter((unit) => unit.target !== "inactive" && !isTemplate(unit.name))
      .sort((left, right) => compareText(left.name, right.name));
    const placeable = wanted.filter((unit) => !unit.requirements.global);
    for (const unit of placeable)
      if (unit.requirements.replaces.length > 0) this.#replacers.set(unit.name, unit);
    this.#globals = wanted.filter((unit) => unit.requirements.global);
    this.#units = new Map(placeable.map((unit) => [unit.name, unit]));
    this.#relations = new Relations(
      relationOf(wanted, (unit) => unit.requirements.conflicts),
      // A global unit is everywhere and cannot make way, so Replaces is between placed units only.
      relationOf(placeable, (unit) => unit.requirements.replaces),
    );
    const machines = [...cluster.machines].sort((left, right) => compareText(left.id, right.id));
    const models = machines.map(
      (machine) => new MachineModel(machine, this.#relations, cluster.cordons?.get(machine.id)),
    );
    this.models = new Map(models.map((model) => [model.machine.id, model]));
    this.#all = new Set(models);
    this.#open = new Set(models.filter(({ cordoned }) => cordoned === undefined));
    this.#order = new LoadOrder(models);
  }

  /** Units that the engine has to place, in name order. */
  get placeable(): PlannedUnit[] {
    return inNameOrder(this.#units.values());
  }

  /** Units that replace others, in name order. */
  replacers(): PlannedUnit[] {
    return inNameOrder(this.#replacers.values());
  }

  isGlobal(name: UnitName): boolean {
    return this.#globals.some((unit) => unit.name === name);
  }

  /** Takes in one more unit that the engine has to place. */
  admit(unit: PlannedUnit): void {
    const { name, requirements } = unit;
    this.#units.set(name, unit);
    if (requirements.replaces.length > 0) this.#replacers.set(name, unit);
    const { conflicts, replaces } = this.#relations;
    for (const found of conflicts.add({ name, patterns: requirements.conflicts })) {
      for (const model of this.#holding(found.name)) model.noteConflict(found.name, found.pattern);
    }
    for (const found of replaces.add({ name, patterns: requirements.replaces })) {
      for (const model of this.#holding(found.name)) model.noteReplace(found.name, found.pattern);
    }
  }

  /** Forgets a unit that is on no machine. */
  dismiss(name: UnitName): void {
    this.#units.delete(name);
    this.#replacers.delete(name);
    this.#relations.conflicts.remove(name);
    this.#relations.replaces.remove(name);
  }

  #holding(name: UnitName): MachineModel[] {
    if (this.isGlobal(name)) return [...this.#all].filter((model) => model.has(name));
    const model = this.models.get(this.#where.get(name) ?? "");
    return model === undefined ? [] : [model];
  }

  /** What every machine holds, in name order. */
  holds(): Map<MachineId, readonly UnitName[]> {
    return new Map(Array.from(this.models, ([id, model]) => [id, model.names()]));
  }

  /** True for a unit that names no other, that no other names, and that needs no peer. */
  isAlone({ name, requirements }: PlannedUnit): boolean {
    const { conflicts, replaces } = this.#relations;
    return requirements.peers.length === 0 && conflicts.isAlone(name) && replaces.isAlone(name);
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

  /**
   * The first unit that has a machine and replaces this one, which replaces it too. Neither can make the other go, so that only
   * one of them runs, wherever it is.
   */
  rivalOf(name: UnitName): UnitName | undefined {
    const { replaces } = this.#relations;
    if (replaces.own(name).length === 0 || replaces.matched(name).length === 0) return undefined;
    const rivals = [...this.#replacers.keys()].filter(
      (other) =>
        other !== name &&
        this.#where.has(other) &&
        replaces.names(name, other) &&
        replaces.names(other, name),
    );
    return rivals.sort(compareText)[0];
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

  /** The units that have a note. */
  noted(): Iterable<UnitName> {
    return this.#because.keys();
  }

  forgetNotes(): void {
    this.#because.clear();
  }

  /** Machines that hold something else than when changes were forgotten last. */
  get changed(): ReadonlySet<MachineModel> {
    return this.#changed;
  }

  /** Whether on any machine the global units were decided afresh since. */
  get globalsChanged(): boolean {
    return this.#globalsChanged;
  }

  forgetChanges(): void {
    this.#changed.clear();
    this.#globalsChanged = false;
  }

  put(unit: PlannedUnit, model: MachineModel): void {
    model.add(unit);
    this.#changed.add(model);
    this.#order.update(model);
    this.#where.set(unit.name, model.machine.id);
  }

  /** Takes a unit off a machine. Global units that it kept away may come in its place. */
  take(unit: PlannedUnit, model: MachineModel): void {
    model.remove(unit.name);
    this.#changed.add(model);
    this.#acceptGlobals(model);
    this.#where.delete(unit.name);
    this.#departures++;
  }

  /** Has a second machine hold a unit that stays where it is until the second takes it over. */
  lend(unit: PlannedUnit, to: MachineModel): void {
    to.add(unit);
    this.#changed.add(to);
    this.#acceptGlobals(to);
    this.moves.successors.set(unit.name, to.machine.id);
  }

  /** Takes a lent unit back. */
  takeBack(unit: PlannedUnit): void {
    const model = this.models.get(this.moves.successors.get(unit.name) ?? "");
    this.moves.successors.delete(unit.name);
    if (model === undefined) return;
    model.remove(unit.name);
    this.#changed.add(model);
    this.#acceptGlobals(model);
    this.#departures++;
  }

  /** The machine that a unit was lent to takes it over. */
  succeed(unit: PlannedUnit, from: MachineModel): void {
    const successor = this.moves.successors.get(unit.name);
    if (successor === undefined) return;
    this.moves.successors.delete(unit.name);
    this.take(unit, from);
    this.#where.set(unit.name, successor);
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
    this.#globalsChanged ||= this.#globals.length > 0;
    model.acceptGlobals(this.#globals);
    this.#order.update(model);
  }

  /** Machines with the emptiest first; machine IDs decide between equals. */
  byLoad(models: Iterable<MachineModel> = this.#order.models): MachineModel[] {
    return [...models].sort((left, right) => this.#order.compare(left, right));
  }

  /** The machines that grant what a unit asks of a machine itself, whatever else is there. */
  #suitableFor(unit: PlannedUnit): ReadonlySet<MachineModel> {
    const { machineId, metadata } = unit.requirements;
    if (machineId === undefined && metadata.size === 0) return this.#open;
    const wishes = JSON.stringify([machineId, Array.from(metadata, ([key, values]) => [key, [...values]])]);
    const known = this.#suitable.get(wishes);
    if (known !== undefined) return known;
    const models = new Set(this.#open);
    for (const model of models) if (model.whyUnsuitable(unit) !== undefined) models.delete(model);
    this.#suitable.set(wishes, models);
    return models;
  }

  /** The machines that can take a unit as things are; those it would replace are not in its way. */
  fitting(unit: PlannedUnit): Fitting {
    const suitable = this.#suitableFor(unit);
    const { name, requirements } = unit;
    const { conflictsAt, replaces } = this.#relations;
    if (requirements.peers.length === 0 && replaces.matched(name).length === 0)
      return new Fitting(suitable, conflictsAt.meeting(name), this.#order);
    const fitting = new Set<MachineModel>();
    for (const model of this.#besidePeer(unit, suitable)) {
      if (model.whyNotAmong(unit) === undefined) fitting.add(model);
    }
    return new Fitting(fitting, nowhere, this.#order);
  }

  /** A unit with a peer that the engine places can only go where that peer is. */
  #besidePeer(unit: PlannedUnit, suitable: ReadonlySet<MachineModel>): Iterable<MachineModel> {
    const peer = unit.requirements.peers.find((name) => name !== unit.name && this.#units.has(name));
    if (peer === undefined) return suitable;
    const model = this.models.get(this.#where.get(peer) ?? "");
    return model !== undefined && suitable.has(model) ? [model] : [];
  }

  /** The machines that a unit is tried on, in turn: one that makes nobody leave fits on the first. */
  inTurn({ name }: PlannedUnit, fitting: Fitting): readonly MachineModel[] {
    if (this.#relations.replaces.own(name).length > 0) return this.byLoad(fitting);
    const first = fitting.emptiest();
    return first === undefined ? [] : [first];
  }
}

/** What drains have added to placements when a plan is made. */
export class Moves {
  /** Where a unit is held besides the machine it is placed on. */
  readonly successors = new Map<UnitName, MachineId>();
  /** The drained machine that a unit has left and that waits for it to be well elsewhere. */
  readonly drained = new Map<UnitName, MachineId>();
  /** Why a unit cannot leave a drained machine. */
  readonly stays = new Map<UnitName, readonly Reason[]>();

  marksOf(unit: UnitName): DrainMarks {
    const successor = this.successors.get(unit);
    const drained = this.drained.get(unit);
    const stays = this.stays.get(unit);
    return {
      ...(successor === undefined ? {} : { successor }),
      ...(drained === undefined ? {} : { drained }),
      ...(stays === undefined ? {} : { stays }),
    };
  }

  /** What a plan says about units on the move: the next one depends on how those units are. */
  get summary(): { readonly moving?: true } {
    return this.successors.size > 0 || this.drained.size > 0 ? { moving: true } : {};
  }
}

/** The machines of one set that are not in another, without making a third set of them. */
export class Fitting implements Iterable<MachineModel> {
  readonly #suitable: ReadonlySet<MachineModel>;
  readonly #taken: ReadonlySet<MachineModel>;
  readonly #order: LoadOrder;

  constructor(suitable: ReadonlySet<MachineModel>, taken: ReadonlySet<MachineModel>, order: LoadOrder) {
    this.#suitable = suitable;
    this.#taken = taken;
    this.#order = order;
  }

  get size(): number {
    let size = this.#suitable.size;
    for (const model of this.#taken) if (this.#suitable.has(model)) size -= 1;
    return size;
  }

  *[Symbol.iterator](): Iterator<MachineModel> {
    for (const model of this.#suitable) if (!this.#taken.has(model)) yield model;
  }

  emptiest(): MachineModel | undefined {
    const { models } = this.#order;
    // Of many, one stands near the front of the list; of a few it is quicker to compare those.
    if (this.#suitable.size ** 2 > models.length)
      return models.find((model) => this.#suitable.has(model) && !this.#taken.has(model));
    let first: MachineModel | undefined;
    for (const model of this) {
      if (first === undefined || this.#order.compare(model, first) < 0) first = model;
    }
    return first;
  }
}

const nowhere: ReadonlySet<MachineModel> = new Set();

/** A template cannot run, whatever its target says. */
export function isTemplate(name: UnitName): boolean {
  return splitName(name)?.isTemplate === true;
}

function inNameOrder(units: Iterable<PlannedUnit>): PlannedUnit[] {
  return [...units].sort((left, right) => compareText(left.name, right.name));
}

function relationOf(
  units: readonly PlannedUnit[],
  patternsOf: (unit: PlannedUnit) => readonly string[],
): Relation {
  return new Relation(units.map((unit) => ({ name: unit.name, patterns: patternsOf(unit) })));
}
