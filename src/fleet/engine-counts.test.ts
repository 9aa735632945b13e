import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault } from "../lib/fault.ts";
import { openMemoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { hashUnitText } from "../unit/hash.ts";
import { FakeMachine } from "./fake-machine.ts";
import { fleetKeys } from "./registry.ts";

test("placements that the store does not take count as tried and failed, and the one it takes as tried", async () => {
  const env = new FakeEnv();
  const memory = openMemoryStore(env);
  let isAway = true;
  const store: Store = {
    read: (range, options) => memory.read(range, options),
    commit: async (transaction) => {
      const places = transaction.then.some(
        (operation) => "key" in operation && operation.key.startsWith(fleetKeys.schedule(machine.id)),
      );
      if (isAway && places) throw new Fault("store-unavailable", "the store is away");
      return await memory.commit(transaction);
    },
    watch: (range, after, signal) => memory.watch(range, after, signal),
    grantLease: (ttlMs) => memory.grantLease(ttlMs),
    renewLease: (id) => memory.renewLease(id),
    revokeLease: (id) => memory.revokeLease(id),
    compact: (revision) => memory.compact(revision),
    close: () => memory.close(),
  };
  const machine = new FakeMachine(env, store, 1);
  machine.start();
  await env.advance(1000);
  const text = "[Service]\nExecStart=/bin/true\n";
  await machine.registry.create({ name: "a.service", text, hash: hashUnitText(text), target: "launched" });
  await env.advance(1000);
  const seen = (name: string): number => {
    const series = `${name}{type="attemptscheduleunit"} `;
    const line = machine.metrics
      .text(undefined, undefined)
      .split("\n")
      .find((each) => each.startsWith(series));
    return Number(line?.slice(series.length));
  };
  const failed = seen("fleet_engine_task_failure_count_total");
  assert.ok(failed > 0);
  assert.equal(seen("fleet_engine_task_count_total"), failed);
  isAway = false;
  await env.advance(60_000);
  assert.equal(machine.registry.view().placements.size, 1);
  assert.equal(seen("fleet_engine_task_count_total"), seen("fleet_engine_task_failure_count_total") + 1);
  await machine.crash();
  await store.close();
});
