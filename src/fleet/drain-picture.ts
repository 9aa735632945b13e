import type { Cluster, Condition, Cordoned, PlannedUnit } from "./cluster.ts";
import type { Cordon, MachineId, UnitName, UnitState } from "./model.ts";

/** What a plan has to know of the cluster when machines are cordoned; nothing when none is. */
export function drainInputs(picture: {
  readonly cordons: ReadonlyMap<MachineId, Cordon>;
  readonly schedules: ReadonlyMap<MachineId, ReadonlyMap<UnitName, unknown>>;
  readonly states: ReadonlyMap<UnitName, ReadonlyMap<MachineId, UnitState>>;
}): Pick<Cluster, "cordons" | "condition"> {
  if (picture.cordons.size === 0) return {};
  const cordons = new Map<MachineId, Cordoned>();
  for (const [machine, { drain }] of picture.cordons) {
    const holds = new Set(picture.schedules.get(machine)?.keys());
    cordons.set(machine, { holds, ...(drain === undefined ? {} : { mostMoving: drain.mostMoving }) });
  }
  const condition = (unit: PlannedUnit, machine: MachineId): Condition =>
    conditionOf(unit, picture.states.get(unit.name)?.get(machine));
  return { cordons, condition };
}

/** Judges a state by what is wanted of the unit; a state of another file says nothing about this one. */
export function conditionOf(
  unit: Pick<PlannedUnit, "target" | "hash">,
  state: UnitState | undefined,
): Condition {
  if (state === undefined || state.hash !== unit.hash) return "absent";
  if (state.problem !== undefined || state.active === "failed") return "failed";
  if (state.load !== "loaded") return "failed";
  if (unit.target !== "launched") return "well";
  if (state.reached !== "launched") return "pending";
  // One that ended without a failure was well, as a oneshot is.
  return ["active", "reloading", "inactive"].includes(state.active) ? "well" : "pending";
}
