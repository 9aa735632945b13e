import { SortedMap } from "../lib/sorted-map.ts";
import type { Change, Entry, Revision } from "../store/store.ts";
import type { Cordon, Machine, MachineId, Placement, Scheduled, Unit, UnitName, UnitState } from "./model.ts";
import { decodeFleetEntry, type FleetRecord, type PresenceRecord, parseFleetKey } from "./records.ts";
import type { FleetView } from "./registry.ts";

/** A line of a machine's schedule with the revision it was written at. */
export interface ScheduledAt {
  readonly scheduled: Scheduled;
  readonly revision: Revision;
}

/**
 * Fleet's part of the store, decoded. `apply` takes what a mirror of the store reports; each entry is decoded once, when
 * it changes. A new `view` costs what has changed since it was asked for last.
 */
export class FleetPicture {
  readonly #units = new Map<UnitName, Unit>();
  readonly #placements = new Map<UnitName, Placement>();
  readonly #presences = new Map<MachineId, { record: PresenceRecord; revision: Revision }>();
  readonly #metadata = new Map<MachineId, Map<string, string>>();
  readonly #states = new Map<UnitName, Map<MachineId, UnitState>>();
  readonly #cordons = new Map<MachineId, Cordon>();
  readonly #schedules = new Map<MachineId, Map<UnitName, ScheduledAt>>();
  /** The same lines by unit. */
  readonly #lines = new Map<UnitName, Map<MachineId, ScheduledAt>>();
  #touched = new Set<UnitName>();
  /** Keys whose values could not be read, to be reported by the owner. */
  readonly unreadable = new Set<string>();
  readonly #unitsInOrder = new InOrder<Unit>();
  readonly #placementsInOrder = new InOrder<Placement>();
  readonly #statesInOrder = new InOrder<ReadonlyMap<MachineId, UnitState>>();
  /** The small parts of the view, unless they have changed since they were built. */
  #machinesInOrder: FleetView["machines"] | undefined;
  #cordonsInOrder: FleetView["cordons"] | undefined;
  #revision: Revision = 0;
  #planChanges = 0;

  /** The units by name, in no particular order; live, not a copy. */
  get units(): ReadonlyMap<UnitName, Unit> {
    return this.#units;
  }

  get placements(): ReadonlyMap<UnitName, Placement> {
    return this.#placements;
  }

  /** Every machine's schedule, also of machines that are away. */
  get schedules(): ReadonlyMap<MachineId, ReadonlyMap<UnitName, ScheduledAt>> {
    return this.#schedules;
  }

  /** A unit's lines in the schedules, by machine. */
  linesOf(unit: UnitName): ReadonlyMap<MachineId, ScheduledAt> {
    return this.#lines.get(unit) ?? noLines;
  }

  /** The units of which the record, the placement or a line of a schedule has changed since this was asked last. */
  takeTouched(): ReadonlySet<UnitName> {
    const touched = this.#touched;
    this.#touched = new Set();
    return touched;
  }

  get states(): ReadonlyMap<UnitName, ReadonlyMap<MachineId, UnitState>> {
    return this.#states;
  }

  /** Machines that take no new unit. */
  get cordons(): ReadonlyMap<MachineId, Cordon> {
    return this.#cordons;
  }

  /** Grows with every change that a plan may depend on: everything but unit states and the leader's lock. */
  get planChanges(): number {
    return this.#planChanges;
  }

  /** Revision at which a present machine last published itself; undefined when it is not present. */
  presenceRevision(machine: MachineId): Revision | undefined {
    return this.#presences.get(machine)?.revision;
  }

  /** Where a present machine's fleet API is reached from other machines; undefined when it serves no address. */
  apiOf(machine: MachineId): string | undefined {
    return this.#presences.get(machine)?.record.api;
  }

  apply(changes: readonly Change[], revision: Revision): void {
    this.#revision = revision;
    for (const change of changes) {
      const key = change.kind === "put" ? change.entry.key : change.key;
      if (change.kind === "put") this.#put(change.entry);
      else this.#delete(key);
      this.#touch(key);
    }
  }

  /** An immutable picture for the API: sorted by name, metadata merged. */
  view(): FleetView {
    this.#cordonsInOrder ??= sorted(this.#cordons);
    return {
      revision: this.#revision,
      units: this.#unitsInOrder.read((name) => this.#units.get(name)),
      placements: this.#placementsInOrder.read((name) => this.#placements.get(name)),
      machines: this.machines(),
      states: this.#statesInOrder.read((name) => {
        const states = this.#states.get(name);
        return states === undefined ? undefined : sorted(states);
      }),
      cordons: this.#cordonsInOrder,
    };
  }

  /** Machines that are present, with their metadata merged, by ID. */
  machines(): FleetView["machines"] {
    this.#machinesInOrder ??= sorted(this.#machines());
    return this.#machinesInOrder;
  }

  #touch(key: string): void {
    const parsed = parseFleetKey(key);
    const family = parsed?.family;
    if (parsed?.family === "unit" || parsed?.family === "placement" || parsed?.family === "scheduled")
      this.#touched.add(parsed.unit);
    if (family !== "state" && family !== "leader") this.#planChanges += 1;
    if (parsed?.family === "unit") this.#unitsInOrder.touch(parsed.unit);
    else if (parsed?.family === "placement") this.#placementsInOrder.touch(parsed.unit);
    else if (parsed?.family === "state") this.#statesInOrder.touch(parsed.unit);
    else if (family === "machine" || family === "metadata") this.#machinesInOrder = undefined;
    else if (family === "cordon") this.#cordonsInOrder = undefined;
  }

  #machines(): Map<MachineId, Machine> {
    const machines = new Map<MachineId, Machine>();
    for (const [id, { record }] of this.#presences) {
      machines.set(id, {
        id,
        address: record.address,
        version: record.version,
        metadata: mergeMetadata(record.metadata, this.#metadata.get(id)),
      });
    }
    return machines;
  }

  #put(entry: Entry): void {
    const record = decodeFleetEntry(entry);
    if (record === undefined) {
      this.unreadable.add(entry.key);
      this.#delete(entry.key);
      return;
    }
    this.unreadable.delete(entry.key);
    this.#set(record, entry.modRevision);
  }

  #set(record: FleetRecord, revision: Revision): void {
    switch (record.family) {
      case "unit":
        this.#units.set(record.unit.name, record.unit);
        return;
      case "placement":
        this.#placements.set(record.placement.unit, record.placement);
        return;
      case "machine":
        this.#presences.set(record.machine.id, { record: record.machine, revision });
        return;
      case "cordon":
        this.#cordons.set(record.cordon.machine, record.cordon);
        return;
      case "metadata":
        inner(this.#metadata, record.machine).set(record.key, record.value);
        return;
      case "state":
        inner(this.#states, record.state.unit).set(record.state.machine, record.state);
        return;
      case "scheduled": {
        const line = { scheduled: record.scheduled, revision };
        inner(this.#schedules, record.machine).set(record.scheduled.unit, line);
        inner(this.#lines, record.scheduled.unit).set(record.machine, line);
        return;
      }
      case "leader":
        return;
    }
  }

  #delete(key: string): void {
    const parsed = parseFleetKey(key);
    if (parsed === undefined) return;
    switch (parsed.family) {
      case "unit":
        this.#units.delete(parsed.unit);
        return;
      case "placement":
        this.#placements.delete(parsed.unit);
        return;
      case "machine":
        this.#presences.delete(parsed.machine);
        return;
      case "cordon":
        this.#cordons.delete(parsed.machine);
        return;
      case "metadata":
        drop(this.#metadata, parsed.machine, parsed.key);
        return;
      case "state":
        drop(this.#states, parsed.unit, parsed.machine);
        return;
      case "scheduled":
        drop(this.#schedules, parsed.machine, parsed.unit);
        drop(this.#lines, parsed.unit, parsed.machine);
        return;
      case "leader":
        return;
    }
  }
}

/** Records by unit in name order, of which a new version is made only when somebody looks. */
class InOrder<V> {
  readonly #stale = new Set<UnitName>();
  #map = SortedMap.empty<V>();

  touch(name: UnitName): void {
    this.#stale.add(name);
  }

  read(valueOf: (name: UnitName) => V | undefined): SortedMap<V> {
    this.#map = this.#map.with(new Map(Array.from(this.#stale, (name) => [name, valueOf(name)])));
    this.#stale.clear();
    return this.#map;
  }
}

const noLines: ReadonlyMap<MachineId, ScheduledAt> = new Map();

/** Dynamic values win over static ones; an empty dynamic value removes the key (fleet v1.0.0 registry, machine metadata). */
export function mergeMetadata(
  own: Readonly<Record<string, string>>,
  set: ReadonlyMap<string, string> | undefined,
): Record<string, string> {
  const merged = new Map(Object.entries(own));
  for (const [key, value] of set ?? []) {
    if (value === "") merged.delete(key);
    else merged.set(key, value);
  }
  return Object.fromEntries(sorted(merged));
}

function inner<K, L, V>(maps: Map<K, Map<L, V>>, key: K): Map<L, V> {
  let map = maps.get(key);
  if (map === undefined) {
    map = new Map();
    maps.set(key, map);
  }
  return map;
}

function drop<K, L, V>(maps: Map<K, Map<L, V>>, key: K, inside: L): void {
  const map = maps.get(key);
  map?.delete(inside);
  if (map?.size === 0) maps.delete(key);
}

function sorted<V>(map: ReadonlyMap<string, V>): Map<string, V> {
  return new Map([...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
