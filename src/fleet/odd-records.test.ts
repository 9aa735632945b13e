import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import { under } from "../store/range.ts";
import type { Store } from "../store/store.ts";
import { hashUnitText } from "../unit/hash.ts";
import { FakeMachine } from "./fake-machine.ts";
import { decodeFleetEntry } from "./records.ts";
import { fleetKeys, fleetPrefix } from "./registry.ts";

// What lies in the store when somebody else wrote there, and what is left there when units go.

const sleeper = "[Service]\nExecStart=/bin/sleep 1000\n";

interface Pair {
  readonly env: FakeEnv;
  readonly store: Store;
  readonly one: FakeMachine;
  readonly two: FakeMachine;
  readonly submit: (name: string, text: string) => Promise<void>;
}

async function withPair(body: (pair: Pair) => Promise<void>): Promise<void> {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const one = new FakeMachine(env, store, 1, { role: "a" });
  const two = new FakeMachine(env, store, 2, { role: "a" });
  for (const machine of [one, two]) machine.start();
  await env.advance(1000);
  const submit = async (name: string, text: string): Promise<void> => {
    await one.registry.create({ name, text, hash: hashUnitText(text), target: "launched" });
    await env.advance(1000);
  };
  try {
    await body({ env, store, one, two, submit });
  } finally {
    for (const machine of [one, two]) await machine.crash();
    await store.close();
  }
}

test("a unit whose hash is not that of its text is loaded and started once", async () => {
  await withPair(async ({ env, store, one }) => {
    await one.registry.create({
      name: "web.service",
      text: sleeper,
      hash: "0".repeat(40),
      target: "launched",
    });
    await env.advance(60_000);
    const calls = (): string[] => one.units.calls.map(({ operation }) => operation);
    assert.deepEqual(calls(), ["load", "start"]);
    assert.deepEqual(await one.running(), ["web.service"]);
    await one.crash();
    one.start();
    await env.advance(60_000);
    assert.deepEqual(calls(), ["load", "start"]);
    const key = fleetKeys.scheduled(one.id, "web.service");
    assert.match(
      (await store.read(under(key.slice(0, -"web.service".length)))).entries[0]?.value ?? "",
      /0{40}/,
    );
  });
});

test("records of fleet that make no sense stop no unit and no daemon", async () => {
  await withPair(async ({ env, store, one, two, submit }) => {
    await submit("web.service", sleeper);
    await submit("other.service", sleeper);
    const calls = [one, two].map(({ units }) => units.calls.length);
    const keys = [
      fleetKeys.unit("odd.service"),
      fleetKeys.placement("odd.service"),
      fleetKeys.scheduled(one.id, "odd.service"),
      fleetKeys.scheduled(one.id, "web.service"),
      fleetKeys.state(one.id, "odd.service"),
      fleetKeys.machine("f".repeat(32)),
      fleetKeys.cordon(two.id),
      fleetKeys.metadata(two.id, "odd"),
    ];
    const values = ["", "{", "null", "[]", "{}", '"text"', '{"text":1,"hash":2,"target":"loaded"}'];
    for (const value of values) {
      await store.commit({ when: [], then: keys.map((key) => ({ do: "put", key, value })) });
      await env.advance(1000);
    }
    await env.advance(60_000);
    assert.deepEqual([await one.running(), await two.running()], [["web.service"], ["other.service"]]);
    assert.deepEqual(
      [one, two].map(({ units }) => units.calls.length),
      calls,
      "nothing was asked of systemd",
    );
    await submit("later.service", sleeper);
    assert.equal([...(await one.running()), ...(await two.running())].includes("later.service"), true);
  });
});

for (const [family, whole] of Object.entries({
  unit: [fleetKeys.unit("a.service"), { text: "", hash: "", target: "inactive" }],
  scheduled: [fleetKeys.scheduled("m", "a.service"), { text: "", hash: "", target: "loaded" }],
  state: [fleetKeys.state("m", "a.service"), { hash: "", load: "", active: "", sub: "" }],
  machine: [fleetKeys.machine("m"), { metadata: {} }],
  cordon: [fleetKeys.cordon("m"), { sinceMs: 1 }],
} as const)) {
  test(`the record of a ${family} needs all that its readers rely on`, () => {
    const [key, fields] = whole;
    const decode = (value: object): string | undefined =>
      decodeFleetEntry({ key, value: JSON.stringify(value), createRevision: 1, modRevision: 1 })?.family;
    assert.equal(decode(fields), family);
    for (const name of Object.keys(fields)) {
      assert.equal(decode({ ...fields, [name]: undefined }), undefined, `without ${name}`);
      assert.equal(decode({ ...fields, [name]: null }), undefined, `${name} is null`);
    }
  });
}

test("nothing of a destroyed unit stays in the store, and texts that were replaced do not pile up", async () => {
  await withPair(async ({ env, store, one, submit }) => {
    await submit("web.service", sleeper);
    await submit("everywhere.service", `${sleeper}\n[X-Fleet]\nGlobal=true\n`);
    for (let round = 1; round <= 5; round++) {
      const unit = one.registry.view().units.get("web.service");
      assert.ok(unit);
      const text = `[Service]\nExecStart=/bin/sleep ${round}000\n`;
      const next = { name: unit.name, text, hash: hashUnitText(text), target: "launched" } as const;
      await one.registry.replace(next, unit.revision);
      await env.advance(1000);
    }
    const holding = async (): Promise<string[]> =>
      (await store.read(under(fleetPrefix))).entries
        .filter(({ key, value }) => !key.includes("/events") && `${key}${value}`.includes("ExecStart"))
        .map(({ key }) => key);
    assert.deepEqual(
      (await holding()).filter((key) => key.endsWith("/web.service")),
      [fleetKeys.scheduled(one.id, "web.service"), fleetKeys.unit("web.service")],
    );
    for (const name of ["web.service", "everywhere.service"]) await one.registry.destroy(name);
    await env.advance(60_000);
    const left = (await store.read(under(fleetPrefix))).entries.map(({ key }) => key);
    assert.deepEqual(
      left.filter((key) => key.endsWith(".service")),
      [],
    );
    assert.deepEqual(await holding(), []);
  });
});

test("a machine takes back only its own state of a unit that others have too", async () => {
  await withPair(async ({ env, one, two, submit }) => {
    await submit("everywhere.service", `${sleeper}\n[X-Fleet]\nGlobal=true\nMachineMetadata=role=a\n`);
    const states = (): string[] => [
      ...(one.registry.view().states.get("everywhere.service") ?? new Map()).keys(),
    ];
    assert.deepEqual(states(), [one.id, two.id]);
    const gaps: number[] = [];
    const end = one.registry.subscribe(() => {
      if (!states().includes(two.id)) gaps.push(states().length);
    });
    await one.registry.setMetadata([{ machine: one.id, key: "role", value: "b" }]);
    await env.advance(60_000);
    end();
    assert.deepEqual(states(), [two.id]);
    assert.deepEqual(gaps, [], "the other machine's state was there all the time");
    assert.deepEqual([await one.running(), await two.running()], [[], ["everywhere.service"]]);
  });
});
