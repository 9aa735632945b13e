import { parseUnitFile } from "../unit/parse.ts";
import type { Cluster, Cordoned, Plan, PlannedUnit } from "./cluster.ts";
import type { Machine, MachineId, Placement, TargetState } from "./model.ts";
import { requirementsOf } from "./options.ts";

/** A service with these lines in its [X-Fleet] section. */
export function unit(stem: string, options = "", target: TargetState = "launched"): PlannedUnit {
  const name = `${stem}.service`;
  const { file } = parseUnitFile(`[X-Fleet]\n${options}\n`);
  return { name, target, hash: "0".repeat(40), requirements: requirementsOf(file, name) };
}

/** Services without any wish. */
export function units(...stems: string[]): PlannedUnit[] {
  return stems.map((stem) => unit(stem));
}

/** A machine without metadata. */
export function machine(id: MachineId): Machine {
  return { id, address: "", metadata: {}, version: "1" };
}

/** Machines m1, m2 and so on. */
export function machines(count: number): Machine[] {
  return Array.from({ length: count }, (_, at) => machine(`m${at + 1}`));
}

/** A cluster in which units are named by their stems. */
export function cluster(parts: {
  units: readonly PlannedUnit[];
  machines: readonly Machine[];
  uncertain?: readonly MachineId[];
  readonly cordons?: Readonly<Record<MachineId, Partial<Cordoned>>>;
  readonly condition?: NonNullable<Cluster["condition"]>;
  /** Stem of a unit to its machine; the first one was placed first. */
  placements?: Readonly<Record<string, MachineId>>;
}): Cluster {
  const placements = new Map<string, Placement>();
  for (const [stem, on] of Object.entries(parts.placements ?? {})) {
    const name = `${stem}.service`;
    placements.set(name, { unit: name, machine: on, revision: placements.size + 1 });
  }
  const cordons = new Map<MachineId, Cordoned>();
  for (const [id, cordoned] of Object.entries(parts.cordons ?? {}))
    cordons.set(id, { holds: new Set(), ...cordoned });
  return {
    units: parts.units,
    machines: parts.machines,
    uncertain: new Set(parts.uncertain),
    placements,
    cordons,
    ...(parts.condition === undefined ? {} : { condition: parts.condition }),
  };
}

/** The cluster once the engine has written what the plan says. */
export function afterwards(seen: Cluster, plan: Plan): Cluster {
  const placements = new Map(seen.placements);
  let revision = 1000;
  for (const decision of plan.decisions) {
    revision++;
    const name = decision.unit;
    if (decision.kind === "unplace") placements.delete(name);
    else if (decision.kind === "keep") {
      const { on: machineId, successor, drained, stays } = decision;
      placements.set(name, {
        unit: name,
        machine: machineId,
        revision,
        ...(successor === undefined ? {} : { successor }),
        ...(drained === undefined ? {} : { drained }),
        ...(stays === undefined ? {} : { stays }),
      });
    } else if (decision.kind === "wait")
      placements.set(name, { unit: name, waiting: decision.because, revision, ...drainedOf(decision) });
    else placements.set(name, { unit: name, machine: decision.on, revision, ...drainedOf(decision) });
  }
  return { ...seen, placements };
}

function drainedOf(decision: { readonly kind: string; readonly drained?: MachineId }): {
  drained?: MachineId;
} {
  return decision.drained === undefined ? {} : { drained: decision.drained };
}

/** The machine of every unit that the plan places or moves. */
export function whereOf(plan: Plan): Record<string, MachineId> {
  return Object.fromEntries(plan.decisions.flatMap((d) => ("on" in d ? [[d.unit, d.on]] : [])));
}

/** What the plan does with whom. */
export function kindsOf(plan: Plan): string[] {
  return plan.decisions.map((decision) => `${decision.kind} ${decision.unit}`);
}

/** For every unit that has to wait, why it cannot be on each machine. */
export function reasonsOf(plan: Plan): Record<string, string[]> {
  return Object.fromEntries(
    plan.decisions.flatMap((d) => (d.kind === "wait" ? [[d.unit, d.because.map(({ why }) => why)]] : [])),
  );
}
