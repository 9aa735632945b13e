import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Scheduled } from "./model.ts";
import { type Attempt, attemptAfter, reconcile, type Tasks } from "./reconcile.ts";
import type { ManagedUnit } from "./unit-manager.ts";

interface Row {
  readonly when: string;
  readonly wanted?: "loaded" | "launched";
  /** Hash and ActiveState of what is there. */
  readonly present?: readonly [hash: string, active: string];
  readonly remembered?: readonly [hash: string, reached: Attempt["reached"], restart?: number];
  /** The daemon ended before systemd took the start that is remembered. */
  readonly unconfirmed?: true;
  /** The restart that was asked for last. */
  readonly restart?: number;
  /** Tasks in order. */
  readonly tasks: string;
  readonly remember?: Attempt["reached"];
}

const rows: readonly Row[] = [
  { when: "new, to be loaded", wanted: "loaded", tasks: "load" },
  { when: "new, to be launched", wanted: "launched", tasks: "load start" },
  {
    when: "the file was deleted by hand",
    wanted: "launched",
    remembered: ["1", "launched"],
    tasks: "load start",
  },
  { when: "not wanted and running", present: ["1", "active"], tasks: "stop unload" },
  { when: "not wanted and stopped", present: ["1", "inactive"], tasks: "unload" },
  { when: "not wanted and failed", present: ["1", "failed"], tasks: "unload" },
  { when: "not wanted and waiting for its next try", present: ["1", "activating"], tasks: "stop unload" },
  {
    when: "another file, running",
    wanted: "launched",
    present: ["0", "active"],
    remembered: ["0", "launched"],
    tasks: "stop load start",
  },
  { when: "another file, stopped", wanted: "launched", present: ["0", "inactive"], tasks: "load start" },
  { when: "another file, only to be loaded", wanted: "loaded", present: ["0", "active"], tasks: "stop load" },
  {
    when: "running already, nothing remembered",
    wanted: "launched",
    present: ["1", "active"],
    tasks: "",
    remember: "launched",
  },
  {
    when: "its start was noted and never taken",
    wanted: "launched",
    present: ["1", "inactive"],
    remembered: ["1", "launched"],
    unconfirmed: true,
    tasks: "start",
  },
  {
    when: "its start was taken and that was not noted any more",
    wanted: "launched",
    present: ["1", "active"],
    remembered: ["1", "launched"],
    unconfirmed: true,
    tasks: "",
    remember: "launched",
  },
  {
    when: "its start was taken unnoted, and it is not wanted launched any more",
    wanted: "loaded",
    present: ["1", "activating"],
    remembered: ["1", "launched"],
    unconfirmed: true,
    tasks: "stop",
  },
  {
    when: "running and started by something else before",
    wanted: "launched",
    present: ["1", "active"],
    remembered: ["1", "loaded"],
    tasks: "",
    remember: "launched",
  },
  {
    when: "loaded and now to be launched",
    wanted: "launched",
    present: ["1", "inactive"],
    remembered: ["1", "loaded"],
    tasks: "start",
  },
  {
    when: "after a restart of the daemon before the start",
    wanted: "launched",
    present: ["1", "inactive"],
    tasks: "start",
  },
  {
    when: "finished, or stopped on the machine itself",
    wanted: "launched",
    present: ["1", "inactive"],
    remembered: ["1", "launched"],
    tasks: "",
  },
  {
    when: "failed",
    wanted: "launched",
    present: ["1", "failed"],
    remembered: ["1", "launched"],
    tasks: "",
  },
  {
    when: "launched with an earlier file",
    wanted: "launched",
    present: ["1", "inactive"],
    remembered: ["0", "launched"],
    tasks: "start",
  },
  {
    when: "launched and now to be only loaded",
    wanted: "loaded",
    present: ["1", "active"],
    remembered: ["1", "launched"],
    tasks: "stop",
  },
  {
    when: "launched, ended, and now to be only loaded",
    wanted: "loaded",
    present: ["1", "failed"],
    remembered: ["1", "launched"],
    tasks: "",
    remember: "loaded",
  },
  {
    when: "loaded, and running by its WantedBy",
    wanted: "loaded",
    present: ["1", "active"],
    remembered: ["1", "loaded"],
    tasks: "",
  },
  {
    when: "running, and a restart is asked for",
    wanted: "launched",
    restart: 7,
    present: ["1", "active"],
    remembered: ["1", "launched"],
    tasks: "restart",
  },
  {
    when: "ended, and a restart is asked for after an earlier one",
    wanted: "launched",
    restart: 7,
    present: ["1", "failed"],
    remembered: ["1", "launched", 5],
    tasks: "restart",
  },
  {
    when: "the restart that is asked for was carried out",
    wanted: "launched",
    restart: 7,
    present: ["1", "active"],
    remembered: ["1", "launched", 7],
    tasks: "",
  },
  {
    when: "a restart was asked for in a schedule older than the last one",
    wanted: "launched",
    restart: 5,
    present: ["1", "active"],
    remembered: ["1", "launched", 7],
    tasks: "",
  },
  {
    when: "running, nothing remembered, and a restart was asked for once",
    wanted: "launched",
    restart: 7,
    present: ["1", "active"],
    tasks: "",
    remember: "launched",
  },
  {
    when: "loaded, and a restart was asked for while it was launched",
    wanted: "loaded",
    restart: 7,
    present: ["1", "inactive"],
    remembered: ["1", "loaded"],
    tasks: "",
  },
  {
    when: "a start comes together with a restart",
    wanted: "launched",
    restart: 7,
    present: ["1", "inactive"],
    remembered: ["1", "loaded"],
    tasks: "start",
  },
];

for (const row of rows) {
  test(`${row.when}: ${row.tasks === "" ? "no task" : row.tasks}`, () => {
    const restart = row.restart === undefined ? {} : { restart: row.restart };
    const wanted: Scheduled[] =
      row.wanted === undefined
        ? []
        : [{ unit: "a.service", text: "text", hash: "1", target: row.wanted, ...restart }];
    const actual = row.present === undefined ? [] : [managed("a.service", ...row.present)];
    const memory = new Map<string, Attempt>();
    if (row.remembered !== undefined) {
      const [hash, reached, done] = row.remembered;
      const unconfirmed = row.unconfirmed === undefined ? {} : { unconfirmed: row.unconfirmed };
      memory.set("a.service", {
        hash,
        reached,
        ...unconfirmed,
        ...(done === undefined ? {} : { restart: done }),
      });
    }
    const tasks = reconcile(wanted, actual, memory);
    assert.equal(kindsOf(tasks), row.tasks);
    assert.equal(tasks.reasons.map(({ task }) => task).join(" "), row.tasks);
    assert.equal(tasks.remember.get("a.service")?.reached, row.remember);
  });
}

test("a file that was written but never loaded is loaded once", () => {
  const wanted: Scheduled[] = [{ unit: "a.service", text: "t", hash: "1", target: "launched" }];
  const lost = { ...managed("a.service", "1", "inactive"), load: "not-found" };
  assert.equal(kindsOf(reconcile(wanted, [lost], new Map())), "load start");
  const tried = new Map([["a.service", { hash: "1", reached: "launched" } as const]]);
  assert.equal(kindsOf(reconcile(wanted, [lost], tried)), "");
});

test("tasks carried out leave nothing to do, and a unit with the right file is stopped only to be loaded", () => {
  fc.assert(
    fc.property(anyWanted, anyActual, anyMemory, (wanted, actual, memory) => {
      const tasks = reconcile(wanted, actual, memory);
      for (const name of tasks.stop) {
        const want = wanted.find(({ unit }) => unit === name);
        const have = actual.find((unit) => unit.name === name);
        assert.ok(want?.hash !== have?.hash || want?.target === "loaded", `${name} was stopped`);
      }
      const after = carryOut(tasks, wanted, actual, memory);
      const again = reconcile(wanted, after.actual, after.memory);
      assert.equal(kindsOf(again), "");
      assert.equal(again.remember.size, 0);
      assert.deepEqual(
        after.actual.map(({ name, hash }) => `${name} ${hash}`).sort(),
        wanted.map(({ unit, hash }) => `${unit} ${hash}`).sort(),
      );
    }),
    { numRuns: 1000 },
  );
});

test("whatever a unit does after its start, it is not started again", () => {
  fc.assert(
    fc.property(
      anyWanted,
      anyActual,
      anyMemory,
      fc.constantFrom("inactive", "failed"),
      (wanted, actual, memory, end) => {
        const after = carryOut(reconcile(wanted, actual, memory), wanted, actual, memory);
        const ended = after.actual.map((unit) => ({ ...unit, active: end }));
        const again = reconcile(wanted, ended, after.memory);
        assert.deepEqual([...again.start, ...again.restart], []);
      },
    ),
  );
});

function managed(name: string, hash: string, active: string): ManagedUnit {
  return { name, hash, load: "loaded", active, sub: active };
}

function kindsOf(tasks: Tasks): string {
  return (["stop", "unload", "load", "start", "restart"] as const)
    .filter((kind) => tasks[kind].length > 0)
    .join(" ");
}

/** A machine and its agent's memory after every task has succeeded. */
function carryOut(
  tasks: Tasks,
  wanted: readonly Scheduled[],
  actual: readonly ManagedUnit[],
  before: ReadonlyMap<string, Attempt>,
): { actual: ManagedUnit[]; memory: Map<string, Attempt> } {
  const units = new Map(actual.map((unit) => [unit.name, unit]));
  const memory = new Map([...before, ...tasks.remember]);
  const lineOf = (name: string): Scheduled => {
    return wanted.find(({ unit }) => unit === name) ?? assert.fail(`${name} is wanted`);
  };
  const set = (name: string, active: string, hash = units.get(name)?.hash ?? ""): void => {
    units.set(name, managed(name, hash, active));
  };
  for (const name of tasks.stop) {
    set(name, "inactive");
    memory.set(name, { hash: units.get(name)?.hash ?? "", reached: "loaded" });
  }
  for (const name of tasks.unload) {
    units.delete(name);
    memory.delete(name);
  }
  for (const { name } of tasks.load) {
    set(name, "inactive", lineOf(name).hash);
    memory.set(name, attemptAfter("load", lineOf(name)));
  }
  for (const name of tasks.start) {
    set(name, "active");
    memory.set(name, attemptAfter("start", lineOf(name)));
  }
  for (const name of tasks.restart) {
    set(name, "active");
    memory.set(name, attemptAfter("restart", lineOf(name)));
  }
  return { actual: [...units.values()], memory };
}

const anyName = fc.constantFrom("a.service", "b.service", "c.timer");
const anyHash = fc.constantFrom("1", "2");
const anyWanted: fc.Arbitrary<Scheduled[]> = fc.uniqueArray(
  fc.record({
    unit: anyName,
    text: fc.constant("text"),
    hash: anyHash,
    target: fc.constantFrom("loaded", "launched"),
    restart: fc.nat(3),
  }),
  { selector: ({ unit }) => unit },
);
const anyActual: fc.Arbitrary<ManagedUnit[]> = fc.uniqueArray(
  fc.record({
    name: anyName,
    hash: anyHash,
    load: fc.constantFrom("loaded", "not-found", "bad-setting"),
    active: fc.constantFrom("active", "activating", "deactivating", "inactive", "failed"),
    sub: fc.constant("x"),
  }),
  { selector: ({ name }) => name },
);
const anyMemory: fc.Arbitrary<Map<string, Attempt>> = fc
  .uniqueArray(
    fc.tuple(
      anyName,
      fc.record({
        hash: anyHash,
        reached: fc.constantFrom<Attempt["reached"]>("loaded", "launched"),
        restart: fc.nat(3),
      }),
    ),
    {
      selector: ([name]) => name,
    },
  )
  .map((entries) => new Map<string, Attempt>(entries));
