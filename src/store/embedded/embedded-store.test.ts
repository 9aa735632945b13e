import assert from "node:assert/strict";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Env } from "../../lib/env.ts";
import { storeContract } from "../contract.ts";
import { commit, drain, fault, follow, keysAndValues, put, silentEnv } from "../contract-tools.ts";
import { exactly, under } from "../range.ts";
import { maxTransactionBytes } from "../store.ts";
import { openEmbeddedStore } from "./embedded-store.ts";

const folder = await mkdtemp(join(tmpdir(), "argosy-store-"));
after(() => rm(folder, { recursive: true }));

const env = silentEnv();

storeContract("embedded", () => openEmbeddedStore(join(folder, "contract"), env), { modelRuns: 30 });

test("what was there is there when the store is opened again", async () => {
  const place = join(folder, "again");
  const first = await openEmbeddedStore(place, env);
  const lease = await first.grantLease(60_000);
  await commit(first, [put("/a", "1"), put("/b", "\0 \u{1f600}", lease.id), put("/gone", "1")]);
  const last = await commit(first, [put("/a", "2"), { do: "delete", range: exactly("/gone") }]);
  const before = await first.read(under("/"));
  await first.close();

  const second = await openEmbeddedStore(place, env);
  assert.deepEqual(await second.read(under("/")), before);
  assert.deepEqual(second.names, first.names);
  assert.equal(second.size, 2);
  assert.deepEqual(await second.renewLease(lease.id), lease);
  await second.revokeLease(lease.id);
  assert.deepEqual(keysAndValues((await second.read(under("/"))).entries), ["/a=2"]);
  assert.ok((await second.read(under("/"))).revision > last);
  await second.close();

  const third = await openEmbeddedStore(place, env);
  assert.deepEqual(keysAndValues((await third.read(under("/"))).entries), ["/a=2"]);
  await assert.rejects(third.renewLease(lease.id), fault("store-lease-gone"));
  await third.close();
});

test("history begins when the store is opened", async () => {
  const place = join(folder, "history");
  const first = await openEmbeddedStore(place, env);
  const old = await commit(first, [put("/a", "1")]);
  const last = await commit(first, [put("/a", "2")]);
  await first.close();
  const second = await openEmbeddedStore(place, env);
  const { signal } = new AbortController();
  await assert.rejects(second.read(under("/"), { atRevision: old }), fault("store-compacted"));
  await assert.rejects(drain(second.watch(under("/"), old, signal)), fault("store-compacted"));
  assert.equal(second.watchableFrom, last + 1);
  const watch = follow(second, "/", last);
  const next = await commit(second, [put("/b", "1")]);
  assert.equal(next, last + 1);
  assert.deepEqual(await watch.next(next), [`${next}: b=1`]);
  await watch.end();
  await second.close();
});

/** The same clock, `laterMs` ahead. */
function later(laterMs: number): Env {
  return { ...env, clock: { ...env.clock, now: () => env.clock.now() + laterMs } };
}

test("a lease keeps its deadline while the store is closed, and a little time to be found again", async () => {
  const place = join(folder, "leases");
  const first = await openEmbeddedStore(place, env);
  const { id } = await first.grantLease(3_600_000);
  await first.close();

  const second = await openEmbeddedStore(place, later(3_000_000));
  const facts = second.leaseFacts(id);
  assert.ok(facts !== undefined && facts.leftMs <= 600_000 && facts.leftMs > 0, JSON.stringify(facts));
  await second.renewLease(id);
  assert.ok((second.leaseFacts(id)?.leftMs ?? 0) > 600_000);
  await second.close();

  const third = await openEmbeddedStore(place, later(24 * 3_600_000));
  const left = third.leaseFacts(id)?.leftMs ?? 0;
  assert.ok(left > 0 && left <= 5_000, String(left));
  await third.close();
});

test("only one opens a store at a time", async () => {
  const place = join(folder, "lock");
  const first = await openEmbeddedStore(place, env);
  await assert.rejects(openEmbeddedStore(place, env), fault("store-in-use"));
  await commit(first, [put("/a", "1")]);
  await first.close();
  const second = await openEmbeddedStore(place, env);
  assert.deepEqual(keysAndValues((await second.read(under("/"))).entries), ["/a=1"]);
  await second.close();
});

test("a folder that cannot be made is refused in one sentence", async () => {
  await assert.rejects(openEmbeddedStore("/dev/null/store", env), fault("store-unavailable"));
  // Where Node's own making of folders would go on for ever.
  await assert.rejects(openEmbeddedStore("/proc/none/store", env), fault("store-unavailable"));
  const deep = join(folder, "made", "with", "parents");
  const store = await openEmbeddedStore(deep, env);
  await store.close();
  assert.equal((await stat(deep)).mode & 0o777, 0o700);
});

test("the log is emptied while it is written to", async () => {
  const place = join(folder, "log");
  const store = await openEmbeddedStore(place, env);
  const value = "x".repeat(100_000);
  for (let round = 0; round < 12; round++)
    await Promise.all(
      Array.from({ length: 10 }, (_, i) => commit(store, [put(`/${i}`, `${value}${round}`)])),
    );
  const { size } = await stat(join(place, "store.db-wal"));
  assert.ok(size < 8 * 1024 * 1024, `${size} bytes`);
  await store.close();
});

test("nobody sees what is not durable yet, and one key can be read while others are written", async () => {
  const store = await openEmbeddedStore(join(folder, "visible"), env);
  const before = await commit(store, [put("/a", "1")]);
  const writing = commit(store, [put("/b", "1")]);
  const unchanged = await store.read(exactly("/a"));
  assert.equal(unchanged.revision, before, "answered as of the last flush");
  const whole = await store.read(under("/"));
  const written = await writing;
  assert.equal(whole.revision, written);
  assert.deepEqual(keysAndValues(whole.entries), ["/a=1", "/b=1"]);
  await store.close();
});

test("a transaction that is too large is refused", async () => {
  const store = await openEmbeddedStore(join(folder, "large"), env);
  const half = "x".repeat(maxTransactionBytes / 2);
  await assert.rejects(commit(store, [put("/a", half), put("/b", half)]), fault("store-too-large"));
  await assert.rejects(
    commit(store, [put("/a", "\u20ac".repeat(1 + maxTransactionBytes / 3))]),
    fault("store-too-large"),
  );
  await commit(store, [put("/a", "x".repeat(10 * 1024 * 1024))]);
  await store.close();
});
