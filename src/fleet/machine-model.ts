import { compareText } from "../lib/text.ts";
import type { Cordoned, PlannedUnit } from "./cluster.ts";
import type { Machine, UnitName } from "./model.ts";
import type { Requirements } from "./options.ts";
import { Crowd, type Relation, Whereabouts } from "./relation.ts";

/** Why a machine can never hold a unit with these requirements, whatever else is on it, in the words of fleet v1.0.0. */
export function whyUnfitFor(
  { id, metadata }: Pick<Machine, "id" | "metadata">,
  requirements: Pick<Requirements, "machineId" | "metadata">,
): string | undefined {
  const { machineId } = requirements;
  if (machineId !== undefined && machineId !== id && machineId !== id.slice(0, shortIdLength)) {
    return `agent ID "${id}" does not match required "${machineId}"`;
  }
  for (const [key, accepted] of requirements.metadata) {
    const value = Object.hasOwn(metadata, key) ? metadata[key] : undefined;
    if (value === undefined || !accepted.has(value)) return "local Machine metadata insufficient";
  }
  return undefined;
}

/** The two ways in which units name others by globs, and where in a cluster such units are. */
export class Relations {
  readonly conflicts: Relation;
  readonly replaces: Relation;
  readonly conflictsAt: Whereabouts<MachineModel>;
  readonly replacesAt: Whereabouts<MachineModel>;

  constructor(conflicts: Relation, replaces: Relation) {
    this.conflicts = conflicts;
    this.replaces = replaces;
    this.conflictsAt = new Whereabouts(conflicts);
    this.replacesAt = new Whereabouts(replaces);
  }
}

/**
 * One present machine while a plan is made: the units it holds, and which others it could hold. The one place that says
 * whether a unit may be on a machine, for units the engine places and for global ones alike.
 */
export class MachineModel {
  readonly machine: Machine;
  /** Set for a machine that takes no new unit. */
  readonly cordoned: Cordoned | undefined;
  readonly #relations: Relations;
  readonly #conflicts: Crowd<MachineModel>;
  readonly #replaces: Crowd<MachineModel>;
  /** Units that were placed here. */
  readonly #placed = new Map<UnitName, PlannedUnit>();
  /** Those of them that need peers. */
  readonly #followers = new Map<UnitName, PlannedUnit>();
  readonly #globals = new Set<UnitName>();

  constructor(machine: Machine, relations: Relations, cordoned?: Cordoned) {
    this.machine = machine;
    this.cordoned = cordoned;
    this.#relations = relations;
    this.#conflicts = new Crowd(relations.conflicts, this, relations.conflictsAt);
    this.#replaces = new Crowd(relations.replaces, this, relations.replacesAt);
  }

  /** Load is the number of units and nothing else. */
  get load(): number {
    return this.#placed.size + this.#globals.size;
  }

  has(name: UnitName): boolean {
    return this.#placed.has(name) || this.#globals.has(name);
  }

  /** Everything held here, in name order. */
  names(): UnitName[] {
    return [...this.#placed.keys(), ...this.#globals].sort(compareText);
  }

  add(unit: PlannedUnit): void {
    this.#placed.set(unit.name, unit);
    if (unit.requirements.peers.length > 0) this.#followers.set(unit.name, unit);
    this.#conflicts.add(unit.name);
    this.#replaces.add(unit.name);
  }

  remove(name: UnitName): void {
    this.#placed.delete(name);
    this.#followers.delete(name);
    this.#conflicts.remove(name);
    this.#replaces.remove(name);
  }

  /** A unit that is here fits a glob of Conflicts that is new. */
  noteConflict(name: UnitName, pattern: number): void {
    this.#conflicts.addMatch(name, pattern);
  }

  /** A unit that is here fits a glob of Replaces that is new. */
  noteReplace(name: UnitName, pattern: number): void {
    this.#replaces.addMatch(name, pattern);
  }

  /**
   * Decides afresh which global units run here: in name order, each that fits the machine and conflicts with nothing
   * accepted before it. Placed units come first, so that a global one never stops a unit that was running already. A
   * cordoned machine keeps those it had.
   */
  acceptGlobals(globals: readonly PlannedUnit[]): void {
    if (globals.length === 0 && this.#globals.size === 0) return;
    for (const name of this.#globals) this.#conflicts.remove(name);
    this.#globals.clear();
    for (const unit of globals) {
      if (this.cordoned !== undefined && !this.cordoned.holds.has(unit.name)) continue;
      if (this.whyUnfit(unit) !== undefined || this.#conflictWith(unit.name) !== undefined) continue;
      this.#globals.add(unit.name);
      this.#conflicts.add(unit.name);
    }
  }

  /** Why this machine can never hold a unit whatever else is on it, in the words of fleet v1.0.0. */
  whyUnfit({ requirements }: PlannedUnit): string | undefined {
    return whyUnfitFor(this.machine, requirements);
  }

  /** Why a unit that was placed here cannot stay, its peers aside. */
  whyNotKeep(unit: PlannedUnit): string | undefined {
    return this.whyUnfit(unit) ?? conflictText(this.#conflictWith(unit.name));
  }

  /** Why a unit cannot come here as things are; the units it would replace are not in its way (see `inTheWayOf`). */
  whyNot(unit: PlannedUnit): string | undefined {
    return this.whyUnsuitable(unit) ?? this.whyNotAmong(unit);
  }

  /** Why this machine cannot take a unit that is not here yet, whatever else is on it. */
  whyUnsuitable(unit: PlannedUnit): string | undefined {
    return this.whyUnfit(unit) ?? (this.cordoned === undefined ? undefined : "the machine is cordoned");
  }

  /** As `whyNot`, for a unit that the machine itself suits. */
  whyNotAmong(unit: PlannedUnit): string | undefined {
    return (
      peerText(this.#missingPeer(unit)) ??
      conflictText(this.#conflictWith(unit.name)) ??
      replaceText(this.#replacerOf(unit.name))
    );
  }

  /** Placed units that a unit replaces and that have to leave before it can be here, in name order. */
  inTheWayOf(name: UnitName): UnitName[] {
    const { replaces } = this.#relations;
    return [...this.#replaces.namedBy(name)]
      .filter((other) => !replaces.names(other, name))
      .sort(compareText);
  }

  /** The first unit here that has lost a peer, with what to say about it. */
  broken(): { unit: PlannedUnit; why: string } | undefined {
    let first: { unit: PlannedUnit; why: string } | undefined;
    for (const unit of this.#followers.values()) {
      const why = peerText(this.#missingPeer(unit));
      if (why !== undefined && (first === undefined || unit.name < first.unit.name)) first = { unit, why };
    }
    return first;
  }

  #missingPeer(unit: PlannedUnit): UnitName | undefined {
    return unit.requirements.peers.find((peer) => peer !== unit.name && !this.has(peer));
  }

  #conflictWith(name: UnitName): UnitName | undefined {
    return leastOf([this.#conflicts.namedBy(name), this.#conflicts.naming(name)]);
  }

  /** Of two units that replace each other neither drives the other away (see `Board.rivalOf`). */
  #replacerOf(name: UnitName): UnitName | undefined {
    const { replaces } = this.#relations;
    return leastOf([[...this.#replaces.naming(name)].filter((other) => !replaces.names(name, other))]);
  }
}

/** How many characters of a machine's ID stand for all of it. */
const shortIdLength = 8;

function peerText(peer: UnitName | undefined): string | undefined {
  return peer === undefined ? undefined : `required peer Unit(${peer}) is not scheduled locally`;
}

function conflictText(other: UnitName | undefined): string | undefined {
  return other === undefined ? undefined : `found conflict with locally-scheduled Unit([${other}])`;
}

/** Why a unit cannot be where another one replaces it, or where one is that it replaces. */
export function replaceText(other: UnitName | undefined): string | undefined {
  return other === undefined ? undefined : `found replace with locally-scheduled Unit(${other})`;
}

/** Why a unit waits while another one runs that it replaces and that replaces it. */
export function rivalText(other: UnitName | undefined): string | undefined {
  return other === undefined
    ? undefined
    : `replaces Unit(${other}), which replaces it too and has a machine: only one of them runs`;
}

function leastOf(groups: readonly Iterable<UnitName>[]): UnitName | undefined {
  let least: UnitName | undefined;
  for (const group of groups) {
    for (const name of group) {
      if (least === undefined || name < least) least = name;
    }
  }
  return least;
}
