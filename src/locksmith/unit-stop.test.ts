import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeRig, needed, withUnits } from "./fake-rig.ts";

test("what stays is stopped once all others have left, dependents first, and runs again after the boot", async () => {
  const rig = new FakeRig();
  withUnits(rig);
  rig.machine.stuck.add("web.service");
  rig.status = needed;
  await rig.start();
  assert.deepEqual(rig.machine.jobs, [], "not while others leave");
  rig.workload.finishDrain();
  await rig.env.settle();
  assert.equal(await rig.phase(), "stopping");
  assert.equal(await rig.reboots(), false, "logind is not asked before they have ended");
  rig.machine.release();
  await rig.env.settle();
  assert.deepEqual(rig.machine.jobs, ["stop web.service", "stop db.service"]);
  await rig.comeUp();
  assert.equal(rig.machine.ties.size, 2);
  await rig.start();
  assert.deepEqual(await rig.holders(), []);
  assert.equal(rig.machine.jobs.length, 2, "the agent of fleet starts them after a boot, nobody else");
  await rig.stop();
});

test("a unit that does not end holds the reboot up for the time of a drain at most", async () => {
  const rig = new FakeRig();
  withUnits(rig);
  rig.machine.stuck.add("db.service");
  rig.workload.others = 0;
  rig.status = needed;
  await rig.start();
  assert.equal(await rig.phase(), "stopping");
  await rig.env.advance(599_000);
  assert.equal(await rig.reboots(), false);
  await rig.env.advance(1_000);
  assert.equal(await rig.reboots(), true);
  const warning = "warning: not all units have stopped within 10 min: the reboot stops what is left";
  assert.ok(rig.env.lines.includes(warning), rig.env.lines.join("\n"));
  await rig.stop();
});

test("what was stopped for a reboot that does not come runs again, what it depends on first, if it is still wanted", async () => {
  const reasons: readonly (readonly [string, (rig: FakeRig) => unknown])[] = [
    ["halted", async (rig) => await rig.groups.halt("a sale")],
    ["withdrawn", (rig) => (rig.status = undefined)],
    ["inhibited", (rig) => rig.machine.inhibit({ who: "apt", why: "installs" })],
  ];
  for (const [name, stop] of reasons) {
    const rig = new FakeRig();
    withUnits(rig);
    rig.machine.ties.set("gone.service", { name: "gone.service", after: [], requires: [] });
    rig.workload.wanted = [...rig.workload.wanted, "gone.service"];
    rig.machine.stuck.add("web.service");
    rig.workload.others = 0;
    rig.status = needed;
    await rig.start();
    assert.equal(await rig.phase(), "stopping", name);
    rig.workload.wanted = ["db.service", "web.service"];
    await stop(rig);
    await rig.changed();
    assert.equal(await rig.reboots(), false, name);
    assert.deepEqual(rig.machine.jobs.slice(-2), ["start db.service", "start web.service"], name);
    assert.deepEqual(await rig.holders(), [], name);
    assert.equal(rig.turn?.stop, undefined, name);
    await rig.stop();
  }
});

test("a store that is away stops no unit, and one that is lost meanwhile has them run again", async () => {
  const rig = new FakeRig();
  withUnits(rig);
  rig.status = needed;
  await rig.start();
  rig.storeIsAway = true;
  rig.workload.finishDrain();
  await rig.env.advance(60_000);
  assert.deepEqual(rig.machine.jobs, [], "the slot is not confirmed");
  rig.storeIsAway = false;
  rig.machine.stuck.add("db.service");
  await rig.env.advance(300_000);
  assert.equal(await rig.phase(), "stopping");
  rig.storeIsAway = true;
  rig.machine.release();
  await rig.env.settle();
  assert.equal(await rig.reboots(), false);
  assert.deepEqual([...rig.machine.ties.keys()].sort(), ["db.service", "web.service"]);
  rig.storeIsAway = false;
  await rig.env.advance(600_000);
  assert.equal(await rig.reboots(), true);
  await rig.stop();
});

test("units that logind did not let down run until it does", async () => {
  const rig = new FakeRig();
  withUnits(rig);
  rig.workload.others = 0;
  rig.status = needed;
  rig.machine.refusal = "not now";
  await rig.start();
  assert.equal(rig.machine.ties.size, 2);
  rig.machine.refusal = undefined;
  await rig.env.advance(20_000);
  assert.equal(await rig.reboots(), true);
  assert.equal(rig.machine.ties.size, 0);
  await rig.stop();
});

test("a daemon that is restarted while units stop goes on with it, or has them run again", async () => {
  for (const isWanted of [true, false]) {
    const rig = new FakeRig();
    withUnits(rig);
    rig.machine.stuck.add("db.service");
    rig.workload.others = 0;
    rig.status = needed;
    await rig.start();
    await rig.stop();
    assert.deepEqual(rig.turn?.stop, { names: ["web.service", "db.service"], done: false });
    if (!isWanted) rig.status = undefined;
    await rig.start();
    if (isWanted) rig.machine.release();
    await rig.env.settle();
    assert.equal(await rig.reboots(), isWanted);
    assert.equal(rig.machine.ties.size, isWanted ? 0 : 2);
    await rig.stop();
  }
});
