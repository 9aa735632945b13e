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
