import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { machine, unit, units } from "./cluster-fixture.ts";
import type { Plan, PlannedUnit } from "./cluster.ts";
import type { Machine, MachineId, Placement, TargetState, UnitName } from "./model.ts";
import { type PlannedCluster, Planner } from "./planner.ts";
import { schedule } from "./schedule.ts";

test("a history of changes gives the same plans as planning each moment from the beginning", () => {
  fc.assert(
    fc.property(fc.array(anyStep(), { minLength: 1, maxLength: 30 }), (steps) => {
      const cluster = new ChangingCluster();
      const planner = new Planner();
      for (const step of [() => undefined, ...steps]) {
        step(cluster);
        const plan = planner.plan(cluster, cluster.touched);
        cluster.touched.clear();
        assert.deepEqual({ decisions: plan.decisions, holds: plan.holds }, fromTheBeginning(cluster));
        cluster.last = plan;
      }
    }),
    { numRuns: 2000 },
  );
});

test("one more unit is planned without looking at the others; a machine that leaves takes a whole plan", () => {
  const cluster = new ChangingCluster();
  const planner = new Planner();
  for (const one of units("a1", "a2")) cluster.units.set(one.name, one);
  assert.equal(planner.plan(cluster, undefined).whole, true);
  cluster.set(unit("b1", "Conflicts=a*"));
  const plan = planner.plan(cluster, cluster.touched);
  assert.equal(plan.whole, false);
  assert.deepEqual(
    plan.decisions.map(({ kind, unit: name }) => `${kind} ${name}`),
    ["place a1.service", "place a2.service", "place b1.service"],
  );
  cluster.machines = cluster.machines.slice(1);
  assert.equal(planner.plan(cluster, []).whole, true);
});

test("a unit that waits is told when the reasons for it change", () => {
  const cluster = new ChangingCluster();
  const planner = new Planner();
  cluster.machines = [machine("m1")];
  cluster.set(unit("a2"));
  cluster.set(unit("b1", "Conflicts=a*"));
  cluster.carryOut(planner.plan(cluster, undefined), () => true);
  cluster.set(unit("a1"));
  const plan = planner.plan(cluster, cluster.touched);
  assert.equal(plan.whole, false);
  assert.deepEqual(
    plan.decisions.map(({ kind, unit: name }) => `${kind} ${name}`),
    ["place a1.service", "wait b1.service"],
  );
});

test("what was decided is decided again until a placement says that it is so", () => {
  const cluster = new ChangingCluster();
  const planner = new Planner();
  planner.plan(cluster, undefined);
  cluster.set(unit("a1"));
  const first = planner.plan(cluster, ["a1.service"]);
  assert.deepEqual(planner.plan(cluster, []).decisions, first.decisions);
  cluster.carryOut(first, () => true);
  assert.deepEqual(planner.plan(cluster, cluster.touched).decisions, []);
});

test("units of a machine that is missing move as soon as its absence is believed, though nothing else changes", () => {
  const cluster = new ChangingCluster();
  const planner = new Planner();
  cluster.set(unit("a1"));
  cluster.place("a1.service", { machine: "m3" });
  planner.plan(cluster, undefined);
  cluster.machines = cluster.machines.slice(0, 2);
  cluster.uncertain = new Set(["m3"]);
  assert.deepEqual(planner.plan(cluster, []).decisions, []);
  cluster.uncertain = new Set();
  assert.deepEqual(
    planner.plan(cluster, []).decisions.map(({ kind }) => kind),
    ["move"],
  );
});

function fromTheBeginning(cluster: ChangingCluster): Plan {
  const { units: all, machines, uncertain, placements } = cluster;
  return schedule({ units: [...all.values()], machines, uncertain, placements });
}

/** A cluster that changes, and says of which units. */
class ChangingCluster implements PlannedCluster {
  readonly units = new Map<UnitName, PlannedUnit>();
  machines: readonly Machine[] = [
    { ...machine("m1"), metadata: { zone: "a" } },
    { ...machine("m2"), metadata: { zone: "b" } },
    machine("m3"),
  ];
  uncertain: ReadonlySet<MachineId> = new Set();
  readonly placements = new Map<UnitName, Placement>();
  readonly touched = new Set<UnitName>();
  last: Plan = { decisions: [], holds: new Map() };
  #revision = 0;

  set(one: PlannedUnit): void {
    const known = this.units.get(one.name);
    const same = known !== undefined && wishes(known) === wishes(one);
    // As the engine does: a file that says the same has the same wishes.
    this.units.set(one.name, same ? { ...one, requirements: known.requirements } : one);
    this.touched.add(one.name);
  }

  remove(name: UnitName): void {
    this.units.delete(name);
    this.touched.add(name);
  }

  place(name: UnitName, placement: { machine: MachineId } | { waiting: [] } | undefined): void {
    this.#revision += 1;
    if (placement === undefined) this.placements.delete(name);
    else this.placements.set(name, { unit: name, revision: this.#revision, ...placement });
    this.touched.add(name);
  }

  /** As the engine's writes do, each of which may lose its race. */
  carryOut(plan: Plan, succeeds: (name: UnitName) => boolean): void {
    for (const decision of plan.decisions) {
      if (!succeeds(decision.unit)) continue;
      this.#revision += 1;
      const { unit: name } = decision;
      const revision = this.#revision;
      if (decision.kind === "unplace") this.placements.delete(name);
      else if (decision.kind === "wait")
        this.placements.set(name, { unit: name, waiting: decision.because, revision });
      else this.placements.set(name, { unit: name, machine: decision.on, revision });
      this.touched.add(name);
    }
  }
}

function wishes({ requirements }: PlannedUnit): string {
  return JSON.stringify(requirements, (_, value: unknown) =>
    value instanceof Map || value instanceof Set ? [...value] : value,
  );
}

type Step = (cluster: ChangingCluster) => void;

function anyStep(): fc.Arbitrary<Step> {
  const stems = ["a1", "a2", "a3", "b1", "b2", "c1", "c2", "d@", "e@1"];
  const stem = fc.constantFrom(...stems);
  const id = fc.constantFrom("m1", "m2", "m3", "m4");
  const wish = fc.constantFrom(
    "Conflicts=a*",
    "Conflicts=?1.*",
    "Conflicts=c2.service",
    "Conflicts=*",
    "MachineOf=a1.service",
    "MachineOf=b1.service",
    "MachineMetadata=zone=a",
    "MachineID=m2",
    "Replaces=b*",
    "Replaces=a1.service",
    "Global=true",
    "Global=true\nConflicts=a*",
  );
  const options = fc.oneof({ weight: 1, arbitrary: fc.constant("") }, { weight: 2, arbitrary: wish });
  const target = fc.constantFrom<TargetState>("launched", "launched", "launched", "loaded", "inactive");
  return fc.oneof(
    {
      weight: 8,
      arbitrary: fc.tuple(stem, options, target).map(([name, text, wanted]): Step => {
        return (cluster) => cluster.set(unit(name, text, wanted));
      }),
    },
    {
      weight: 3,
      arbitrary: stem.map(
        (name): Step =>
          (cluster) =>
            cluster.remove(`${name}.service`),
      ),
    },
    {
      weight: 8,
      arbitrary: fc.func<[string], boolean>(fc.integer({ max: 4, min: 0 }).map((chance) => chance > 0)).map(
        (succeeds): Step =>
          (cluster) =>
            cluster.carryOut(cluster.last, succeeds),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(stem, fc.option(id)).map(([name, on]): Step => {
        return (cluster) => cluster.place(`${name}.service`, on === null ? { waiting: [] } : { machine: on });
      }),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(id, fc.boolean()).map(([name, uncertain]): Step => {
        return (cluster) => {
          const others = cluster.machines.filter((one) => one.id !== name);
          const joins = others.length === cluster.machines.length;
          cluster.machines = joins ? [...others, machine(name)] : others;
          cluster.uncertain = new Set(uncertain && !joins ? [name] : []);
        };
      }),
    },
  );
}
