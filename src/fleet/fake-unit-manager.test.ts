import assert from "node:assert/strict";
import { test } from "node:test";
import type { Env } from "../lib/env.ts";
import { isFault } from "../lib/fault.ts";
import { FakeUnitManager } from "./fake-unit-manager.ts";
import { measuredUnits } from "./measured.ts";
import { FleetMetrics } from "./metrics.ts";
import { unitManagerContract } from "./unit-manager-contract.ts";

const slept: number[] = [];
const env: Env = {
  clock: {
    now: () => 0,
    monotonic: () => 0,
    sleep: async (ms) => {
      slept.push(ms);
    },
  },
  random: () => 0.5,
  log: { debug: ignore, info: ignore, warning: ignore, error: ignore },
};

function ignore(): void {
  // These tests look at what is returned, not at the log.
}

const name = "web.service";
const text = "[Service]\nExecStart=/bin/sleep 1\n";

unitManagerContract("fake", async () => new FakeUnitManager(env));
unitManagerContract("fake, measured", async () =>
  measuredUnits(new FakeUnitManager(env), new FleetMetrics(env.clock)),
);

test("the fake can be told to refuse, to be away, to be slow and to go down", async () => {
  const manager = new FakeUnitManager(env);
  manager.refuse("start", name, "cannot start web.service: no");
  await manager.load([{ name, text }]);
  assert.deepEqual(await manager.start([name]), [{ name, problem: "cannot start web.service: no" }]);
  manager.refuse("start", name);
  manager.callMs = 7;
  assert.deepEqual(await manager.start([name]), [{ name }]);
  assert.deepEqual(slept, [7]);
  manager.shuttingDown = true;
  assert.equal(await manager.stopping(), true);
  manager.unavailable = true;
  await assert.rejects(manager.list(), (error) => isFault(error, "manager-unavailable"));
  assert.deepEqual(
    manager.calls.map((call) => call.operation),
    ["load", "start", "start"],
  );
});

test("the fake's units can die by themselves, and it can be restarted", async () => {
  const manager = new FakeUnitManager(env);
  await manager.load([{ name, text }]);
  await manager.start([name]);
  const told: unknown[] = [];
  manager.subscribe((changed) => told.push(changed?.map((unit) => [unit.active, unit.result])));
  manager.change(name, { active: "failed", sub: "failed", result: "signal" });
  await manager.list();
  manager.managerRestarted();
  assert.deepEqual(told, [[["failed", "signal"]], undefined]);
  assert.equal(manager.textOf(name), text);
});

test("the fake counts the reloads a batch costs: none for new units, one for any number of replaced ones", async () => {
  const manager = new FakeUnitManager(env);
  const units = ["a.service", "b.service"].map((each) => ({ name: each, text }));
  await manager.load(units);
  await manager.load(units);
  assert.equal(manager.reloads, 0);
  await manager.load(units.map((unit) => ({ ...unit, text: `${text}# new\n` })));
  assert.equal(manager.reloads, 1);
});
