import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import { hashUnitText } from "../unit/hash.ts";
import { FakeMachine } from "./fake-machine.ts";

test("nothing stays on a machine of a unit that systemd would not load, once it is destroyed", async () => {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const machine = new FakeMachine(env, store, 1);
  machine.start();
  await env.advance(1000);
  const bad = { name: "bad.service", text: "[Unit]\nDescription=starts nothing\n" };
  const held = async (): Promise<readonly string[]> => (await machine.units.list()).map(({ name }) => name);
  try {
    for (const loadingMs of [0, 300]) {
      await machine.registry.create({ ...bad, hash: hashUnitText(bad.text), target: "launched" });
      await env.advance(2000);
      assert.deepEqual(await held(), [bad.name]);
      // Once while the unit waits for its next try, and once while a try is under way.
      machine.units.callMs = loadingMs;
      await env.advance(loadingMs * 5);
      await machine.registry.destroy(bad.name);
      await env.advance(10_000);
      machine.units.callMs = 0;
      assert.deepEqual(await held(), []);
    }
  } finally {
    await machine.crash();
    await store.close();
  }
});

test("a unit that is to be replaced runs on, and says why, until its new text can be had", async () => {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const machine = new FakeMachine(env, store, 1);
  machine.start();
  await env.advance(1000);
  const name = "web.service";
  const textOf = (seconds: number): string => `[Service]\nExecStart=/bin/sleep ${seconds}\n`;
  const unitOf = (text: string) => ({ name, text, hash: hashUnitText(text), target: "launched" }) as const;
  const look = async (): Promise<readonly unknown[]> => {
    const state = machine.registry.view().states.get(name)?.get(machine.id);
    return [machine.units.textOf(name), await machine.units.invocation(name), state?.problem, state?.hash];
  };
  const [old, fresh] = [textOf(1), textOf(2)];
  try {
    const seen = await machine.registry.create(unitOf(old));
    await env.advance(2000);
    assert.deepEqual(await look(), [old, "1", undefined, hashUnitText(old)]);
    const problem = `cannot load ${name}: its unit file cannot be written: no space left on device`;
    machine.units.refuse("prepare", name, problem);
    await machine.registry.replace(unitOf(fresh), seen);
    await env.advance(60_000);
    assert.deepEqual(await look(), [old, "1", problem, hashUnitText(old)]);
    assert.ok((await machine.units.list()).every(({ active }) => active === "active"));
    // A daemon that ends meanwhile leaves it so as well.
    await machine.crash();
    machine.start();
    await env.advance(60_000);
    assert.deepEqual(await look(), [old, "1", problem, hashUnitText(old)]);
    machine.units.refuse("prepare", name);
    await env.advance(60_000);
    assert.deepEqual(await look(), [fresh, "2", undefined, hashUnitText(fresh)]);
  } finally {
    await machine.crash();
    await store.close();
  }
});
