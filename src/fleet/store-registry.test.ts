import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault, isFault } from "../lib/fault.ts";
import { openMemoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { SharedPicture } from "./shared-picture.ts";
import { storeRegistry } from "./store-registry.ts";

const unit = {
  name: "web.service",
  text: "[Service]\nExecStart=/bin/true\n",
  hash: "1",
  target: "loaded",
} as const;

/** A store whose writes are answered by an error as often as told, carried out before it or not. */
function losing(store: Store, answers: number, carriedOut: boolean): Store {
  let left = answers;
  return {
    read: async (range, options) => await store.read(range, options),
    watch: (range, after, signal) => store.watch(range, after, signal),
    grantLease: async (ttlMs) => await store.grantLease(ttlMs),
    renewLease: async (id) => await store.renewLease(id),
    revokeLease: async (id) => await store.revokeLease(id),
    compact: async (revision) => await store.compact(revision),
    close: async () => await store.close(),
    commit: async (transaction) => {
      if (left === 0) return await store.commit(transaction);
      left -= 1;
      if (carriedOut) await store.commit(transaction);
      throw new Fault("store-unavailable", "the store did not answer in time");
    },
  };
}

for (const carriedOut of [true, false]) {
  const kind = carriedOut ? "was carried out" : "was not carried out";
  test(`a write whose answer was lost and that ${kind} is sent again, and counts once`, async () => {
    const env = new FakeEnv();
    const store = openMemoryStore(env);
    const source = new SharedPicture(env, store, 1000);
    const lossy = (): ReturnType<typeof storeRegistry> => storeRegistry(losing(store, 1, carriedOut), source);
    const created = await lossy().create(unit);
    await assert.rejects(lossy().create({ ...unit, hash: "2" }), (error) => isFault(error, "unit-exists"));
    const targeted = await lossy().setTarget(unit.name, "launched");
    const replaced = await lossy().replace({ ...unit, hash: "3" }, targeted);
    const destroyed = await lossy().destroy(unit.name);
    assert.deepEqual([targeted - created, replaced - targeted, destroyed - replaced], [1, 1, 1]);
    await assert.rejects(lossy().destroy(unit.name), (error) => isFault(error, "unit-missing"));
    await store.close();
  });
}

test("a store that stays away is told", async () => {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const registry = storeRegistry(losing(store, 100, false), new SharedPicture(env, store, 1000));
  await assert.rejects(registry.create(unit), (error) => isFault(error, "store-unavailable"));
  await store.close();
});
