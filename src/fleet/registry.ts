import type { Revision } from "../store/store.ts";
import type { Caller } from "./events.ts";
import type {
  Cordon,
  Machine,
  MachineId,
  Placement,
  TargetState,
  Unit,
  UnitName,
  UnitState,
} from "./model.ts";

/**
 * What the cluster holds about fleet at one revision. A value that never changes: a new one is made for each change,
 * sharing what stayed the same. Maps iterate in name order.
 */
export interface FleetView {
  readonly revision: Revision;
  readonly units: ReadonlyMap<UnitName, Unit>;
  /** Non-global units only; a unit without a placement has not been looked at by the engine yet. */
  readonly placements: ReadonlyMap<UnitName, Placement>;
  /** Machines whose presence is alive, with their metadata merged. */
  readonly machines: ReadonlyMap<MachineId, Machine>;
  readonly states: ReadonlyMap<UnitName, ReadonlyMap<MachineId, UnitState>>;
  /** Machines that take no new unit, present or not. */
  readonly cordons: ReadonlyMap<MachineId, Cordon>;
}

/**
 * How clients of the fleet API change what is wanted, and see what is so. Every change is written down as an event, with the
 * caller as far as it is known.
 */
export interface Registry {
  /** The latest view of the local mirror. Throws Fault `registry-unavailable` before the first read of the store. */
  view(): FleetView;

  /** Calls `listener` after each change of the view; returns the function that ends it. */
  subscribe(listener: () => void): () => void;

  /** Resolves once the view shows at least this revision; rejects with the signal's reason. */
  reached(revision: Revision, signal: AbortSignal): Promise<void>;

  /** Writes a new unit. Throws Fault `unit-exists`; or `store-*`. */
  create(
    unit: { name: UnitName; text: string; hash: string; target: TargetState },
    by?: Caller,
  ): Promise<Revision>;

  /** Replaces text and target of a unit if it is still at revision `seen`. Throws Fault `unit-changed`. */
  replace(
    unit: { name: UnitName; text: string; hash: string; target: TargetState },
    seen: Revision,
    by?: Caller,
  ): Promise<Revision>;

  /** Sets what is wanted of a unit. Throws Fault `unit-missing`. */
  setTarget(name: UnitName, target: TargetState, by?: Caller): Promise<Revision>;

  /**
   * Asks for a restart of a unit on every machine that runs it, and gives the restart's name: it is carried out where the
   * unit's state shows this number or a greater one. Throws Fault `unit-missing`, and `unit-not-launched`.
   */
  restart(name: UnitName, by?: Caller): Promise<{ readonly restart: Revision; readonly revision: Revision }>;

  /** Removes a unit from the registry. Throws Fault `unit-missing`. */
  destroy(name: UnitName, by?: Caller): Promise<Revision>;

  /**
   * Sets (or, with undefined, clears) dynamic metadata of machines, all in one transaction (fleet v1.0.0 API, PATCH /machines).
   * What others write later is never undone: throws Fault `overtaken` when the answer was lost and they did, or when they did and
   * the signal of who asked is aborted.
   */
  setMetadata(changes: readonly MetadataChange[], by?: Caller, signal?: AbortSignal): Promise<Revision>;

  /** Has a machine take no new unit, or drains it; replaces what was asked of it before. Throws Fault `overtaken` as metadata does. */
  cordon(cordon: Cordon, by?: Caller, signal?: AbortSignal): Promise<Revision>;

  /** Lets a machine take new units again; a drain under way ends where it is. Throws Fault `overtaken` as metadata does. */
  uncordon(machine: MachineId, by?: Caller, signal?: AbortSignal): Promise<Revision>;
}

export interface MetadataChange {
  readonly machine: MachineId;
  readonly key: string;
  /** Undefined removes the key, also one the machine brings itself. */
  readonly value: string | undefined;
}

/** Keys of fleet in the store; one writer for each family. */
export const fleetPrefix = "/argosy/fleet/";

/** Keys that a fleet writes and that nobody needs to follow. */
export const turnsPrefix = "/argosy/turns/";

/** The store keys of fleet. Values are JSON unless said otherwise. */
export const fleetKeys = {
  /** A unit's text, hash and target. Writer: the API. */
  unit: (name: UnitName) => `${fleetPrefix}units/${name}`,
  /** Where a unit is to run, or why it waits. Writer: the engine. */
  placement: (name: UnitName) => `${fleetPrefix}placements/${name}`,
  /** What one machine has to hold. Writer: the engine. */
  scheduled: (machine: MachineId, name: UnitName) => `${fleetPrefix}schedule/${machine}/${name}`,
  schedule: (machine: MachineId) => `${fleetPrefix}schedule/${machine}/`,
  /** Presence, on the machine's lease. Writer: that machine's agent. */
  machine: (machine: MachineId) => `${fleetPrefix}machines/${machine}`,
  /** systemd's view of a unit, on the machine's lease. Writer: that machine's agent. */
  state: (machine: MachineId, name: UnitName) => `${fleetPrefix}states/${machine}/${name}`,
  states: (machine: MachineId) => `${fleetPrefix}states/${machine}/`,
  /**
   * Changes when a machine's writes of states begin anew, on the machine's lease; without a value. Nobody else looks at it, so it
   * is not among what everybody follows. Writer: that machine's agent.
   */
  turn: (machine: MachineId) => `${turnsPrefix}fleet/${machine}`,
  /** Dynamic metadata, plain text, empty for a removed key. Writer: the API. */
  metadata: (machine: MachineId, key: string) => `${fleetPrefix}metadata/${machine}/${key}`,
  /** That a machine takes no new unit. Writer: the API. */
  cordon: (machine: MachineId) => `${fleetPrefix}cordons/${machine}`,
  /** Changes with each write of a machine's cordon, and outlasts it; without a value. Nobody follows it. Writer: the API. */
  cordonTurn: (machine: MachineId) => `${turnsPrefix}cordons/${machine}`,
  /** The engine's lease, on the machine's lease: the machine's ID as plain text. Writer: engines. */
  leader: `${fleetPrefix}engine/leader`,
} as const;
