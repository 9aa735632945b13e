import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Cluster, Condition, PlannedUnit } from "./cluster.ts";
import {
  afterwards,
  cluster,
  kindsOf,
  machines,
  reasonsOf,
  unit,
  units,
  whereOf,
} from "./cluster-fixture.ts";
import type { MachineId, Placement, UnitName } from "./model.ts";
import { schedule } from "./schedule.ts";
import { placementsAfter, violations } from "./violations.ts";

const wellEverywhere = (): Condition => "well";

/** A drained m1 with one unit at a time on the move. */
const drainM1 = { m1: { mostMoving: 1 } };

/** The placement of a unit once the plan is carried out. */
function placementOf(seen: Cluster, stem: string): Omit<Placement, "revision" | "unit"> | undefined {
  const { placements } = afterwards(seen, schedule(seen));
  const placement = placements.get(`${stem}.service`);
  if (placement === undefined) return undefined;
  const { revision: _revision, unit: _unit, ...rest } = placement;
  return rest;
}

test("a cordoned machine keeps its units and gets no new one, not even a pinned or a global one", () => {
  const seen = cluster({
    units: [...units("old", "new"), unit("pinned", "MachineID=m1"), unit("all", "Global=true")],
    machines: machines(2),
    placements: { old: "m1" },
    cordons: { m1: {} },
  });
  const plan = schedule(seen);
  assert.deepEqual(whereOf(plan), { "new.service": "m2" });
  assert.deepEqual(reasonsOf(plan)["pinned.service"], [
    "the machine is cordoned",
    'agent ID "m2" does not match required "m1"',
  ]);
  assert.deepEqual(plan.holds.get("m1"), ["old.service"]);
  assert.deepEqual(plan.holds.get("m2"), ["all.service", "new.service"]);
  assert.deepEqual(violations(seen, plan), []);
});

test("a cordoned machine keeps the global units it had", () => {
  const seen = cluster({
    units: [unit("all", "Global=true")],
    machines: machines(1),
    cordons: { m1: { holds: new Set(["all.service"]), mostMoving: 1 } },
  });
  assert.deepEqual(schedule(seen).holds.get("m1"), ["all.service"]);
});

test("a drain starts one unit elsewhere, and the next when that one has been handed over", () => {
  let states: Readonly<Record<string, Condition>> = { m1: "well", m2: "pending" };
  const condition = (_unit: PlannedUnit, on: MachineId): Condition => states[on] ?? "absent";
  let seen = cluster({
    units: units("a", "b"),
    machines: machines(2),
    placements: { a: "m1", b: "m1" },
    cordons: drainM1,
    condition,
  });
  const first = schedule(seen);
  assert.deepEqual(kindsOf(first), ["keep a.service"]);
  assert.equal(first.moving, true);
  assert.deepEqual(first.holds.get("m1"), ["a.service", "b.service"]);
  assert.deepEqual(first.holds.get("m2"), ["a.service"]);
  seen = afterwards(seen, first);
  assert.deepEqual(kindsOf(schedule(seen)), [], "while it starts there is nothing to do");

  states = { m1: "well", m2: "well" };
  const second = schedule(seen);
  assert.deepEqual(kindsOf(second), ["succeed a.service", "keep b.service"]);
  assert.deepEqual(second.holds.get("m1"), ["b.service"]);
  seen = afterwards(seen, second);
  seen = afterwards(seen, schedule(seen));
  const last = schedule(seen);
  assert.deepEqual(kindsOf(last), []);
  assert.equal(last.moving, undefined);
  assert.deepEqual(last.holds.get("m1"), []);
});

test("a unit that must never run twice stops before it starts elsewhere, and counts as on the move until it is well", () => {
  const twice = unit("single", "OnPartition=stop");
  const seen = cluster({
    units: [twice, ...units("other")],
    machines: machines(2),
    placements: { single: "m1", other: "m1" },
    cordons: drainM1,
    condition: (of, on) => (of === twice && on === "m2" ? "pending" : "well"),
  });
  assert.deepEqual(placementOf(seen, "other"), { machine: "m1", successor: "m2" });
  const other = afterwards(seen, schedule(seen));
  const single = { ...other, units: [twice] };
  const plan = schedule(single);
  const moved = plan.decisions.find(({ unit: name }) => name === "single.service");
  assert.ok(moved?.kind === "move");
  assert.deepEqual([moved.on, moved.drained], ["m2", "m1"]);

  const waiting = { unit: "single.service", waiting: [], drained: "m1", revision: 9 };
  const between: Cluster = {
    ...seen,
    placements: new Map([...seen.placements, ["single.service", waiting]]),
  };
  assert.deepEqual(placementOf(between, "single"), { machine: "m2", drained: "m1" });
  assert.deepEqual(placementOf(between, "other"), { machine: "m1" }, "its turn has not come");
  const arrived = afterwards(between, schedule(between));
  assert.deepEqual(kindsOf(schedule(arrived)), [], "not well yet");
  const well = { ...arrived, condition: wellEverywhere };
  assert.deepEqual(placementOf(well, "single"), { machine: "m2" });
  assert.deepEqual(placementOf(well, "other"), { machine: "m1", successor: "m2" });
});

test("units that need each other move together and are handed over together", () => {
  let peerIsWell = false;
  const condition = (of: PlannedUnit, on: MachineId): Condition =>
    on === "m2" && of.name === "a.service" && !peerIsWell ? "pending" : "well";
  let seen = cluster({
    units: [unit("a", "MachineOf=z.service"), ...units("z", "b")],
    machines: machines(2),
    placements: { z: "m1", a: "m1", b: "m1" },
    cordons: drainM1,
    condition,
  });
  const first = schedule(seen);
  assert.deepEqual(first.holds.get("m2"), ["a.service", "z.service"]);
  assert.deepEqual(violations(seen, first), []);
  seen = afterwards(seen, first);
  assert.deepEqual(kindsOf(schedule(seen)), []);
  peerIsWell = true;
  const second = schedule(seen);
  assert.deepEqual(kindsOf(second), ["succeed a.service", "keep b.service", "succeed z.service"]);
  assert.deepEqual(violations(seen, second), []);
});

test("a unit that fits nowhere else stays, says why, and moves as soon as it fits", () => {
  const seen = cluster({
    units: [unit("stuck", "Conflicts=other.service"), ...units("other", "free")],
    machines: machines(2),
    placements: { stuck: "m1", other: "m2", free: "m1" },
    cordons: { m1: { mostMoving: 2 } },
    condition: wellEverywhere,
  });
  assert.deepEqual(placementOf(seen, "stuck"), {
    machine: "m1",
    stays: [{ machine: "m2", why: "found conflict with locally-scheduled Unit([other.service])" }],
  });
  assert.deepEqual(placementOf(seen, "free"), { machine: "m1", successor: "m2" });
  const settled = afterwards(seen, schedule(seen));
  const without = { ...settled, units: settled.units.filter(({ name }) => name !== "other.service") };
  assert.deepEqual(placementOf(without, "stuck"), { machine: "m1", successor: "m2" });
});

test("a successor that fails holds nobody else up, and the unit goes on where it is", () => {
  const seen = cluster({
    units: units("a", "b"),
    machines: machines(2),
    placements: { a: "m1", b: "m1" },
    cordons: drainM1,
    condition: (of, on) => (on === "m2" && of.name === "a.service" ? "failed" : "well"),
  });
  const lent = afterwards(seen, schedule(seen));
  assert.deepEqual(placementOf(lent, "a"), { machine: "m1", successor: "m2" });
  assert.deepEqual(placementOf(lent, "b"), { machine: "m1", successor: "m2" });
});

test("when the drained machine goes, the successor takes over; when the successor goes, another one is found", () => {
  const seen = cluster({
    units: units("a"),
    machines: machines(3),
    placements: { a: "m1" },
    cordons: drainM1,
    condition: (_unit, on) => (on === "m1" ? "well" : "pending"),
  });
  const lent = afterwards(seen, schedule(seen));
  const without = (gone: MachineId): Cluster => ({
    ...lent,
    machines: lent.machines.filter(({ id }) => id !== gone),
  });
  assert.deepEqual(kindsOf(schedule(without("m1"))), ["move a.service"]);
  assert.deepEqual(placementOf(without("m1"), "a"), { machine: "m2" });
  assert.deepEqual(placementOf(without("m2"), "a"), { machine: "m1", successor: "m3" });
  const unsure = { ...without("m1"), uncertain: new Set(["m1"]) };
  assert.deepEqual(kindsOf(schedule(unsure)), [], "an absence that is not believed changes nothing");
});

test("the end of a drain takes successors back", () => {
  const seen = cluster({
    units: units("a"),
    machines: machines(2),
    placements: { a: "m1" },
    cordons: drainM1,
    condition: (_unit, on) => (on === "m1" ? "well" : "pending"),
  });
  const lent = { ...afterwards(seen, schedule(seen)), cordons: new Map() };
  assert.deepEqual(placementOf(lent, "a"), { machine: "m1" });
  assert.deepEqual(schedule(lent).holds.get("m2"), []);
});

test("whatever is drained, no rule is broken, few units move at a time, and it comes to an end", () => {
  const options = [
    "",
    "",
    "",
    "Conflicts=u1.service",
    "MachineOf=u2.service",
    "OnPartition=stop",
    "Global=true",
  ];
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...options), { minLength: 1, maxLength: 7 }),
      fc.integer({ min: 2, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.constantFrom<Condition>("pending", "well", "failed"), { minLength: 40, maxLength: 40 }),
      (wishes, count, mostMoving, conditions) => {
        const all = wishes.map((wish, at) => unit(`u${at}`, wish));
        let seen: Cluster = cluster({ units: all, machines: machines(count) });
        seen = afterwards(seen, schedule(seen));
        const before = placementsAfter(seen, { decisions: [], holds: new Map() });
        let step = 0;
        const condition = (of: PlannedUnit, on: MachineId): Condition => {
          if (before.get(of.name) === on) return "well";
          return step > 30 ? "well" : (conditions[(step + of.name.charCodeAt(1)) % 40] ?? "well");
        };
        const globals = new Set(
          all.filter(({ requirements }) => requirements.global).map(({ name }) => name),
        );
        seen = { ...seen, cordons: new Map([["m1", { holds: globals, mostMoving }]]), condition };
        let quiet = 0;
        for (; quiet < 2; step++) {
          const plan = schedule(seen);
          assert.deepEqual(violations(seen, plan), []);
          assert.ok(onTheMove(seen, all) <= mostMoving);
          quiet = plan.decisions.length === 0 && step > 30 ? quiet + 1 : 0;
          seen = afterwards(seen, plan);
          assert.ok(step < 120, "it ends");
        }
        for (const placement of seen.placements.values()) {
          if (!("machine" in placement)) continue;
          assert.equal(placement.successor, undefined);
          assert.equal(placement.drained, undefined);
          if (placement.machine === "m1")
            assert.ok((placement.stays?.length ?? 0) > 0, `${placement.unit} says why`);
        }
      },
    ),
    { numRuns: 300 },
  );
});

/** Units that were stopped for the drain and are not well yet; those that go along with another one do not count. */
function onTheMove(seen: Cluster, all: readonly PlannedUnit[]): number {
  const alone = all.filter(({ requirements }) => requirements.peers.length === 0);
  const names = new Set<UnitName>(alone.map(({ name }) => name));
  return [...seen.placements.values()].filter(
    ({ unit: name, drained }) => drained !== undefined && names.has(name),
  ).length;
}
