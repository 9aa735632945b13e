import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { afterwards, cluster, machine, machines, unit } from "./cluster-fixture.ts";
import type { Cluster, Plan } from "./cluster.ts";
import type { MachineId, TargetState } from "./model.ts";
import { schedule } from "./schedule.ts";
import { placementsAfter, violations } from "./violations.ts";

test("every plan keeps every rule, settles at once, and does not depend on the order of its input", () => {
  fc.assert(
    fc.property(anyCluster(), fc.func<[string], number>(fc.nat()), (seen, shuffle) => {
      const plan = schedule(seen);
      assert.deepEqual(violations(seen, plan), []);
      const settled = afterwards(seen, plan);
      assert.deepEqual(schedule(settled).decisions, []);
      assert.deepEqual(schedule(settled).holds, plan.holds);
      assert.deepEqual(schedule(shuffled(seen, shuffle)), plan);
    }),
    { numRuns: 1500 },
  );
});

test("a waiting unit really fits nowhere: placing it anywhere by hand breaks a rule", () => {
  fc.assert(
    fc.property(anyCluster({ replaces: false }), (seen) => {
      const plan = schedule(seen);
      for (const decision of plan.decisions) {
        if (decision.kind !== "wait") continue;
        for (const { id } of seen.machines) {
          const forced = withUnitOn(seen, plan, decision.unit, id);
          assert.notDeepEqual(violations(seen, forced), [], `${decision.unit} would have fitted on ${id}`);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test("units without wishes are spread within one", () => {
  fc.assert(
    fc.property(fc.nat(60), fc.integer({ min: 1, max: 9 }), (count, size) => {
      const many = Array.from({ length: count }, (_, at) => unit(`u${at}`));
      const loads = Array.from(
        schedule(cluster({ units: many, machines: machines(size) })).holds.values(),
        (names) => names.length,
      );
      assert.ok(Math.max(...loads) - Math.min(...loads) <= 1);
    }),
  );
});

/** The plan with one unit put on a machine against its will; globals there that conflict with it stay. */
function withUnitOn(seen: Cluster, plan: Plan, name: string, on: MachineId): Plan {
  const decisions = plan.decisions.filter((decision) => decision.unit !== name);
  const before = seen.placements.get(name);
  const from = before !== undefined && "machine" in before ? before.machine : undefined;
  const revision = before?.revision ?? 0;
  if (from === undefined) decisions.push({ kind: "place", unit: name, on, seen: revision, reason: "" });
  else if (from !== on) decisions.push({ kind: "move", unit: name, from, on, seen: revision, because: "" });
  const holds = new Map(plan.holds);
  holds.set(on, [...(holds.get(on) ?? []), name].sort());
  assert.equal(placementsAfter(seen, { decisions, holds }).get(name), on);
  return { decisions, holds };
}

function anyCluster(only: { replaces: boolean } = { replaces: true }): fc.Arbitrary<Cluster> {
  const stems = ["a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "d@", "e@1"];
  const names = stems.map((stem) => `${stem}.service`);
  const patterns = fc.constantFrom("a*", "b*", "?1.*", "c2.service", "a2.service", "*", "[");
  const ids = fc.constantFrom("m1", "m2", "m3", "m4", "m5");
  const few = <T>(one: fc.Arbitrary<T>, most: number): fc.Arbitrary<T[]> =>
    fc.oneof(
      { weight: 3, arbitrary: fc.constant<T[]>([]) },
      { weight: 1, arbitrary: fc.array(one, { maxLength: most }) },
    );
  const options = fc
    .record({
      MachineOf: few(fc.constantFrom(...names), 2),
      MachineMetadata: few(fc.constantFrom("zone=a", "zone=b", "disk=ssd"), 2),
      Conflicts: few(patterns, 2),
      Replaces: only.replaces ? few(patterns, 1) : fc.constant<string[]>([]),
      MachineID: few(ids, 1),
      Global: few(fc.constant("true"), 1),
    })
    .map((record) =>
      Object.entries(record)
        .flatMap(([name, values]) => values.map((value) => `${name}=${value}`))
        .join("\n"),
    );
  const target = fc.constantFrom<TargetState>("launched", "launched", "launched", "loaded", "inactive");
  const anyMachine = fc.record({
    id: ids,
    metadata: fc.constantFrom<Record<string, string>>(
      {},
      { zone: "a" },
      { zone: "b", disk: "ssd" },
      { zone: "a", disk: "ssd" },
    ),
  });
  return fc
    .record({
      units: fc.uniqueArray(fc.tuple(fc.constantFrom(...stems), options, target), {
        selector: ([stem]) => stem,
      }),
      machines: fc.uniqueArray(anyMachine, { selector: ({ id }) => id, maxLength: 5 }),
      uncertain: fc.uniqueArray(ids, { maxLength: 2 }),
      placed: fc.uniqueArray(fc.tuple(fc.constantFrom(...stems), ids, fc.nat(3)), {
        selector: ([stem]) => stem,
        maxLength: 8,
      }),
    })
    .map((parts) => ({
      units: parts.units.map(([stem, text, wanted]) => unit(stem, text, wanted)),
      machines: parts.machines.map(({ id, metadata }) => ({ ...machine(id), metadata })),
      uncertain: new Set(parts.uncertain),
      placements: new Map(
        parts.placed.map(([stem, on, revision]) => [
          `${stem}.service`,
          { unit: `${stem}.service`, machine: on, revision: revision + 1 },
        ]),
      ),
    }));
}

function shuffled(seen: Cluster, chance: (value: string) => number): Cluster {
  const shuffle = <T>(list: readonly T[], key: (one: T) => string): T[] =>
    [...list].sort((left, right) => chance(key(left)) - chance(key(right)));
  return {
    ...seen,
    units: shuffle(seen.units, ({ name }) => name),
    machines: shuffle(seen.machines, ({ id }) => id),
    placements: new Map(shuffle([...seen.placements], ([name]) => name)),
  };
}
