import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cluster, machine, machines, unit, units } from "./cluster-fixture.ts";
import type { Cluster } from "./cluster.ts";
import { explain } from "./explain.ts";
import { schedule } from "./schedule.ts";

function told(seen: Cluster, name: string): readonly string[] | undefined {
  return explain(seen, name)?.map(({ machine: id, here, why, units: count }) =>
    [id, here ? "here" : "-", why ?? "may", count].join(" "),
  );
}

test("a unit without wishes may be anywhere, and stays where it is", () => {
  const seen = cluster({ units: units("a", "b"), machines: machines(2), placements: { a: "m1", b: "m2" } });
  assert.deepEqual(told(seen, "a.service"), ["m1 here may 1", "m2 - may 1"]);
});

test("each machine has its own reason", () => {
  const seen = cluster({
    units: [unit("a", "MachineMetadata=region=eu\nConflicts=b.*"), unit("b"), unit("c")],
    machines: [machine("m1"), { ...machine("m2"), metadata: { region: "eu" } }, machine("m3")],
    placements: { b: "m2", c: "m3" },
  });
  assert.deepEqual(told(seen, "a.service"), [
    "m1 - local Machine metadata insufficient 0",
    "m2 - found conflict with locally-scheduled Unit([b.service]) 1",
    "m3 - local Machine metadata insufficient 1",
  ]);
});

test("a global unit is told as accepted or not, and a unit that is not wanted as if it were", () => {
  const seen = cluster({
    units: [
      unit("g", "Global=true\nConflicts=a.*"),
      unit("a"),
      unit("off", "MachineOf=a.service", "inactive"),
    ],
    machines: machines(2),
    placements: { a: "m1" },
  });
  assert.deepEqual(told(seen, "g.service"), [
    "m1 - found conflict with locally-scheduled Unit([a.service]) 1",
    "m2 here may 1",
  ]);
  assert.deepEqual(told(seen, "off.service"), [
    "m1 - may 1",
    "m2 - required peer Unit(a.service) is not scheduled locally 1",
  ]);
});

test("a cordon says nothing against what is on the machine already, and a drain does", () => {
  const seen = cluster({
    units: [unit("a"), unit("b"), unit("pinned", "MachineID=m1")],
    machines: machines(2),
    placements: { a: "m1", b: "m2", pinned: "m1" },
  });
  const cordoned = { ...seen, cordons: new Map([["m1", { holds: new Set<string>() }]]) };
  assert.deepEqual(told(cordoned, "a.service"), ["m1 here may 2", "m2 - may 1"]);
  assert.deepEqual(told(cordoned, "b.service"), ["m1 - the machine is cordoned 2", "m2 here may 1"]);
  const drained = { ...seen, cordons: new Map([["m1", { holds: new Set<string>(), mostMoving: 1 }]]) };
  assert.deepEqual(told(drained, "a.service"), ["m1 here the machine is being drained 2", "m2 - may 1"]);
  assert.equal(told(drained, "pinned.service")?.[0], "m1 here may 2");
});

test("a template can be nowhere, and an unknown unit is nothing", () => {
  const seen = cluster({ units: units("t@"), machines: machines(1) });
  assert.deepEqual(told(seen, "t@.service"), ['m1 - cannot activate template "t@.service" 0']);
  assert.equal(explain(seen, "none.service"), undefined);
});

test("what the scheduler would do with a new unit agrees with what is told about it", () => {
  const wish = fc.constantFrom(
    "",
    "Conflicts=u0.*",
    "MachineMetadata=k=1",
    "MachineOf=u0.service",
    "MachineID=m2",
  );
  fc.assert(
    fc.property(fc.array(wish, { minLength: 1, maxLength: 6 }), wish, (wishes, last) => {
      const old = wishes.map((options, at) => unit(`u${at}`, options));
      const before = cluster({
        units: old,
        machines: [machine("m1"), { ...machine("m2"), metadata: { k: "1" } }, machine("m3")],
      });
      const placements: Record<string, string> = {};
      for (const decision of schedule(before).decisions)
        if (decision.kind === "place") placements[decision.unit.replace(".service", "")] = decision.on;
      const seen = cluster({ units: [...old, unit("new", last)], machines: before.machines, placements });
      const verdicts = explain(seen, "new.service") ?? [];
      const decision = schedule(seen).decisions.find((each) => each.unit === "new.service");
      if (decision?.kind === "place")
        assert.equal(verdicts.find(({ machine: id }) => id === decision.on)?.why, undefined);
      else assert.ok(verdicts.every(({ why }) => why !== undefined));
    }),
    { numRuns: 300 },
  );
});
