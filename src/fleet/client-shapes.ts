import { Fault } from "../lib/fault.ts";
import type { MachineEntity, StateEntity, UnitEntity, UnitReport } from "./api-entities.ts";
import { isRecord } from "./api-unit-rules.ts";
import type { FleetEvent } from "./events.ts";

/** For an answer that is none of a fleet API. */
export function notFleet(): Fault {
  return new Fault(
    "bad-answer",
    "What answers at the endpoint is not a fleet API; name another one with --endpoint or FLEETCTL_ENDPOINT.",
  );
}

/** What an answer is read as: the value, or undefined when it is nothing that a fleet API sends. */
export type Shape<Value> = (value: unknown) => Value | undefined;

/** A unit, of which all but the name and what is wanted of it may be left out. */
export const unitShape: Shape<UnitEntity> = (value) => {
  if (!isRecord(value)) return undefined;
  const { name, desiredState, currentState, machineID, options } = value;
  const isUnit =
    isText(name) &&
    isText(desiredState) &&
    isTextIfAny(currentState) &&
    isTextIfAny(machineID) &&
    (options === undefined || (Array.isArray(options) && options.every(isOption)));
  return isUnit ? (value as unknown as UnitEntity) : undefined;
};

function isOption(value: unknown): boolean {
  return isRecord(value) && isTextIfAny(value.section) && isTextIfAny(value.name) && isTextIfAny(value.value);
}

/** A state, where fleet v1.0.0 leaves out what is empty: here it is empty text. */
export const stateShape: Shape<StateEntity> = (value) => {
  if (!isRecord(value) || !isText(value.name)) return undefined;
  const whole = { ...emptyState, ...value };
  return Object.keys(emptyState).every((key) => typeof whole[key] === "string")
    ? (whole as unknown as StateEntity)
    : undefined;
};

const emptyState: Readonly<Record<string, unknown>> = {
  hash: "",
  machineID: "",
  systemdActiveState: "",
  systemdLoadState: "",
  systemdSubState: "",
};

export const machineShape: Shape<MachineEntity> = (value) => {
  if (!isRecord(value)) return undefined;
  const { id, metadata, primaryIP } = value;
  const isMachine = isText(id) && isTextIfAny(primaryIP) && (metadata === undefined || isRecord(metadata));
  return isMachine ? (value as unknown as MachineEntity) : undefined;
};

/** A report on one unit, as far as everybody who reads one looks into it. */
export const reportShape: Shape<UnitReport> = (value) => {
  if (!isRecord(value) || !isText(value.name) || !Array.isArray(value.states)) return undefined;
  const isReport = value.states.every((state) => isRecord(state) && isLegend(state.machine));
  const isPlaced = value.machine === undefined || isLegend(value.machine);
  return isReport && isPlaced ? (value as unknown as UnitReport) : undefined;
};

/** An event, as far as everybody who reads one looks into it. */
export const eventShape: Shape<FleetEvent> = (value) => {
  if (!isRecord(value)) return undefined;
  const { id, at, kind, writer, unit, machine, from } = value;
  const isEvent = [id, at, kind, writer].every(isText) && [unit, machine, from].every(isTextIfAny);
  return isEvent ? (value as unknown as FleetEvent) : undefined;
};

function isLegend(value: unknown): boolean {
  return isRecord(value) && isText(value.id) && typeof value.address === "string";
}

/** An object that has a field of this kind; its other fields are taken as they are. */
export function withField<Value>(field: string, kind: "number" | "string" | "object" | "list"): Shape<Value> {
  return (value) => {
    if (!isRecord(value)) return undefined;
    const found = value[field];
    const fits =
      kind === "list" ? Array.isArray(found) : kind === "object" ? isRecord(found) : typeof found === kind;
    return fits ? (value as Value) : undefined;
  };
}

/** Reads each entry of a list; undefined when it is no list, or one entry is not what is expected. */
export function listOf<Item>(value: unknown, shape: Shape<Item>): readonly Item[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const items: Item[] = [];
  for (const entry of value as readonly unknown[]) {
    const item = shape(entry);
    if (item === undefined) return undefined;
    items.push(item);
  }
  return items;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isTextIfAny(value: unknown): boolean {
  return value === undefined || typeof value === "string";
}
