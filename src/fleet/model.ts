import type { Revision } from "../store/store.ts";

/** A unit's full name with its suffix, such as `web@1.service`. */
export type UnitName = string;

/** The 32 hexadecimal digits of /etc/machine-id. */
export type MachineId = string;

/** What a user asked for (target) or what is so (current). */
export type TargetState = "inactive" | "loaded" | "launched";

export const targetStates: readonly TargetState[] = ["inactive", "loaded", "launched"];

/** A unit as the registry holds it. Written by the API only. */
export interface Unit {
  readonly name: UnitName;
  /** The serialized unit file (spec fleet 1.2). */
  readonly text: string;
  /** SHA-1 of the text, 40 lower-case hexadecimal digits. */
  readonly hash: string;
  readonly target: TargetState;
  /**
   * Names the last restart that was asked for: the revision this record had then, so that a later one is always greater.
   * Absent when none was.
   */
  readonly restart?: Revision;
  /** Revision of the last change of this record. */
  readonly revision: Revision;
}

/** A machine that is present: its lease is alive. Written by that machine's agent only. */
export interface Machine {
  readonly id: MachineId;
  /** The address other machines reach it at; empty when unknown. */
  readonly address: string;
  /** Static metadata overlaid by what the API has set. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly version: string;
}

/** systemd's view of one unit on one machine, plus what the agent has carried out. Written by that machine's agent only. */
export interface UnitState {
  readonly unit: UnitName;
  readonly machine: MachineId;
  /** Hash of the unit file that is loaded there. */
  readonly hash: string;
  readonly load: string;
  readonly active: string;
  readonly sub: string;
  /** What the agent has carried out: `launched` from the moment a start was accepted by systemd. */
  readonly reached: "loaded" | "launched";
  /** The last restart that was carried out there, whatever became of the unit; a start counts for every one before it. */
  readonly restart?: Revision;
  /** systemd's Result property (`success`, `exit-code`, ...), when it has one. */
  readonly result?: string;
  /** Why the agent could not carry out what is wanted, in one sentence. */
  readonly problem?: string;
}

/** Where a non-global unit is to run, or why it cannot. Written by the engine only. */
export type Placement = (Placed | Waiting) & { readonly unit: UnitName; readonly revision: Revision };

export interface Placed extends DrainMarks {
  readonly machine: MachineId;
}

export interface Waiting extends Pick<DrainMarks, "drained"> {
  readonly waiting: readonly Reason[];
}

/** What the drain of a machine adds to the placement of a unit that it moves, or cannot move. */
export interface DrainMarks {
  /** Runs the unit too, and takes it over as soon as it is well there. */
  readonly successor?: MachineId;
  /** The drained machine that the unit has left, until it is well elsewhere: it counts as on the move until then. */
  readonly drained?: MachineId;
  /** Why the unit cannot leave the machine it is on, machine by machine. */
  readonly stays?: readonly Reason[];
}

/** An operator's word that a machine takes no new unit; outlasts the machine's absence. Written by the API only. */
export interface Cordon {
  readonly machine: MachineId;
  /** When it was given, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** Set when the machine's units are to leave it. */
  readonly drain?: Drain;
}

export interface Drain {
  /** How many units may be on the move at the same time; units that need each other move together and count once. */
  readonly mostMoving: number;
}

/** Why a unit cannot be on a machine; without a machine it holds for the whole cluster. */
export interface Reason {
  readonly machine?: MachineId;
  /** A sentence part such as `local Machine metadata insufficient` (spec fleet 4.4). */
  readonly why: string;
}

/** One line of a machine's schedule: what its agent has to hold. Written by the engine only. */
export interface Scheduled {
  readonly unit: UnitName;
  readonly text: string;
  readonly hash: string;
  readonly target: "loaded" | "launched";
  /** The last restart that was asked for, as in the unit's record. */
  readonly restart?: Revision;
  /** Set for a unit with `OnPartition=stop`. Not written: an agent finds it in the text. */
  readonly stopOnPartition?: true;
}
