import assert from "node:assert/strict";
import { test } from "node:test";
import {
  afterwards,
  cluster,
  kindsOf,
  machine,
  machines,
  reasonsOf,
  unit,
  units,
  whereOf,
} from "./cluster-fixture.ts";
import type { Decision, Plan, PlannedUnit } from "./cluster.ts";
import type { Machine, TargetState } from "./model.ts";
import { schedule } from "./schedule.ts";
import { violations } from "./violations.ts";

test("spread: units go to the machine with the fewest, and the first ID decides between equals", () => {
  const plan = schedule(cluster({ units: units("a", "b", "c", "d"), machines: machines(3) }));
  assert.deepEqual(whereOf(plan), {
    "a.service": "m1",
    "b.service": "m2",
    "c.service": "m3",
    "d.service": "m1",
  });
  assert.deepEqual(plan.decisions[0], {
    kind: "place",
    unit: "a.service",
    on: "m1",
    seen: 0,
    reason: "fewest units (0) of 3 fitting machines",
  });
  assert.deepEqual(plan.holds.get("m1"), ["a.service", "d.service"]);
});

test("a placement that is allowed is kept when a machine joins", () => {
  const plan = schedule(
    cluster({ units: units("a", "b"), machines: machines(2), placements: { a: "m1", b: "m1" } }),
  );
  assert.deepEqual(plan.decisions, []);
});

test("a machine that went away gives its units to others; one whose absence is not certain keeps them", () => {
  const gone = { units: units("a"), machines: machines(1), placements: { a: "m9" } };
  assert.deepEqual(schedule(cluster(gone)).decisions, [
    {
      kind: "move",
      unit: "a.service",
      from: "m9",
      on: "m1",
      seen: 1,
      because: "target Machine(m9) went away",
    },
  ]);
  assert.deepEqual(schedule(cluster({ ...gone, uncertain: ["m9"] })).decisions, []);
});

test("inactive and destroyed units lose their placement, also one that says they wait", () => {
  const seen = cluster({
    units: [unit("a", "", "inactive"), unit("c", "", "inactive")],
    machines: machines(1),
    placements: { a: "m1", b: "m1" },
  });
  const placements = new Map(seen.placements);
  placements.set("c.service", {
    unit: "c.service",
    waiting: [{ why: "zero agents available" }],
    revision: 7,
  });
  assert.deepEqual(schedule({ ...seen, placements }).decisions, [
    { kind: "unplace", unit: "a.service", from: "m1", seen: 1, because: "target state inactive" },
    { kind: "unplace", unit: "b.service", from: "m1", seen: 2, because: "unit was destroyed" },
    { kind: "unplace", unit: "c.service", seen: 7, because: "target state inactive" },
  ]);
});

test("a unit that became global gives up its placement and runs everywhere", () => {
  const plan = schedule(
    cluster({ units: [unit("a", "Global=true")], machines: machines(2), placements: { a: "m1" } }),
  );
  assert.deepEqual(plan.decisions, [
    { kind: "unplace", unit: "a.service", from: "m1", seen: 1, because: "unit is global" },
  ]);
  assert.deepEqual([...plan.holds.values()], [["a.service"], ["a.service"]]);
});

test("a unit that fits nowhere says why for every machine, once", () => {
  const seen = cluster({
    units: [
      unit("a", "MachineMetadata=disk=ssd"),
      unit("b", "MachineID=m7"),
      unit("c", "Conflicts=x.service"),
      unit("d", "MachineOf=nowhere.service"),
      unit("x", "MachineID=m1"),
    ],
    machines: machines(1),
    placements: { x: "m1" },
  });
  const plan = schedule(seen);
  assert.deepEqual(reasonsOf(plan), {
    "a.service": ["local Machine metadata insufficient"],
    "b.service": ['agent ID "m1" does not match required "m7"'],
    "c.service": ["found conflict with locally-scheduled Unit([x.service])"],
    "d.service": ["required peer Unit(nowhere.service) is not scheduled locally"],
  });
  assert.deepEqual(schedule(afterwards(seen, plan)).decisions, []);
  assert.deepEqual(reasonsOf(schedule({ ...seen, machines: [] }))["a.service"], ["zero agents available"]);
});

test("metadata that changed moves the unit to a machine that fits", () => {
  const ssd = (id: string): Machine => ({ ...machine(id), metadata: { disk: "ssd" } });
  const plan = schedule(
    cluster({
      units: [unit("a", "MachineMetadata=disk=ssd")],
      machines: [machine("m1"), ssd("m2")],
      placements: { a: "m1" },
    }),
  );
  const because = "target Machine(m1) unable to run unit: local Machine metadata insufficient";
  assert.deepEqual(plan.decisions, [
    { kind: "move", unit: "a.service", from: "m1", on: "m2", seen: 1, because },
  ]);
});

test("metadata: values of one key are alternatives, keys add up, properties of objects are no metadata", () => {
  const fits = (options: string, metadata: Record<string, string>): boolean =>
    Object.keys(
      whereOf(schedule(cluster({ units: [unit("a", options)], machines: [{ ...machine("m1"), metadata }] }))),
    ).length === 1;
  const either = "MachineMetadata=zone=a\nMachineMetadata=zone=b";
  assert.equal(fits(either, { zone: "b" }), true);
  assert.equal(fits(either, { zone: "c" }), false);
  assert.equal(fits(`${either}\nMachineMetadata=disk=ssd`, { zone: "a" }), false);
  assert.equal(fits('MachineMetadata="zone=a" "disk=ssd"', { zone: "a", disk: "ssd" }), true);
  assert.equal(fits("MachineMetadata=a=b=c", {}), true);
  assert.equal(fits("MachineMetadata=constructor=x", {}), false);
});

test("MachineID takes the full ID or its first eight characters", () => {
  const id = "0123456789abcdef0123456789abcdef";
  const fits = (wanted: string): boolean =>
    schedule(cluster({ units: [unit("a", `MachineID=${wanted}`)], machines: [machine(id)] })).holds.get(id)
      ?.length === 1;
  assert.deepEqual([id, "01234567", "0123456", "012345678"].map(fits), [true, true, false, false]);
});

test("MachineOf: pairs created together are placed together, whatever their names, and move together", () => {
  const pairs = [
    unit("ping.1"),
    unit("pong.1", "MachineOf=ping.1.service"),
    unit("zeta"),
    unit("alpha", "MachineOf=beta.service"),
    unit("beta", "MachineOf=zeta.service"),
  ];
  const seen = cluster({ units: pairs, machines: machines(3) });
  const plan = schedule(seen);
  const where = whereOf(plan);
  assert.equal(where["pong.1.service"], where["ping.1.service"]);
  assert.equal(where["alpha.service"], where["zeta.service"]);
  const lost = where["ping.1.service"];
  const after = afterwards(seen, plan);
  const moved = schedule({ ...after, machines: after.machines.filter(({ id }) => id !== lost) });
  const kinds = moved.decisions.filter(({ unit: name }) => /^p[io]ng/.test(name)).map(({ kind }) => kind);
  assert.deepEqual(kinds, ["move", "move"]);
  assert.equal(whereOf(moved)["pong.1.service"], whereOf(moved)["ping.1.service"]);
});

test("MachineOf: units that wait for each other are never placed", () => {
  const plan = schedule(
    cluster({
      units: [unit("a", "MachineOf=b.service"), unit("b", "MachineOf=a.service")],
      machines: machines(2),
    }),
  );
  assert.deepEqual(kindsOf(plan), ["wait a.service", "wait b.service"]);
});

test("MachineOf: a global unit is a peer where it was accepted", () => {
  const zone = { ...machine("m2"), metadata: { zone: "a" } };
  const plan = schedule(
    cluster({
      units: [unit("all", "Global=true\nMachineMetadata=zone=a"), unit("f", "MachineOf=all.service")],
      machines: [machine("m1"), zone],
    }),
  );
  assert.deepEqual(whereOf(plan), { "f.service": "m2" });
});

test("Conflicts: five units against each other on three machines, three run and the others wait", () => {
  for (const options of [
    "Conflicts=conflict.*.service",
    "Conflicts=conflict.0.service conflict.1.service conflict.2.service conflict.3.service conflict.4.service",
    "Conflicts=conflict.0.service\nConflicts=conflict.1.service conflict.2.service\nConflicts=conflict.[34].service",
  ]) {
    const five = [0, 1, 2, 3, 4].map((number) => unit(`conflict.${number}`, options));
    const plan = schedule(cluster({ units: five, machines: machines(3) }));
    assert.deepEqual(Object.values(whereOf(plan)), ["m1", "m2", "m3"]);
    assert.deepEqual(kindsOf(plan).slice(3), ["wait conflict.3.service", "wait conflict.4.service"]);
  }
});

test("Conflicts of one side keep the other away, until that one is destroyed", () => {
  const seen = cluster({
    units: [unit("conflicts-with-hello", "Conflicts=hello.service"), unit("hello")],
    machines: machines(1),
  });
  const plan = schedule(seen);
  assert.deepEqual(kindsOf(plan), ["place conflicts-with-hello.service", "wait hello.service"]);
  const after = afterwards(seen, plan);
  const freed = { ...after, units: after.units.filter(({ name }) => name === "hello.service") };
  assert.deepEqual(kindsOf(schedule(freed)), ["unplace conflicts-with-hello.service", "place hello.service"]);
});

test("Conflicts among placed units: the one that has been there longest stays", () => {
  const both = [unit("a", "Conflicts=b.service"), unit("b")];
  const seen = cluster({ units: both, machines: machines(2), placements: { b: "m1", a: "m1" } });
  assert.deepEqual(kindsOf(schedule(seen)), ["move a.service"]);
});

test("global units: two in conflict run nowhere together, the first by name wins", () => {
  const plan = schedule(
    cluster({
      units: [
        unit("conflict-global.0", "Global=true\nConflicts=conflict-global.*"),
        unit("conflict-global.1", "Global=true\nConflicts=conflict-global.*"),
      ],
      machines: machines(2),
    }),
  );
  assert.deepEqual([...plan.holds.values()], [["conflict-global.0.service"], ["conflict-global.0.service"]]);
});

test("global units: never stop a placed unit, keep new ones away, and count only when they are wanted", () => {
  const global = (target: TargetState): PlannedUnit =>
    unit("aa", "Global=true\nConflicts=zz.service", target);
  const placed = { machines: machines(1), placements: { zz: "m1" } };
  assert.deepEqual(
    schedule(cluster({ units: [global("launched"), unit("zz")], ...placed })).holds.get("m1"),
    ["zz.service"],
  );
  const fresh = schedule(cluster({ units: [global("launched"), unit("zz")], machines: machines(1) }));
  assert.deepEqual(kindsOf(fresh), ["wait zz.service"]);
  const idle = schedule(cluster({ units: [global("inactive"), unit("zz")], machines: machines(1) }));
  assert.deepEqual(idle.holds.get("m1"), ["zz.service"]);
});

test("Replaces: the newcomer takes the machine and the replaced unit moves", () => {
  const seen = cluster({
    units: [
      unit("replace.0"),
      unit("replace.1"),
      unit("replace.2", "MachineOf=replace.1.service"),
      unit("replace-kick0", "Replaces=replace.0.service"),
    ],
    machines: machines(2),
    placements: { "replace.0": "m1", "replace.1": "m2", "replace.2": "m2" },
  });
  const plan = schedule(seen);
  assert.deepEqual(kindsOf(plan), ["place replace-kick0.service", "move replace.0.service"]);
  assert.equal(whereOf(plan)["replace-kick0.service"], "m1");
  assert.deepEqual(schedule(afterwards(seen, plan)).decisions, []);
});

test("Replaces: when the replaced unit fits nowhere else the newcomer waits and says so", () => {
  for (const seen of [
    cluster({
      units: [unit("kick", "Replaces=old.service"), unit("old")],
      machines: machines(1),
      placements: { old: "m1" },
    }),
    cluster({
      units: [unit("kick", "Replaces=old.service\nMachineMetadata=a=b"), unit("old", "MachineID=m1")],
      machines: [{ ...machine("m1"), metadata: { a: "b" } }, machine("m2")],
      placements: { old: "m1" },
    }),
  ]) {
    const plan = schedule(seen);
    assert.deepEqual(kindsOf(plan), ["wait kick.service"]);
    assert.equal(
      reasonsOf(plan)["kick.service"]?.[0],
      "found replace with locally-scheduled Unit(old.service), which fits nowhere else",
    );
    assert.deepEqual(schedule(afterwards(seen, plan)).decisions, []);
  }
});

test("Replaces: units that need the replaced one beside them go with it", () => {
  const seen = cluster({
    units: [
      unit("kick", "Replaces=old.service\nMachineID=m2"),
      unit("mate", "MachineOf=old.service"),
      unit("old"),
      unit("x"),
    ],
    machines: machines(2),
    placements: { old: "m2", mate: "m2", x: "m1" },
  });
  const plan = schedule(seen);
  assert.equal(whereOf(plan)["kick.service"], "m2");
  assert.equal(whereOf(plan)["old.service"], "m1");
  assert.equal(whereOf(plan)["mate.service"], "m1");
});

test("Replaces: units that came to share a machine are parted as soon as the replaced one fits elsewhere", () => {
  const shared = {
    units: [unit("kick", "Replaces=old.service"), unit("old")],
    placements: { kick: "m1", old: "m1" },
  };
  assert.deepEqual(schedule(cluster({ ...shared, machines: machines(1) })).decisions, []);
  const plan = schedule(cluster({ ...shared, machines: machines(2) }));
  assert.deepEqual(kindsOf(plan), ["move old.service"]);
});

test("Replaces: a move that fails half-way leaves everything as it was, global units too", () => {
  const first = { ...machine("m1"), metadata: { zone: "a" } };
  const seen = cluster({
    units: [
      unit("global", "Global=true\nConflicts=old.service\nMachineMetadata=zone=a"),
      unit("kick", "Replaces=old.service"),
      unit("mate", "MachineOf=old.service\nMachineMetadata=zone=a"),
      unit("old"),
    ],
    machines: [first, machine("m2")],
    placements: { kick: "m1", mate: "m1", old: "m1" },
  });
  const plan = schedule(seen);
  assert.deepEqual(plan.decisions, []);
  assert.deepEqual(plan.holds.get("m1"), ["kick.service", "mate.service", "old.service"]);
});

test("of two units that replace each other only one runs, and the other as soon as that one has gone", () => {
  const pair = [unit("a", "Replaces=b.service"), unit("b", "Replaces=a.service"), unit("c")];
  const first = schedule(cluster({ units: pair, machines: machines(2) }));
  assert.deepEqual(kindsOf(first), ["place a.service", "wait b.service", "place c.service"]);
  assert.deepEqual(reasonsOf(first), {
    "b.service": ["replaces Unit(a.service), which replaces it too and has a machine: only one of them runs"],
  });
  const second = schedule(cluster({ units: pair, machines: machines(2), placements: { b: "m2", c: "m1" } }));
  assert.deepEqual(kindsOf(second), ["wait a.service"], "the one that has a machine stays");
  const gone = pair.map((each) =>
    each.name === "a.service" ? { ...each, target: "inactive" as const } : each,
  );
  assert.deepEqual(
    kindsOf(schedule(cluster({ units: gone, machines: machines(1), placements: { c: "m1" } }))),
    ["place b.service"],
  );
});

test("units that replace each other and both have a machine keep it, also together", () => {
  const seen = cluster({
    units: [unit("a", "Replaces=b.service"), unit("b", "Replaces=a.service")],
    machines: machines(2),
    placements: { a: "m1", b: "m1" },
  });
  assert.deepEqual(schedule(seen).decisions, []);
});

test("a unit waits for one that replaces it, and that it replaces, on a machine whose absence is not certain", () => {
  const seen = cluster({
    units: [unit("a", "Replaces=b.service"), unit("b", "Replaces=a.service")],
    machines: machines(1),
    uncertain: ["m2"],
    placements: { b: "m2" },
  });
  assert.deepEqual(kindsOf(schedule(seen)), ["wait a.service"]);
});

test("a template is never placed", () => {
  const plan = schedule(cluster({ units: [unit("a@"), unit("g@", "Global=yes")], machines: machines(1) }));
  assert.deepEqual(reasonsOf(plan), { "a@.service": ['cannot activate template "a@.service"'] });
  assert.deepEqual(plan.holds.get("m1"), []);
});

test("a plan that breaks a rule is found out", () => {
  const seen = cluster({
    units: [
      unit("a", "Conflicts=b.service"),
      unit("b"),
      unit("f", "MachineOf=c.service"),
      unit("g", "Global=1"),
    ],
    machines: machines(1),
  });
  const place = (name: string): Decision => ({ kind: "place", unit: name, on: "m1", seen: 0, reason: "" });
  const plan: Plan = {
    decisions: [place("a.service"), place("b.service"), place("f.service")],
    holds: new Map([["m1", ["a.service", "b.service", "f.service"]]]),
  };
  assert.deepEqual(violations(seen, plan), [
    "a.service on m1: conflicts with b.service",
    "b.service on m1: conflicts with a.service",
    "f.service on m1: peer c.service is not there",
    "global g.service fits m1 but is not there",
  ]);
});
