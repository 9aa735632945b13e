import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { OutageStore } from "../store/fake-outage.ts";
import { openMemoryStore } from "../store/memory.ts";
import { hashUnitText } from "../unit/hash.ts";
import { FakeMachine, fakeTtlMs as ttlMs } from "./fake-machine.ts";

// Units that are stopped on a machine that loses touch with the store.

const sleeper = "[Service]\nExecStart=/bin/sleep 1000\n";
const stopping = `${sleeper}[X-Fleet]\nOnPartition=stop\n`;

/** A unit that is to be stopped in a partition, to be created. */
function stoppingUnit(name: string): { name: string; text: string; hash: string; target: "launched" } {
  return { name, text: stopping, hash: hashUnitText(stopping), target: "launched" };
}

interface Alone {
  readonly env: FakeEnv;
  readonly link: OutageStore;
  readonly machine: FakeMachine;
}

/** One machine and its link to the store, with units that are to be stopped in a partition. */
async function withMachine(names: readonly string[], body: (alone: Alone) => Promise<void>): Promise<void> {
  const env = new FakeEnv();
  const memory = openMemoryStore(env);
  const link = new OutageStore(memory);
  const machine = new FakeMachine(env, link, 1);
  machine.start();
  await env.advance(1000);
  for (const name of names) await machine.registry.create(stoppingUnit(name));
  await env.advance(1000);
  try {
    await body({ env, link, machine });
  } finally {
    await machine.crash();
    await memory.close();
  }
}

test("a unit with OnPartition=stop has stopped before another machine starts it, and starts again when its machine is back", async () => {
  const env = new FakeEnv();
  const memory = openMemoryStore(env);
  const links = [new OutageStore(memory), new OutageStore(memory)];
  const machines = links.map((link, index) => new FakeMachine(env, link, index + 1));
  const [first, second] = machines;
  const [link] = links;
  assert.ok(first && second && link);
  for (const machine of machines) machine.start();
  await env.advance(1000);
  const submit = async (name: string, option: string): Promise<void> => {
    const text = `${sleeper}[X-Fleet]\nOnPartition=${option}\n`;
    await second.registry.create({ name, text, hash: hashUnitText(text), target: "launched" });
    await env.advance(1000);
  };
  await submit("single.service", "stop");
  await submit("other.service", "keep");
  await submit("third.service", "keep");
  assert.deepEqual(await first.running(), ["single.service", "third.service"]);

  link.cut();
  await env.advance(ttlMs / 4);
  assert.deepEqual(await first.running(), ["single.service", "third.service"]);
  let pauses = 0;
  for (let waitedMs = 0; waitedMs < 2 * ttlMs; waitedMs += 50) {
    await env.advance(50);
    const both: readonly string[] = [...(await first.running()), ...(await second.running())];
    const runs = both.filter((name) => name === "single.service").length;
    assert.ok(runs <= 1, "it never runs twice");
    if (runs === 0) pauses += 1;
  }
  assert.ok(pauses > 0, "it stopped before it was started elsewhere");
  assert.deepEqual(await first.running(), ["third.service"], "the others go on");
  assert.deepEqual(await second.running(), ["other.service", "single.service", "third.service"]);
  link.restore();
  await env.advance(ttlMs);
  assert.deepEqual(await first.running(), []);

  await second.registry.destroy("other.service");
  await second.registry.destroy("third.service");
  await env.advance(1000);
  const stops = (): number => second.units.calls.filter(({ operation }) => operation === "stop").length;
  const before = stops();
  links[1]?.cut();
  await env.advance(ttlMs / 4);
  links[1]?.restore();
  await env.advance(ttlMs);
  assert.equal(stops(), before, "a short cut stops nothing");
  for (const each of machines) await each.crash();
  await memory.close();
});

test("a unit with OnPartition=stop does not start on an answer that comes after its machine's presence has lapsed", async () => {
  const env = new FakeEnv();
  const memory = openMemoryStore(env);
  const links = [new OutageStore(memory), new OutageStore(memory)];
  const [first, second] = links.map((link, index) => new FakeMachine(env, link, index + 1));
  const [link] = links;
  assert.ok(first && second && link);
  first.start();
  second.start();
  await env.advance(1000);
  const answer = Promise.withResolvers<void>();
  let claims = 0;
  link.beforeAnswer = async ({ when, then }) => {
    const [compare] = when;
    const isClaim = then.some(({ do: what }) => what === "put") && compare?.key.includes("single") === true;
    if (!isClaim || !compare.key.includes(first.id)) return;
    claims += 1;
    if (claims === 1) await answer.promise;
  };
  await second.registry.create(stoppingUnit("single.service"));
  await env.advance(1000);
  assert.equal(claims, 1, "it has shown the unit and waits to hear so");
  link.cut();
  await env.advance(2 * ttlMs);
  assert.deepEqual(await second.running(), ["single.service"]);
  answer.resolve();
  await env.advance(1000);
  assert.deepEqual(await first.running(), []);
  assert.deepEqual(
    first.units.calls.filter(({ operation }) => operation === "start"),
    [],
  );
  link.restore();
  await env.advance(ttlMs);
  await second.leave();
  await env.advance(ttlMs);
  assert.deepEqual(await first.running(), ["single.service"], "once it is here again it starts");
  await first.crash();
  await memory.close();
});

test("a unit with OnPartition=stop that nobody could take over runs again when the store is back", async () => {
  await withMachine(["a.service"], async ({ env, link, machine }) => {
    link.cut();
    await env.advance(ttlMs - 1);
    assert.deepEqual(await machine.running(), []);
    link.restore();
    await env.advance(3 * ttlMs);
    assert.deepEqual(await machine.running(), ["a.service"]);

    link.cut();
    await env.advance(100);
    await machine.crash();
    machine.start();
    await env.advance(ttlMs / 3);
    assert.deepEqual(
      await machine.running(),
      ["a.service"],
      "a new daemon knows when the presence was renewed",
    );
    await env.advance(ttlMs / 2);
    assert.deepEqual(await machine.running(), [], "and stops the unit in time");
  });
});

test("a unit with OnPartition=stop that had ended by itself before the store went away is not started again", async () => {
  await withMachine(["done.service", "failed.service", "runs.service"], async ({ env, link, machine }) => {
    machine.units.change("done.service", { active: "inactive", sub: "dead", result: "success" });
    machine.units.change("failed.service", { active: "failed", sub: "failed", result: "exit-code" });
    await env.advance(1000);
    link.cut();
    await env.advance(ttlMs - 1);
    assert.deepEqual(await machine.running(), []);
    link.restore();
    await env.advance(3 * ttlMs);
    assert.deepEqual(await machine.running(), ["runs.service"]);
  });
});

test("a restart of a unit with OnPartition=stop is not lost when the daemon ends while it waits for the store", async () => {
  await withMachine(["a.service"], async ({ env, link, machine }) => {
    const restarts = (): number =>
      machine.units.calls.filter(({ operation }) => operation === "restart").length;
    let claims = 0;
    link.beforeAnswer = async ({ when, then }) => {
      const isClaim = then.every((operation) => operation.do === "put" && operation.key.includes("states/"));
      if (!isClaim || when.length === 0) return;
      claims += 1;
      await new Promise(() => undefined);
    };
    await machine.registry.restart("a.service");
    await env.advance(1000);
    assert.deepEqual([claims, restarts()], [1, 0]);
    await machine.crash();
    link.beforeAnswer = () => Promise.resolve();
    machine.start();
    await env.advance(ttlMs);
    assert.equal(restarts(), 1);
    assert.deepEqual(await machine.running(), ["a.service"]);
  });
});
