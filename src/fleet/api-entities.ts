import { compareText } from "../lib/text.ts";
import { parseUnitFile } from "../unit/parse.ts";
import type { UnitFile } from "../unit/unit-file.ts";
import type { Machine, MachineId, Reason, TargetState, Unit, UnitName, UnitState } from "./model.ts";
import { type Requirements, requirementsOf } from "./options.ts";
import type { FleetView } from "./registry.ts";

/**
 * What the fleet API sends (fleet v1.0.0 API): keys in alphabetical order, and what is empty is left out.
 * Names of the wire stay as they are there.
 */
export interface UnitEntity {
  readonly currentState?: TargetState;
  readonly desiredState: TargetState;
  readonly machineID?: MachineId;
  readonly name: UnitName;
  readonly options?: readonly OptionEntity[];
  /** Why no machine can run it now, machine by machine; an addition, absent when one can. */
  readonly waiting?: readonly WaitingReason[];
}

export interface OptionEntity {
  readonly name?: string;
  readonly section?: string;
  readonly value?: string;
}

export interface StateEntity {
  readonly hash: string;
  readonly machineID: MachineId;
  readonly name: UnitName;
  readonly systemdActiveState: string;
  readonly systemdLoadState: string;
  readonly systemdSubState: string;
}

export interface MachineEntity {
  readonly id: MachineId;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly primaryIP?: string;
}

/** What is known about one unit, wherever it is; Argosy's own addition to the API. */
export interface UnitReport {
  readonly name: UnitName;
  /** Absent when the registry does not know the unit (any more); `states` may still show it running. */
  readonly desiredState?: TargetState;
  readonly currentState?: TargetState;
  readonly global: boolean;
  readonly hash?: string;
  /** Where it is to run; absent for a global unit and for one without a place. */
  readonly machine?: MachineLegend;
  /** Why it has no place, machine by machine; absent when it has one or the engine has not looked at it yet. */
  readonly waiting?: readonly WaitingReason[];
  readonly states: readonly StateReport[];
}

export interface MachineLegend {
  readonly id: MachineId;
  /** Empty when unknown. */
  readonly address: string;
}

/** Why a unit cannot be on a machine, or, without one, in the whole cluster. */
export interface WaitingReason {
  readonly machine?: MachineLegend;
  readonly why: string;
}

export interface StateReport {
  readonly machine: MachineLegend;
  readonly hash: string;
  readonly load: string;
  readonly active: string;
  readonly sub: string;
  readonly reached: "loaded" | "launched";
  /** The last restart that was carried out there; see `POST /argosy/v1/units/NAME/restart`. */
  readonly restart?: number;
  readonly result?: string;
  readonly problem?: string;
}

export function unitEntity(view: FleetView, unit: Unit): UnitEntity {
  const { file, global } = partsOf(unit);
  const machine = machineOf(view, unit.name);
  const waiting = waitingReasons(view, unit.name);
  return {
    ...(global ? {} : { currentState: currentState(view, unit.name) }),
    desiredState: unit.target,
    ...(machine === undefined ? {} : { machineID: machine }),
    name: unit.name,
    ...(file.length === 0 ? {} : { options: file.map(optionEntity) }),
    ...(waiting === undefined ? {} : { waiting }),
  };
}

/** As one entry of the list of units, where fleet v1.0.0 calls every global unit `inactive`. Why it waits is not listed. */
export function listedUnitEntity(view: FleetView, unit: Unit): UnitEntity {
  const { waiting: _waiting, ...entity } = unitEntity(view, unit);
  return { currentState: "inactive", ...entity };
}

function optionEntity({
  name,
  section,
  value,
}: {
  name: string;
  section: string;
  value: string;
}): OptionEntity {
  return {
    ...(name === "" ? {} : { name }),
    ...(section === "" ? {} : { section }),
    ...(value === "" ? {} : { value }),
  };
}

export function stateEntity(state: UnitState): StateEntity {
  return {
    hash: state.hash,
    machineID: state.machine,
    name: state.unit,
    systemdActiveState: state.active,
    systemdLoadState: state.load,
    systemdSubState: state.sub,
  };
}

export function machineEntity(machine: Machine): MachineEntity {
  return {
    id: machine.id,
    ...(Object.keys(machine.metadata).length === 0 ? {} : { metadata: inOrder(machine.metadata) }),
    ...(machine.address === "" ? {} : { primaryIP: machine.address }),
  };
}

function inOrder(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => compareText(a, b)));
}

export function unitReport(view: FleetView, name: UnitName): UnitReport {
  const unit = view.units.get(name);
  const global = unit !== undefined && partsOf(unit).global;
  const machine = machineOf(view, name);
  const waiting = waitingReasons(view, name);
  return {
    name,
    ...(unit === undefined ? {} : { desiredState: unit.target, hash: unit.hash }),
    ...(unit === undefined || global ? {} : { currentState: currentState(view, name) }),
    global,
    ...(machine === undefined ? {} : { machine: legend(view, machine) }),
    ...(waiting === undefined ? {} : { waiting }),
    states: Array.from(view.states.get(name)?.values() ?? [], (state) => stateReport(view, state)),
  };
}

function waitingReasons(view: FleetView, name: UnitName): readonly WaitingReason[] | undefined {
  const placement = view.placements.get(name);
  if (placement === undefined || !("waiting" in placement)) return undefined;
  return placement.waiting.map((reason) => waitingReason(view, reason));
}

export function waitingReason(view: FleetView, { machine, why }: Reason): WaitingReason {
  return { ...(machine === undefined ? {} : { machine: legend(view, machine) }), why };
}

function stateReport(view: FleetView, state: UnitState): StateReport {
  const { hash, load, active, sub, reached, restart, result, problem } = state;
  return {
    machine: legend(view, state.machine),
    hash,
    load,
    active,
    sub,
    reached,
    ...(restart === undefined ? {} : { restart }),
    ...(result === undefined ? {} : { result }),
    ...(problem === undefined ? {} : { problem }),
  };
}

export function legend(view: FleetView, id: MachineId): MachineLegend {
  return { id, address: view.machines.get(id)?.address ?? "" };
}

/** Where a non-global unit is to run. */
export function machineOf(view: FleetView, name: UnitName): MachineId | undefined {
  const placement = view.placements.get(name);
  return placement !== undefined && "machine" in placement ? placement.machine : undefined;
}

/** How far the machine a unit was placed on has carried out what is wanted. */
export function currentState(view: FleetView, name: UnitName): TargetState {
  const machine = machineOf(view, name);
  if (machine === undefined) return "inactive";
  return view.states.get(name)?.get(machine)?.reached ?? "inactive";
}

interface UnitParts {
  readonly file: UnitFile;
  readonly requirements: Requirements;
  readonly global: boolean;
}

/** A record of a unit never changes, so what was read from its text is kept for as long as the record lives. */
const partsOfUnit = new WeakMap<Unit, UnitParts>();

export function partsOf(unit: Unit): UnitParts {
  let parts = partsOfUnit.get(unit);
  if (parts === undefined) {
    const { file } = parseUnitFile(unit.text);
    const requirements = requirementsOf(file, unit.name);
    parts = { file, requirements, global: requirements.global };
    partsOfUnit.set(unit, parts);
  }
  return parts;
}
