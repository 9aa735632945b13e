import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { Wake } from "../lib/wake.ts";
import { OutageStore } from "../store/fake-outage.ts";
import { openMemoryStore } from "../store/memory.ts";
import { exactly } from "../store/range.ts";
import { keepPresence, type MachineFacts } from "./presence.ts";
import { fleetKeys } from "./registry.ts";

test("a machine that says something else of itself keeps its lease, and is not told to be an earlier daemon", async () => {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const end = new AbortController();
  const refresh = new Wake();
  const id = "1".repeat(32);
  let facts: MachineFacts = { id, bootId: "b", address: "10.0.0.1", metadata: {}, version: "1" };
  const leases: unknown[] = [];
  const kept = keepPresence(
    env,
    { store, facts: () => facts, refresh, ttlMs: 8000, changed: (lease) => leases.push(lease) },
    end.signal,
  );
  await env.advance(1000);
  const [before] = (await store.read(exactly(fleetKeys.machine(id)))).entries;
  facts = { ...facts, metadata: { region: "eu" } };
  refresh.wake();
  await env.advance(1000);
  const [after] = (await store.read(exactly(fleetKeys.machine(id)))).entries;
  assert.match(after?.value ?? "", /"region":"eu"/);
  assert.deepEqual([after?.lease, leases], [before?.lease, [before?.lease]]);
  assert.deepEqual(
    env.lines.filter((line) => line.includes("earlier daemon")),
    [],
  );
  end.abort(new Error("over"));
  await kept;
  await store.close();
});

test("that a machine's presence is overdue is told once in the words of fleet v1.0.0, each time it is", async () => {
  const env = new FakeEnv();
  const inner = openMemoryStore(env);
  const store = new OutageStore(inner);
  const end = new AbortController();
  const facts: MachineFacts = { id: "1".repeat(32), bootId: "b", address: "", metadata: {}, version: "1" };
  const kept = keepPresence(
    env,
    { store, facts: () => facts, refresh: new Wake(), ttlMs: 3000, changed: () => undefined },
    end.signal,
  );
  const told = (): number =>
    env.lines.filter((line) =>
      line.includes("Server monitor triggered: Monitor timed out before successful heartbeat"),
    ).length;
  await env.advance(1000);
  store.cut();
  await env.advance(2000);
  assert.equal(told(), 0, "a renewal that is late is none that is overdue");
  await env.advance(20_000);
  assert.equal(told(), 1);
  store.restore();
  await env.advance(5000);
  store.cut();
  await env.advance(20_000);
  assert.equal(told(), 2);
  end.abort(new Error("over"));
  await kept;
  await inner.close();
});
