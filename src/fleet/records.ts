import type { Entry, LeaseId } from "../store/store.ts";
import {
  type Cordon,
  type Machine,
  type MachineId,
  type Placed,
  type Placement,
  type Scheduled,
  targetStates,
  type Unit,
  type UnitState,
  type Waiting,
} from "./model.ts";
import { fleetPrefix } from "./registry.ts";

/** A machine as its agent publishes it: the machine plus what proves whose presence it is. */
export interface PresenceRecord extends Machine {
  /** The kernel's boot ID: the same machine after a restart of the daemon, but not after a reboot. */
  readonly bootId: string;
  /** The lease this record hangs on, so that a restarted daemon can go on with it. */
  readonly lease: LeaseId;
  /** Where other machines reach its fleet API, such as `http://10.0.0.11:49153`; undefined when it serves no address. */
  readonly api?: string;
  /** The machine has stopped its units and ends its presence next, so that nobody needs to wonder where it is. */
  readonly leaving?: true;
}

/** One entry of fleet's part of the store, decoded. */
export type FleetRecord =
  | { readonly family: "unit"; readonly unit: Unit }
  | { readonly family: "placement"; readonly placement: Placement }
  | { readonly family: "scheduled"; readonly machine: MachineId; readonly scheduled: Scheduled }
  | { readonly family: "machine"; readonly machine: PresenceRecord }
  | { readonly family: "state"; readonly state: UnitState }
  | { readonly family: "cordon"; readonly cordon: Cordon }
  | {
      readonly family: "metadata";
      readonly machine: MachineId;
      readonly key: string;
      readonly value: string;
    }
  | { readonly family: "leader"; readonly machine: MachineId };

/** What a key of fleet names; undefined for keys that fleet does not know. */
export type FleetKey =
  | { readonly family: "unit" | "placement"; readonly unit: string }
  | { readonly family: "scheduled" | "state"; readonly machine: MachineId; readonly unit: string }
  | { readonly family: "machine" | "cordon"; readonly machine: MachineId }
  | { readonly family: "metadata"; readonly machine: MachineId; readonly key: string }
  | { readonly family: "leader" };

/** Takes a store key apart. */
export function parseFleetKey(key: string): FleetKey | undefined {
  if (!key.startsWith(fleetPrefix)) return undefined;
  const [folder, first, second] = key.slice(fleetPrefix.length).split("/");
  if (folder === undefined || first === undefined) return undefined;
  if (folder === "units") return { family: "unit", unit: first };
  if (folder === "placements") return { family: "placement", unit: first };
  if (folder === "machines") return { family: "machine", machine: first };
  if (folder === "cordons") return { family: "cordon", machine: first };
  if (folder === "engine" && first === "leader") return { family: "leader" };
  if (second === undefined) return undefined;
  if (folder === "schedule") return { family: "scheduled", machine: first, unit: second };
  if (folder === "states") return { family: "state", machine: first, unit: second };
  if (folder === "metadata") return { family: "metadata", machine: first, key: second };
  return undefined;
}

/**
 * Decodes one entry. Returns undefined for a key that fleet does not know and for a value that cannot be read, so that
 * one bad record never hides the others.
 */
export function decodeFleetEntry(entry: Entry): FleetRecord | undefined {
  const key = parseFleetKey(entry.key);
  if (key === undefined) return undefined;
  if (key.family === "leader") return { family: "leader", machine: entry.value };
  if (key.family === "metadata") return { ...key, value: entry.value };
  const value = parseObject(entry.value);
  if (value === undefined || !isWhole[key.family](value as Fields)) return undefined;
  const revision = entry.modRevision;
  switch (key.family) {
    case "unit":
      return { family: "unit", unit: { ...(value as UnitValue), name: key.unit, revision } };
    case "placement":
      return {
        family: "placement",
        placement: { ...(value as PlacementInput), unit: key.unit, revision } as Placement,
      };
    case "scheduled":
      return {
        family: "scheduled",
        machine: key.machine,
        scheduled: { ...(value as ScheduledValue), unit: key.unit },
      };
    case "machine":
      return { family: "machine", machine: { ...(value as PresenceValue), id: key.machine } };
    case "cordon":
      return { family: "cordon", cordon: { ...(value as CordonValue), machine: key.machine } };
    case "state":
      return { family: "state", state: { ...(value as StateValue), unit: key.unit, machine: key.machine } };
  }
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Whether a value has what every reader relies on. Only somebody else's writing, past the API, can lack it; whoever reads it
 * then goes on without that record.
 */
const isWhole: Readonly<
  Record<Exclude<FleetKey["family"], "leader" | "metadata">, (value: Fields) => boolean>
> = {
  unit: ({ text, hash, target }) => areTexts(text, hash) && isTarget(target),
  scheduled: ({ text, hash, target }) => areTexts(text, hash) && isTarget(target) && target !== "inactive",
  placement: ({ machine, waiting }) => areTexts(machine) || Array.isArray(waiting),
  machine: ({ metadata }) => typeof metadata === "object" && metadata !== null,
  cordon: ({ sinceMs }) => typeof sinceMs === "number",
  state: ({ hash, load, active, sub }) => areTexts(hash, load, active, sub),
};

function areTexts(...values: readonly unknown[]): boolean {
  return values.every((value) => typeof value === "string");
}

function isTarget(value: unknown): boolean {
  return targetStates.some((target) => target === value);
}

type UnitValue = Omit<Unit, "name" | "revision">;
type ScheduledValue = Omit<Scheduled, "unit">;
type PresenceValue = Omit<PresenceRecord, "id">;
type CordonValue = Omit<Cordon, "machine">;
type StateValue = Omit<UnitState, "unit" | "machine">;

function parseObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The stored value of a unit. */
export function encodeUnit(unit: Pick<Unit, "text" | "hash" | "target" | "restart">): string {
  const { text, hash, target, restart } = unit;
  return JSON.stringify({ text, hash, target, restart });
}

/** The stored value of a placement. */
export function encodePlacement(placement: PlacementInput): string {
  return JSON.stringify(placement);
}

/** What the engine decides about one unit. */
export type PlacementInput = Placed | Waiting;

/** The stored value of a cordon. */
export function encodeCordon(cordon: Cordon): string {
  const { machine: _machine, ...value } = cordon;
  return JSON.stringify(value);
}

/** The stored value of a line of a machine's schedule. */
export function encodeScheduled(scheduled: Scheduled): string {
  const { text, hash, target, restart } = scheduled;
  return JSON.stringify({ text, hash, target, restart });
}

/** The stored value of a machine's presence. */
export function encodePresence(record: PresenceRecord): string {
  const { id: _id, ...value } = record;
  return JSON.stringify(value);
}

/** The stored value of a unit's state on a machine. */
export function encodeState(state: UnitState): string {
  const { unit: _unit, machine: _machine, ...value } = state;
  return JSON.stringify(value);
}
