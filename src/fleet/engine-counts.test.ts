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

/** Two machines with a unit that ran on the second one and, after what a test does, runs on the first. */
async function moved(move: (first: FakeMachine, second: FakeMachine) => Promise<unknown>): Promise<{
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly latencies: number;
}> {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const machines = [1, 2].map((number) => new FakeMachine(env, store, number));
  const [first, second] = machines;
  assert.ok(first && second);
  for (const machine of machines) machine.start();
  await env.advance(1000);
  await first.registry.cordon({ machine: first.id, sinceMs: 0 });
  const text = "[Service]\nExecStart=/bin/true\n";
  await first.registry.create({ name: "a.service", text, hash: hashUnitText(text), target: "launched" });
  await env.advance(5000);
  await first.registry.uncordon(first.id);
  const sumOf = (series: string): number =>
    machines.map((machine) => valueOf(machine, series)).reduce((sum, count) => sum + count);
  const tasks = (): readonly number[] =>
    ["unscheduleunit", "attemptscheduleunit"].map((type) =>
      sumOf(`fleet_engine_task_count_total{type="${type}"}`),
    );
  const before = tasks();
  await move(first, second);
  await env.advance(60_000);
  const placement = first.registry.view().placements.get("a.service");
  assert.ok(placement !== undefined && "machine" in placement && placement.machine === first.id);
  const latencies = sumOf("argosy_fleet_placement_latency_seconds_count");
  const after = tasks();
  for (const machine of machines) await machine.crash();
  await store.close();
  return { before, after, latencies };
}

test("a unit that stops in one place before it starts in another is unscheduled once and scheduled once more", async () => {
  const counts = await moved(async (first, second) => {
    const text = `[X-Fleet]\nMachineID=${first.id}\n`;
    const unit = second.registry.view().units.get("a.service");
    const changed = { name: "a.service", text, hash: hashUnitText(text), target: "launched" } as const;
    await first.registry.replace(changed, unit?.revision ?? 0);
  });
  assert.deepEqual(counts, { before: [0, 1], after: [1, 2], latencies: 2 });
});

test("so is one that starts in another place before it stops, for a drain", async () => {
  const counts = await moved(
    async (first, second) =>
      await first.registry.cordon({ machine: second.id, sinceMs: 0, drain: { mostMoving: 1 } }),
  );
  assert.deepEqual(counts, { before: [0, 1], after: [1, 2], latencies: 2 });
});
