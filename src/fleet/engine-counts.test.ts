import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault } from "../lib/fault.ts";
import { openMemoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { hashUnitText } from "../unit/hash.ts";
import { FakeMachine } from "./fake-machine.ts";
import { fleetKeys } from "./registry.ts";

function valueOf(machine: FakeMachine, series: string): number {
  const lines = machine.metrics.text(undefined, undefined).split("\n");
  return Number(lines.find((line) => line.startsWith(`${series} `))?.slice(series.length));
}

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
  const seen = (name: string): number => valueOf(machine, `${name}{type="attemptscheduleunit"}`);
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

test("a unit that stops in one place before it starts in another is unscheduled once and scheduled once more", async () => {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const machines = [1, 2].map((number) => new FakeMachine(env, store, number));
  const [first, second] = machines;
  assert.ok(first && second);
  for (const machine of machines) machine.start();
  await env.advance(1000);
  const text = "[X-Fleet]\nMachineMetadata=role=db\n";
  await first.registry.setMetadata([{ machine: second.id, key: "role", value: "db" }]);
  await first.registry.create({ name: "a.service", text, hash: hashUnitText(text), target: "launched" });
  await env.advance(5000);
  const tasks = (): readonly number[] =>
    ["unscheduleunit", "attemptscheduleunit"].map((type) =>
      machines
        .map((machine) => valueOf(machine, `fleet_engine_task_count_total{type="${type}"}`))
        .reduce((sum, count) => sum + count),
    );
  assert.deepEqual(tasks(), [0, 1]);
  await first.registry.setMetadata([
    { machine: second.id, key: "role", value: undefined },
    { machine: first.id, key: "role", value: "db" },
  ]);
  await env.advance(10_000);
  assert.deepEqual(tasks(), [1, 2]);
  const latencies = machines.map((machine) =>
    valueOf(machine, "argosy_fleet_placement_latency_seconds_count"),
  );
  assert.equal(Math.max(...latencies), 2);
  for (const machine of machines) await machine.crash();
  await store.close();
});
