import type { Revision } from "../store/store.ts";
import type { DrainMarks, Machine, MachineId, Placement, Reason, TargetState, UnitName } from "./model.ts";
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
  /** Machines that take no new unit; none when absent. */
  readonly cordons?: ReadonlyMap<MachineId, Cordoned>;
  /** How a unit is on a machine, as far as its agent has told; asked only about units of machines that are drained. */
  readonly condition?: (unit: PlannedUnit, machine: MachineId) => Condition;
}

/** A machine that takes no new unit. */
export interface Cordoned {
  /** What it held when it was looked at: global units among these stay. */
  readonly holds: ReadonlySet<UnitName>;
  /** Set while its units are to leave it: how many may be on the move at the same time. */
  readonly mostMoving?: number;
}

/**
 * How a unit is on a machine. `absent`: it is not there, or with another file; `pending`: on its way; `well`: as it is
 * wanted, which an ended oneshot is too; `failed`: it cannot be as it is wanted without help.
 */
export type Condition = "absent" | "pending" | "well" | "failed";

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
  /** Set while drains have units on the move: the next plan may differ as soon as a unit's state does. */
  readonly moving?: true;
}

/** A change of one unit's placement; `seen` is the revision of the placement it is based on, 0 when there was none. */
export type Decision =
  | {
      readonly kind: "place";
      readonly unit: UnitName;
      readonly on: MachineId;
      readonly seen: Revision;
      readonly reason: string;
      /** The drained machine it comes from, when it is on the move. */
      readonly drained?: MachineId;
    }
  | {
      readonly kind: "move";
      readonly unit: UnitName;
      readonly from: MachineId;
      readonly on: MachineId;
      readonly seen: Revision;
      readonly because: string;
      readonly drained?: MachineId;
    }
  | ({
      /** The unit stays where it is; what a drain adds to its placement changes. */
      readonly kind: "keep";
      readonly unit: UnitName;
      readonly on: MachineId;
      readonly seen: Revision;
      readonly because: string;
    } & DrainMarks)
  | {
      /** The successor is well and takes the unit over. */
      readonly kind: "succeed";
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
      readonly drained?: MachineId;
    };
