import { Board, isTemplate } from "./board.ts";
import type { Cluster, PlannedUnit } from "./cluster.ts";
import { replaceText, rivalText } from "./machine-model.ts";
import type { MachineId, UnitName } from "./model.ts";

/** What the scheduler says about one unit and one present machine, as things are. */
export interface Verdict {
  readonly machine: MachineId;
  /** True where the unit is: placed there, or global and accepted. */
  readonly here: boolean;
  /** Why it may not be there, in the scheduler's words; absent when it may. */
  readonly why?: string;
  /** Units that the machine holds, which is how load is measured. */
  readonly units: number;
}

/**
 * Asks the scheduler's own model of each machine about one unit, whatever its target state is. Undefined when the cluster does
 * not have the unit.
 */
export function explain(cluster: Cluster, name: UnitName): readonly Verdict[] | undefined {
  const found = cluster.units.find((unit) => unit.name === name);
  if (found === undefined) return undefined;
  // A unit that is not wanted is asked about as if it were: the question is what would become of it.
  const unit: PlannedUnit = found.target === "inactive" ? { ...found, target: "launched" } : found;
  const units = cluster.units.map((other) => (other === found ? unit : other));
  const board = new Board({ ...cluster, units });
  for (const other of units) {
    // The unit itself stays out, so that nothing is said about it and itself.
    if (other === unit || other.target === "inactive" || other.requirements.global) continue;
    const placement = cluster.placements.get(other.name);
    const machine = placement !== undefined && "machine" in placement ? placement.machine : undefined;
    const model = machine === undefined ? undefined : board.models.get(machine);
    if (model !== undefined) board.put(other, model);
  }
  board.acceptGlobals();
  const own = cluster.placements.get(name);
  const isAt = own !== undefined && "machine" in own ? own.machine : undefined;
  return Array.from(board.models, ([machine, model]) => {
    const here = unit.requirements.global ? model.has(name) : machine === isAt;
    const rival = isAt === undefined ? rivalText(board.rivalOf(name)) : undefined;
    const why = whyNotAt(board, unit, machine, here) ?? rival;
    const { load } = model;
    const counts = here && !unit.requirements.global ? load + 1 : load;
    return { machine, here, ...(why === undefined ? {} : { why }), units: counts };
  });
}

function whyNotAt(board: Board, unit: PlannedUnit, machine: MachineId, here: boolean): string | undefined {
  const model = board.models.get(machine);
  if (isTemplate(unit.name)) return `cannot activate template "${unit.name}"`;
  if (model === undefined) return undefined;
  if (unit.requirements.global) return model.has(unit.name) ? undefined : model.whyNotKeep(unit);
  const inTheWay = replaceText(model.inTheWayOf(unit.name)[0]);
  if (!here || model.cordoned === undefined) return model.whyNot(unit) ?? inTheWay;
  // A cordon keeps others away; only a drain asks those that are here to go, and not those that may be nowhere else.
  const isToLeave = model.cordoned.mostMoving !== undefined && unit.requirements.machineId === undefined;
  if (isToLeave) return "the machine is being drained";
  return model.whyUnfit(unit) ?? model.whyNotAmong(unit) ?? inTheWay;
}
