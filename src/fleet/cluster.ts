import type { Revision } from "../store/store.ts";
import type { Machine, MachineId, Placement, Reason, TargetState, UnitName } from "./model.ts";
import type { Requirements } from "./options.ts";

/** Everything that placing units depends on, as plain data at one moment. No list has to be in any order. */
export interface Cluster {
  readonly units: readonly PlannedUnit[];
  /** The machines that are present. */
  readonly machines: readonly Machine[];
  /**
   * Machines that are not present now but whose absence is not trusted yet, because the store was away. What is placed
   * there stays there, and nothing new goes there.
   */
  readonly uncertain: ReadonlySet<MachineId>;
  /** What the engine decided before, also for units that are gone. */
  readonly placements: ReadonlyMap<UnitName, Placement>;
}

/** A unit as far as placing it goes. */
export interface PlannedUnit {
  readonly name: UnitName;
  readonly target: TargetState;
  readonly hash: string;
  /** With specifiers expanded. */
  readonly requirements: Requirements;
}

/** What has to change, and what every present machine has to hold once it has. */
export interface Plan {
  /** One for each unit whose placement has to change, in name order; units without one stay as they are. */
  readonly decisions: readonly Decision[];
  /**
   * For every present machine the units it has to hold afterwards (target not `inactive`), globals among them, in name
   * order. Machines that are not present have no entry.
   */
  readonly holds: ReadonlyMap<MachineId, readonly UnitName[]>;
}

/** A change of one unit's placement; `seen` is the revision of the placement it is based on, 0 when there was none. */
export type Decision =
  | {
      readonly kind: "place";
      readonly unit: UnitName;
      readonly on: MachineId;
      readonly seen: Revision;
      readonly reason: string;
    }
  | {
      readonly kind: "move";
      readonly unit: UnitName;
      readonly from: MachineId;
      readonly on: MachineId;
      readonly seen: Revision;
      readonly because: string;
    }
  | {
      /** The placement goes away altogether; without `from` the unit had only been waiting. */
      readonly kind: "unplace";
      readonly unit: UnitName;
      readonly from?: MachineId;
      readonly seen: Revision;
      readonly because: string;
    }
  | {
      /** The unit is wanted but fits nowhere; with `from` it also has to leave that machine. */
      readonly kind: "wait";
      readonly unit: UnitName;
      readonly from?: MachineId;
      readonly seen: Revision;
      readonly because: readonly Reason[];
    };
