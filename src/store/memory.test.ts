import assert from "node:assert/strict";
import { test } from "node:test";
import { storeContract } from "./contract.ts";
import { commit, fault, put, silentEnv } from "./contract-tools.ts";
import { openMemoryStore } from "./memory.ts";
import { under } from "./range.ts";

storeContract("memory", async () => openMemoryStore(silentEnv()), { modelRuns: 300 });

test("history is bounded, and a watch that kept up does not notice", async () => {
  const store = openMemoryStore(silentEnv(), { keepRevisions: 10 });
  const first = await commit(store, [put("/a", "0")]);
  const stop = new AbortController();
  const quiet = store.watch(under("/quiet/"), first, stop.signal)[Symbol.asyncIterator]();
  const next = quiet.next();
  for (let i = 1; i <= 100; i++) await commit(store, [put("/a", String(i))]);
  await assert.rejects(store.read(under("/"), { atRevision: first }), fault("store-compacted"));
  const last = await commit(store, [put("/quiet/a", "1")]);
  assert.equal((await next).value?.revision, last);
  const late = store.watch(under("/"), first, stop.signal)[Symbol.asyncIterator]();
  await assert.rejects(async () => late.next(), fault("store-compacted"));
  await store.close();
});

test("a transaction that breaks the rules is a bug", async () => {
  const store = openMemoryStore(silentEnv());
  const twice = [put("/a", "1"), put("/a", "2")];
  await assert.rejects(commit(store, twice), { name: "AssertionFailed" });
  await assert.rejects(commit(store, [put("/a", "1"), { do: "delete", range: under("/") }]), {
    name: "AssertionFailed",
  });
  const tooMany = Array.from({ length: 1025 }, (_, i) => put(`/${i}`, ""));
  await assert.rejects(commit(store, tooMany), { name: "AssertionFailed" });
  await store.close();
});
