import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { OutageStore } from "../store/fake-outage.ts";
import { openMemoryStore } from "../store/memory.ts";
import { exactly, under } from "../store/range.ts";
import type { Entry, Store } from "../store/store.ts";
import { hashUnitText } from "../unit/hash.ts";
import { Claims } from "./claims.ts";
import type { UnitState } from "./model.ts";
import { StatePublisher } from "./publisher.ts";
import { encodeScheduled } from "./records.ts";
import { fleetKeys } from "./registry.ts";
import { ScheduleLines } from "./schedule-lines.ts";

const me = "1".repeat(32);
const unit = "single.service";
const text = "[Service]\nExecStart=/bin/sleep 1000\n[X-Fleet]\nOnPartition=stop\n";
const key = fleetKeys.scheduled(me, unit);
const hash = hashUnitText(text);
const state: UnitState = {
  unit,
  machine: me,
  hash,
  load: "loaded",
  active: "inactive",
  sub: "dead",
  reached: "loaded",
};

async function writeLine(store: Store): Promise<Entry> {
  const value = encodeScheduled({ unit, text, hash, target: "launched" });
  await store.commit({ when: [], then: [{ do: "put", key, value }] });
  return (await store.read(exactly(key))).entries[0] ?? assert.fail();
}

async function statesIn(store: Store): Promise<string[]> {
  const { entries } = await store.read(under(fleetKeys.states(me)));
  return entries.map((entry) => entry.key);
}

async function withAgent(
  body: (parts: {
    env: FakeEnv;
    store: OutageStore;
    claims: Claims;
    lines: ScheduleLines;
    publisher: StatePublisher;
    lapse: () => void;
    partition: { mayStart: boolean };
  }) => Promise<void>,
): Promise<void> {
  const env = new FakeEnv();
  const store = new OutageStore(openMemoryStore(env));
  let lease: string | undefined = (await store.grantLease(10_000)).id;
  const publisher = new StatePublisher(store, me);
  const lines = new ScheduleLines(env.log);
  const partition = { mayStart: true };
  const agent = { states: () => new Map([[unit, state]]) };
  const claims = new Claims(env, { publisher, lines, lease: () => lease, partition, agent });
  const lapse = (): void => {
    lease = undefined;
  };
  try {
    await body({ env, store, claims, lines, publisher, lapse, partition });
  } finally {
    await store.close();
  }
}

test("a unit that must never run twice is shown to be here before it starts", async () => {
  await withAgent(async ({ store, claims, lines, publisher }) => {
    lines.apply([{ kind: "put", entry: await writeLine(store) }]);
    const [want] = lines.all();
    assert.ok(want && claims.allow(want));
    assert.equal(await claims.claim(want), true);
    assert.deepEqual(await statesIn(store), [fleetKeys.state(me, unit)]);
    const [entry] = (await store.read(under(fleetKeys.states(me)))).entries;
    assert.notEqual(entry?.lease, undefined, "it goes with the machine's presence");
    await publisher.publish(entry?.lease ?? assert.fail(), () => new Map());
    assert.deepEqual(await statesIn(store), [], "a claim of a unit that has gone does not stay");
  });
});

test("one whose line has gone, or is another one by now, is not shown and not tried again with the line of before", async () => {
  for (const meanwhile of ["deleted", "written again"]) {
    await withAgent(async ({ store, claims, lines }) => {
      lines.apply([{ kind: "put", entry: await writeLine(store) }]);
      const [want] = lines.all();
      if (meanwhile === "deleted")
        await store.commit({ when: [], then: [{ do: "delete", range: exactly(key) }] });
      const newer = meanwhile === "deleted" ? undefined : await writeLine(store);
      assert.ok(want && claims.allow(want));
      assert.equal(await claims.claim(want), false, meanwhile);
      assert.deepEqual(await statesIn(store), [], meanwhile);
      assert.equal(claims.allow(want), false, meanwhile);
      if (newer === undefined) return;
      lines.apply([{ kind: "put", entry: newer }]);
      const [next] = lines.all();
      assert.ok(next && claims.allow(next), "the line of now is tried");
      assert.equal(await claims.claim(next), true);
    });
  }
});

test("one whose claim is answered too late does not start: its machine's presence may have lapsed since", async () => {
  for (const meanwhile of ["lapsed", "barred"]) {
    await withAgent(async ({ store, claims, lines, lapse, partition }) => {
      lines.apply([{ kind: "put", entry: await writeLine(store) }]);
      const [want] = lines.all();
      assert.ok(want);
      const claiming = claims.claim(want);
      if (meanwhile === "lapsed") lapse();
      else partition.mayStart = false;
      assert.equal(await claiming, false, meanwhile);
      partition.mayStart = true;
      assert.equal(claims.allow(want), meanwhile === "barred", "its line still holds");
    });
  }
});

test("one whose claim the store does not take waits a moment, and is tried again", async () => {
  await withAgent(async ({ env, store, claims, lines }) => {
    lines.apply([{ kind: "put", entry: await writeLine(store) }]);
    const [want] = lines.all();
    assert.ok(want);
    store.cut();
    let result: boolean | undefined;
    const claiming = claims.claim(want).then((claimed) => {
      result = claimed;
    });
    await env.settle();
    assert.equal(result, undefined, "it does not ask the store without a pause");
    await env.advance(500);
    await claiming;
    assert.equal(result, false);
    store.restore();
    assert.equal(claims.allow(want), true);
    assert.equal(await claims.claim(want), true);
  });
});

test("a machine that is not present claims nothing, and other units need no claim", async () => {
  await withAgent(async ({ store, claims, lines, lapse }) => {
    lines.apply([{ kind: "put", entry: await writeLine(store) }]);
    const [want] = lines.all();
    assert.ok(want);
    lapse();
    assert.equal(claims.allow(want), false);
    assert.equal(await claims.claim(want), false);
    const { stopOnPartition: _, ...ordinary } = want;
    assert.equal(claims.allow(ordinary), true);
  });
});
