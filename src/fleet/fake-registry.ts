import { Fault } from "../lib/fault.ts";
import { compareText } from "../lib/text.ts";
import type { Revision } from "../store/store.ts";
import type { Cordon, Machine, MachineId, Placement, Unit, UnitName, UnitState } from "./model.ts";
import type { FleetView, MetadataChange, Registry } from "./registry.ts";
import { whyNoRestart } from "./store-registry.ts";

/** A registry in memory, with the parts that engine and agents write settable by a test. */
export class FakeRegistry implements Registry {
  #view: FleetView = {
    revision: 1,
    units: new Map(),
    placements: new Map(),
    machines: new Map(),
    states: new Map(),
    cordons: new Map(),
  };
  readonly #listeners = new Set<() => void>();

  view(): FleetView {
    return this.#view;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async reached(revision: Revision, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#view.revision >= revision) return;
    throw new Fault(
      "unreachable-revision",
      `revision ${revision} is not there, and only tests make new ones`,
    );
  }

  async create(unit: Pick<Unit, "name" | "text" | "hash" | "target">): Promise<Revision> {
    if (this.#view.units.has(unit.name)) throw new Fault("unit-exists", `unit ${unit.name} exists already`);
    return this.#setUnit(unit);
  }

  async replace(unit: Pick<Unit, "name" | "text" | "hash" | "target">, seen: Revision): Promise<Revision> {
    if (this.#unit(unit.name).revision !== seen)
      throw new Fault("unit-changed", `unit ${unit.name} was changed`);
    return this.#setUnit(unit);
  }

  async setTarget(name: UnitName, target: Unit["target"]): Promise<Revision> {
    const unit = this.#unit(name);
    return unit.target === target ? unit.revision : this.#setUnit({ ...unit, target });
  }

  async restart(name: UnitName): Promise<{ restart: Revision; revision: Revision }> {
    const unit = this.#unit(name);
    if (unit.target !== "launched") throw new Fault("unit-not-launched", whyNoRestart(unit));
    const revision = this.#setUnit({ ...unit, restart: unit.revision });
    return { restart: unit.revision, revision };
  }

  async destroy(name: UnitName): Promise<Revision> {
    this.#unit(name);
    return this.#change({
      units: without(this.#view.units, name),
      placements: without(this.#view.placements, name),
    });
  }

  async setMetadata(changes: readonly MetadataChange[]): Promise<Revision> {
    let machines = this.#view.machines;
    for (const { machine, key, value } of changes) {
      const known = machines.get(machine);
      if (known === undefined) continue;
      const others = Object.entries(known.metadata).filter(([other]) => other !== key);
      const metadata = Object.fromEntries(value === undefined ? others : [...others, [key, value]]);
      machines = withEntry(machines, machine, { ...known, metadata });
    }
    return this.#change({ machines });
  }

  async cordon(cordon: Cordon): Promise<Revision> {
    return this.#change({ cordons: withEntry(this.#view.cordons, cordon.machine, cordon) });
  }

  async uncordon(machine: MachineId): Promise<Revision> {
    return this.#change({ cordons: without(this.#view.cordons, machine) });
  }

  /** A machine comes, or changes what it tells. */
  setMachine(machine: Partial<Machine> & Pick<Machine, "id">): Revision {
    const whole = { address: "", metadata: {}, version: "1.0.0", ...machine };
    return this.#change({ machines: withEntry(this.#view.machines, machine.id, whole) });
  }

  /** The engine's decision about a unit. */
  setPlacement(
    unit: UnitName,
    where: MachineId | Extract<Placement, { waiting: unknown }>["waiting"],
  ): Revision {
    const revision = this.#view.revision + 1;
    const placement =
      typeof where === "string" ? { unit, machine: where, revision } : { unit, waiting: where, revision };
    return this.#change({ placements: withEntry(this.#view.placements, unit, placement) });
  }

  clearPlacement(unit: UnitName): Revision {
    return this.#change({ placements: without(this.#view.placements, unit) });
  }

  /** What an agent publishes about a unit. */
  setState(state: Partial<UnitState> & Pick<UnitState, "unit" | "machine">): Revision {
    const whole: UnitState = {
      hash: this.#view.units.get(state.unit)?.hash ?? "",
      load: "loaded",
      active: "active",
      sub: "running",
      reached: "launched",
      ...state,
    };
    const ofUnit = withEntry(this.#view.states.get(state.unit) ?? new Map(), state.machine, whole);
    return this.#change({ states: withEntry(this.#view.states, state.unit, ofUnit) });
  }

  clearState(unit: UnitName, machine: MachineId): Revision {
    const ofUnit = without(this.#view.states.get(unit) ?? new Map(), machine);
    const states =
      ofUnit.size === 0 ? without(this.#view.states, unit) : withEntry(this.#view.states, unit, ofUnit);
    return this.#change({ states });
  }

  #unit(name: UnitName): Unit {
    const unit = this.#view.units.get(name);
    if (unit === undefined) throw new Fault("unit-missing", "unit does not exist");
    return unit;
  }

  #setUnit(given: Omit<Unit, "revision">): Revision {
    const { name, text, hash, target, restart } = given;
    const asked = restart === undefined ? {} : { restart };
    const unit = { name, text, hash, target, ...asked, revision: this.#view.revision + 1 };
    return this.#change({ units: withEntry(this.#view.units, name, unit) });
  }

  #change(parts: Partial<FleetView>): Revision {
    this.#view = { ...this.#view, ...parts, revision: this.#view.revision + 1 };
    for (const listener of this.#listeners) listener();
    return this.#view.revision;
  }
}

function withEntry<Value>(
  map: ReadonlyMap<string, Value>,
  key: string,
  value: Value,
): ReadonlyMap<string, Value> {
  return new Map([...map, [key, value] as const].sort(([a], [b]) => compareText(a, b)));
}

function without<Value>(map: ReadonlyMap<string, Value>, key: string): ReadonlyMap<string, Value> {
  return new Map(Array.from(map).filter(([other]) => other !== key));
}
