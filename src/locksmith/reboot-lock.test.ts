import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { FakeLockKeys } from "./fake-lock-keys.ts";
import { RebootLock } from "./reboot-lock.ts";

const semaphoreKey = "/coreos.com/updateengine/rebootlock/semaphore";

test("a lease whose slot CoreOS's locksmithctl has given back ends no later slot of that machine", async () => {
  const store = new FakeLockKeys();
  const lock = new RebootLock(
    new FakeEnv(),
    {
      get: async (key) => store.get(key),
      put: async (key, options) => store.put(key, options),
      remove: async (key, options) => store.remove(key, options),
    },
    "",
  );
  // CoreOS's program knows the semaphore and nothing else.
  const write = (free: number, holders: readonly string[]): unknown =>
    store.put(semaphoreKey, { value: JSON.stringify({ semaphore: free, max: 1, holders }) });
  await lock.lock("a", 60_000);
  write(1, []);
  store.nowMs += 61_000;
  await lock.lock("b", 60_000);
  await lock.unlock("b");
  write(0, ["a"]);
  await assert.rejects(lock.lock("b", 60_000), /semaphore is at 0/);
  assert.deepEqual((await lock.picture()).semaphore.holders, ["a"]);
});
