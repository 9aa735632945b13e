import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { hashUnitText } from "../unit/hash.ts";
import { EventFeed } from "./event-feed.ts";
import { keptEvents, whatToForget } from "./event-keeper.ts";
import {
  type EventNote,
  type EventsAt,
  EventWriter,
  fewReasons,
  fromTheStart,
  inOrder,
  isAfter,
  mostReasons,
  passes,
  readCursor,
  readFilter,
} from "./events.ts";
import { FakeMachine, fakeTtlMs } from "./fake-machine.ts";
import { StateNotes } from "./state-notes.ts";

const everything = { units: [], machines: [], kinds: [] };
const me = "1".repeat(32);

function record(revision: number, count: number, key = `k${revision}`): EventsAt {
  const events = Array.from({ length: count }, (): EventNote => ({ kind: "unit.created", unit: key }));
  return { key, revision, record: { at: 0, writer: me, events } };
}

test("events have cursors in the order of the store, also where several share a revision", () => {
  const events = inOrder([record(7, 1, "b"), record(9, 2), record(7, 2, "a")]);
  assert.deepEqual(
    events.map(({ id, unit }) => [id, unit]),
    [
      ["7-0", "a"],
      ["7-1", "a"],
      ["7-2", "b"],
      ["9-0", "k9"],
      ["9-1", "k9"],
    ],
  );
  const after = (text: string): string[] => {
    const cursor = readCursor(text);
    assert.ok(cursor);
    return events.filter(({ id }) => isAfter(id, cursor)).map(({ id }) => id);
  };
  assert.deepEqual(after("7-1"), ["7-2", "9-0", "9-1"]);
  assert.deepEqual(after("7"), ["9-0", "9-1"]);
  assert.deepEqual(after("9-1"), []);
  for (const bad of ["", "x", "7-", "-1", "7-1-1", "1e3"]) assert.equal(readCursor(bad), undefined, bad);
});

test("the oldest events go together, and no revision is torn", () => {
  const few = Array.from({ length: 100 }, (_, at) => record(at + 1, 20));
  assert.deepEqual(whatToForget(few), { keys: [], upTo: 0 });
  const many = [...few, record(200, 1, "x"), record(200, keptEvents / 2, "y")];
  const { keys, upTo } = whatToForget(many);
  assert.deepEqual([keys.length, upTo], [51, 51]);
  assert.deepEqual(whatToForget([record(1, keptEvents, "a"), record(1, keptEvents, "b"), record(2, 1)]), {
    keys: ["a", "b"],
    upTo: 1,
  });
});

test("a filter takes units, machines by their first eight characters, and kinds by their first word", () => {
  const other = "2".repeat(32);
  const moved: EventNote = { kind: "decision.moved", unit: "a.service", machine: me, from: other };
  const row = (query: string): boolean => {
    const filter = readFilter(new URLSearchParams(query));
    assert.ok(!("problem" in filter), query);
    return passes(moved, filter);
  };
  for (const query of [
    "",
    "unit=a.service",
    "kind=decision",
    "kind=decision.moved",
    "machine=22222222",
    "unit=b&unit=a.service",
  ])
    assert.equal(row(query), true, query);
  for (const query of [
    "unit=b",
    "kind=unit",
    "machine=2222",
    "machine=33333333",
    "unit=a.service&kind=state",
  ])
    assert.equal(row(query), false, query);
  const refused = readFilter(new URLSearchParams("kind=decide"));
  assert.ok("problem" in refused);
  assert.match(refused.problem, /no kind of event "decide": use unit\.created, .*, decision, state$/);
});

test("reasons of many machines are cut short", () => {
  const reasons = Array.from({ length: mostReasons + 5 }, () => ({ machine: me, why: "no" }));
  assert.deepEqual(fewReasons(reasons).at(-1), { why: "and 5 more machines" });
  assert.equal(fewReasons(reasons.slice(5)).length, mostReasons);
});

test("a unit that starts over and over is written down a few times a minute only, and what was left out is counted", () => {
  let now = 0;
  const notes = new StateNotes(me, () => now);
  const change = (active: string): readonly EventNote[] =>
    notes.of([
      {
        unit: "a.service",
        state: {
          unit: "a.service",
          machine: me,
          hash: "",
          load: "loaded",
          active,
          sub: "",
          reached: "launched",
        },
      },
    ]);
  assert.equal(change("active").length, 1);
  assert.equal(change("active").length, 0);
  for (let turn = 0; turn < 100; turn++) change(turn % 2 === 0 ? "failed" : "active");
  now = 60_000;
  assert.deepEqual(
    change("failed").map(({ omitted }) => omitted),
    [81],
  );
  assert.deepEqual(
    notes.of([{ unit: "a.service", state: undefined }])[0]?.because,
    "not on this machine any more",
  );
  // What could not be published is written down again.
  assert.equal(change("active").length, 1);
  notes.forget(["a.service"]);
  assert.equal(change("active").length, 1);
});

interface History {
  readonly env: FakeEnv;
  readonly store: Store;
  readonly machines: readonly FakeMachine[];
  readonly feed: EventFeed;
}

async function withHistory(count: number, body: (history: History) => Promise<void>): Promise<void> {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const machines = Array.from({ length: count }, (_, at) => new FakeMachine(env, store, at + 1));
  const feed = new EventFeed(env, store, 1000);
  for (const machine of machines) machine.start();
  await env.advance(1000);
  const release = await feed.hold(new AbortController().signal);
  await env.settle();
  try {
    await body({ env, store, machines, feed });
  } finally {
    release();
    feed.close();
    for (const machine of machines) await machine.crash();
    await store.close();
  }
}

function unitOf(name: string, text: string): { name: string; text: string; hash: string } {
  return { name, text, hash: hashUnitText(text) };
}

function lines(feed: EventFeed, unit?: string): string[] {
  const filter = { ...everything, units: unit === undefined ? [] : [unit] };
  return feed
    .page(fromTheStart, filter)
    .events.map(({ kind, machine, from, target, because, state, by }) =>
      [
        kind,
        machine?.[0],
        from?.[0],
        target,
        kind.startsWith("decision") ? because : undefined,
        state?.active,
        by?.user,
      ]
        .filter((part) => part !== undefined)
        .join(" "),
    );
}

test("the history tells who wanted what, what was decided and why, and what became of it", async () => {
  await withHistory(2, async ({ env, machines: [first, second], feed }) => {
    assert.ok(first && second);
    const by = { user: "core@laptop" };
    const text = "[Service]\nExecStart=/bin/true\n";
    await first.registry.create({ ...unitOf("a.service", text), target: "launched" }, by);
    await env.advance(1000);
    await first.registry.setTarget("a.service", "loaded", by);
    await env.advance(1000);
    await first.registry.destroy("a.service");
    await env.advance(1000);
    assert.deepEqual(lines(feed, "a.service"), [
      "unit.created launched core@laptop",
      "decision.placed 1 fewest units (0) of 2 fitting machines",
      "state.changed 1 active",
      "unit.target loaded core@laptop",
      "state.changed 1 inactive",
      "unit.destroyed",
      "decision.unplaced 1 unit was destroyed",
      "state.changed 1",
    ]);
    const nowhere = unitOf("b.service", "[X-Fleet]\nMachineID=nowhere\n");
    await first.registry.create({ ...nowhere, target: "launched" });
    await env.advance(1000);
    assert.deepEqual(lines(feed, "b.service"), [
      "unit.created launched",
      "decision.waiting it cannot be placed",
    ]);
    assert.deepEqual(lines(feed).slice(0, 2).toSorted(), ["machine.joined 1", "machine.joined 2"]);
  });
});

test("that a machine has gone is written down once, by whoever leads then", async () => {
  await withHistory(3, async ({ env, machines, feed }) => {
    await machines[0]?.crash();
    await env.advance(fakeTtlMs + 2000);
    assert.deepEqual(
      lines(feed).filter((line) => line.startsWith("machine.left")),
      ["machine.left 1"],
    );
  });
});

test("the leader keeps the history short, and a reader who was away for long is told", async () => {
  await withHistory(1, async ({ env, store, feed }) => {
    const writer = new EventWriter(
      me,
      () => 0,
      () => 0.5,
    );
    const before = feed.page(fromTheStart, everything);
    const note: EventNote = { kind: "unit.target", unit: "a.service", target: "loaded" };
    for (let turn = 0; turn < keptEvents / 100 + 10; turn++)
      await store.commit({ when: [], then: [writer.operation(Array.from({ length: 100 }, () => note))] });
    await env.advance(1000);
    const page = feed.page(before.cursor, everything);
    assert.equal(page.gap, true);
    assert.ok(
      page.events.length >= keptEvents && page.events.length <= keptEvents + 500,
      `${page.events.length}`,
    );
    assert.equal(feed.page(page.cursor, everything).gap, false);
    const ahead = feed.page({ revision: page.cursor.revision + 1000, number: 0 }, everything);
    assert.deepEqual([ahead.gap, ahead.events.length], [true, page.events.length]);
  });
});

test("a record that cannot be read hides nothing, and a reader who waits hears of the next event", async () => {
  await withHistory(1, async ({ env, store, feed }) => {
    const stop = new AbortController();
    const { cursor } = feed.page(fromTheStart, everything);
    const next = feed.next(cursor, { ...everything, kinds: ["unit"] }, stop.signal);
    await store.commit({ when: [], then: [{ do: "put", key: "/argosy/events/fleet/bad", value: "{" }] });
    await store.commit({ when: [], then: [{ do: "put", key: "/argosy/events/fleet/odd", value: "null" }] });
    const writer = new EventWriter(
      me,
      () => 0,
      () => 0.5,
    );
    await store.commit({
      when: [],
      then: [writer.operation([{ kind: "unit.destroyed", unit: "x.service" }])],
    });
    await env.settle();
    assert.deepEqual(
      (await next).events.map(({ unit }) => unit),
      ["x.service"],
    );
    const never = feed.next((await next).cursor, everything, stop.signal);
    stop.abort(new Error("enough"));
    assert.deepEqual((await never).events, []);
  });
});
