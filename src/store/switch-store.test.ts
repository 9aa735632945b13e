import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "./memory.ts";
import { exactly, under } from "./range.ts";
import type { ChangeBatch, Operation, Store } from "./store.ts";
import { SwitchStore } from "./switch-store.ts";

const put = (key: string, value: string): Operation => ({ do: "put", key, value });
const unlimited = new AbortController().signal;

function write(store: Store, key: string, value: string): Promise<unknown> {
  return store.commit({ when: [], then: [put(key, value)] });
}

test("calls wait for the store, and go on as soon as it is there", async () => {
  const env = new FakeEnv();
  const store = new SwitchStore(env, "nobody has found it yet");
  const written = write(store, "a", "1");
  await env.advance(1_000);
  store.use(openMemoryStore(env));
  await written;
  assert.equal((await store.read(exactly("a"))).entries[0]?.value, "1");
});

test("calls do not wait for ever, and say why there is no store", async () => {
  const env = new FakeEnv();
  const store = new SwitchStore(env, "nobody has found it yet");
  const refused = assert.rejects(write(store, "a", "1"), {
    code: "store-unavailable",
    message: "Cannot use the store, nobody has found it yet.",
  });
  await env.advance(5_000);
  await refused;
});

test("a watch of the old store ends when another takes its place, so that its reader begins afresh", async () => {
  const env = new FakeEnv();
  const store = new SwitchStore(env, "");
  store.use(openMemoryStore(env));
  const seen: ChangeBatch[] = [];
  const watching = assert.rejects(
    async () => {
      for await (const batch of store.watch(under("a"), 0, unlimited)) seen.push(batch);
    },
    { code: "store-unavailable", message: "Cannot use the store, it was replaced." },
  );
  await write(store, "a", "1");
  await env.settle();
  store.use(openMemoryStore(env));
  await watching;
  assert.equal(seen.length, 1);
});

test("while it is held nothing is written: neither by calls that wait nor by those under way", async () => {
  const env = new FakeEnv();
  const old = openMemoryStore(env);
  const { promise: gate, resolve: letThrough } = Promise.withResolvers<void>();
  const slow: Store = Object.assign(Object.create(old) as Store, {
    commit: async (transaction: Parameters<Store["commit"]>[0]) => {
      await gate;
      return await old.commit(transaction);
    },
  });
  const store = new SwitchStore(env, "");
  store.use(slow);
  const underWay = write(store, "a", "1");
  await env.settle();
  let isHeld = false;
  const holding = store.hold("it is being copied").then(() => (isHeld = true));
  const waiting = write(store, "b", "2");
  await env.settle();
  assert.equal(isHeld, false, "a write is under way");
  letThrough();
  await underWay;
  await holding;
  assert.equal((await old.read(under("a"))).entries.length, 1);
  assert.equal((await old.read(under("b"))).entries.length, 0);
  const fresh = openMemoryStore(env);
  store.use(fresh);
  await waiting;
  assert.equal((await fresh.read(under("b"))).entries.length, 1, "what waited goes to the new store");
});

test("a closed store refuses calls and those that wait", async () => {
  const env = new FakeEnv();
  const store = new SwitchStore(env, "");
  const waiting = assert.rejects(write(store, "a", "1"), { code: "store-closed" });
  await env.settle();
  await store.close();
  await waiting;
  await assert.rejects(write(store, "a", "1"), { code: "store-closed" });
});
