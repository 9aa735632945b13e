import { isStarting, type Step } from "./agent-steps.ts";
import type { MachineId, Scheduled, UnitName, UnitState } from "./model.ts";
import type { Attempt } from "./reconcile.ts";
import type { Troubles } from "./troubles.ts";
import type { ManagedUnit } from "./unit-manager.ts";

/** What a unit's state is told from. */
export interface Observation {
  readonly unit: ManagedUnit;
  readonly reached: UnitState["reached"];
  readonly restart: UnitState["restart"];
  /** Why the last step for it failed. */
  readonly problem: string | undefined;
}

/** What an agent knows of its units. */
export interface AgentView {
  readonly actual: ReadonlyMap<UnitName, ManagedUnit>;
  readonly wanted: Iterable<Scheduled>;
  readonly busy: ReadonlyMap<UnitName, Step>;
  readonly attempts: ReadonlyMap<UnitName, Attempt>;
  readonly troubles: Pick<Troubles, "problemOf">;
}

/** What there is to tell of every unit of a machine, also of those that could not be loaded. */
export function observationsOf({ actual, wanted, busy, attempts, troubles }: AgentView): Observation[] {
  const observations: Observation[] = [];
  for (const unit of actual.values()) {
    const { name, active } = unit;
    const step = busy.get(name);
    // A start that systemd has taken but not begun, because it waits for another unit, does not count as launched yet.
    const waits = step === "starting" && (active === "inactive" || active === "failed");
    const attempt = attempts.get(name);
    observations.push({
      unit,
      reached: waits ? "loaded" : (attempt?.reached ?? "loaded"),
      restart: isStarting(step) ? undefined : attempt?.restart,
      problem: troubles.problemOf(name),
    });
  }
  for (const { unit: name, hash } of wanted) {
    const problem = troubles.problemOf(name);
    if (problem === undefined || actual.has(name)) continue;
    const unit = { name, hash, load: "error", active: "inactive", sub: "dead" };
    observations.push({ unit, reached: "loaded", restart: undefined, problem });
  }
  return observations;
}

/**
 * Turns what an agent sees into the states it publishes. Gives the same object as before for what did not change, so that those
 * who compare need not look inside.
 */
export class StateTeller {
  readonly #machine: MachineId;
  #told = new Map<UnitName, { readonly from: Observation; readonly state: UnitState }>();

  constructor(machine: MachineId) {
    this.#machine = machine;
  }

  /** The states of all these units; others are forgotten. */
  tell(observations: Iterable<Observation>): ReadonlyMap<UnitName, UnitState> {
    const before = this.#told;
    const states = new Map<UnitName, UnitState>();
    this.#told = new Map();
    for (const from of observations) {
      const { name } = from.unit;
      const known = before.get(name);
      const told =
        known !== undefined && isSame(known.from, from) ? known : { from, state: this.#stateOf(from) };
      this.#told.set(name, told);
      states.set(name, told.state);
    }
    return states;
  }

  #stateOf({ unit, reached, restart, problem }: Observation): UnitState {
    const { name, hash, load, active, sub, result } = unit;
    return {
      unit: name,
      machine: this.#machine,
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
}

function isSame(a: Observation, b: Observation): boolean {
  return a.unit === b.unit && a.reached === b.reached && a.restart === b.restart && a.problem === b.problem;
}
