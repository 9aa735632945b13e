import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeRig, leaseMs, needed, withUnits } from "./fake-rig.ts";
import { ticketMs } from "./reboot-lock.ts";
import { rebootTimes } from "./reboot-times.ts";

test("an update reboots the machine once: lock, drain, reboot; then health, uncordon, unlock", async () => {
  const rig = new FakeRig();
  await rig.start();
  assert.equal(await rig.phase(), "steady");
  rig.status = needed;
  await rig.changed();
  assert.deepEqual(await rig.holders(), ["a"]);
  assert.equal(await rig.phase(), "draining");
  assert.deepEqual(rig.workload.deeds, ["drain"]);
  assert.equal(await rig.reboots(), false);
  rig.workload.finishDrain();
  await rig.env.settle();
  assert.equal(rig.turn?.rebooting, true, "what the next boot has to know is on the disk before");
  await rig.comeUp();

  rig.machine.bootProblem = "a check has failed";
  rig.workload.unwell.add("pinned.service");
  rig.status = needed;
  await rig.start();
  assert.equal(await rig.phase(), "recovering");
  await rig.env.advance(3 * leaseMs);
  rig.store.nowMs += 1_000;
  assert.deepEqual(await rig.holders(), ["a"], "a machine that is not well keeps its slot");
  rig.machine.bootProblem = undefined;
  rig.storeProblem = "its member is not there";
  await rig.env.advance(120_000);
  assert.deepEqual(rig.workload.deeds, ["drain"]);
  rig.storeProblem = undefined;
  await rig.env.advance(120_000);
  assert.deepEqual(
    rig.workload.deeds,
    ["drain", "uncordon"],
    "what is pinned here comes back once units are taken",
  );
  assert.deepEqual(await rig.holders(), ["a"]);
  rig.workload.heal();
  await rig.env.settle();
  assert.deepEqual(await rig.holders(), []);
  assert.equal(rig.turn, undefined);
  assert.equal(await rig.phase(), "steady", "the same update does not reboot it again");
  assert.equal(await rig.reboots(), false);
  assert.deepEqual(rig.states, [
    "running",
    "reboot-planned",
    "rebooting",
    ...rig.states.slice(3).filter((state) => state === "starting"),
    "running",
  ]);
  await rig.stop();
  assert.equal(await rig.phase(), undefined, "a daemon that ends is not shown any more");
});

test("a wish is fulfilled by one reboot, under the lock whatever the strategy", async () => {
  const rig = new FakeRig();
  rig.workload.others = 0;
  await rig.start({ strategy: "reboot" });
  rig.wish = { id: "a", number: 9, boot: "boot-1", since: "", reason: "a new kernel" };
  await rig.changed();
  assert.deepEqual(await rig.holders(), ["a"]);
  assert.deepEqual(rig.workload.deeds, [], "nobody could take its units over");
  await rig.comeUp();
  await rig.start({ strategy: "reboot" });
  assert.equal(rig.wish, undefined);
  assert.deepEqual(await rig.holders(), []);
  assert.equal(await rig.reboots(), false);
  await rig.stop();
});

test("the strategy reboot asks nobody, and best-effort only where there is a store", async () => {
  for (const [strategy, units, locks] of [
    ["reboot", [], false],
    ["best-effort", [], false],
    ["best-effort", ["etcd2.service"], true],
  ] as const) {
    const rig = new FakeRig();
    rig.workload.others = 0;
    for (const unit of units) rig.machine.activeUnits.add(unit);
    rig.packages = ["linux-image"];
    await rig.start({ strategy });
    assert.equal(await rig.reboots(), true, strategy);
    assert.equal((await rig.holders()).length === 1, locks, strategy);
    await rig.stop();
  }
});

test("a machine waits for its turn in the queue, and for whoever forbids a reboot without a slot", async () => {
  const rig = new FakeRig();
  await rig.lock.lock("b", undefined);
  rig.status = needed;
  await rig.start();
  assert.equal(await rig.phase(), "queued");
  for (let minute = 0; minute < 10; minute++) {
    await rig.env.advance(20_000);
    rig.store.nowMs += 20_000;
  }
  assert.deepEqual(
    (await rig.lock.picture()).queue.map(({ id }) => id),
    ["a"],
    "its place is kept",
  );
  rig.machine.inhibit({ who: "apt", why: "installs packages" });
  await rig.lock.unlock("b");
  await rig.changed();
  assert.equal(await rig.phase(), "inhibited");
  assert.deepEqual(await rig.holders(), []);
  assert.deepEqual((await rig.lock.picture()).queue, []);
  rig.machine.permit();
  await rig.env.settle();
  assert.deepEqual(await rig.holders(), ["a"]);
  await rig.stop();
});

test("a window that closes while the machine waits or drains gives the slot and the units back", async () => {
  const rig = new FakeRig();
  const times = rebootTimes({ start: "", calendar: "*-*-* 02:00 UTC", length: "1h", zone: "" });
  assert.ok(times);
  // The clock stands at 2001-09-09T01:46:40Z.
  rig.status = needed;
  await rig.start({ times, drainMs: 7_200_000 });
  assert.equal(await rig.phase(), "waits-for-window");
  assert.match((await rig.board.records()).get("a")?.window?.changesAt ?? "", /^2001-09-09T02:00/);
  await rig.env.advance(15 * 60_000);
  assert.equal(await rig.phase(), "draining");
  assert.deepEqual(await rig.holders(), ["a"]);
  await rig.env.advance(61 * 60_000);
  assert.equal(await rig.phase(), "waits-for-window");
  assert.deepEqual(await rig.holders(), []);
  assert.deepEqual(rig.workload.deeds, ["drain", "uncordon"]);
  assert.equal(await rig.reboots(), false);
  await rig.stop();
});

test("a slot that was lost, a halt, and a wish that was withdrawn stop a reboot before it happens", async () => {
  const stops: readonly (readonly [string, (rig: FakeRig) => Promise<unknown>])[] = [
    ["lost", async (rig) => await rig.lock.unlock("a")],
    ["halted", async (rig) => await rig.groups.halt("a sale")],
    ["withdrawn", async (rig) => (rig.status = undefined)],
  ];
  for (const [name, stop] of stops) {
    const rig = new FakeRig();
    rig.status = needed;
    await rig.start();
    assert.equal(await rig.phase(), "draining", name);
    if (name === "lost") await rig.lock.queue("b", 0);
    await stop(rig);
    if (name === "lost") await rig.lock.lock("b", undefined);
    await rig.changed();
    rig.workload.finishDrain();
    await rig.env.settle();
    assert.equal(await rig.reboots(), false, name);
    assert.deepEqual(rig.workload.deeds, ["drain", "uncordon"], name);
    assert.deepEqual(await rig.holders(), name === "lost" ? ["b"] : [], name);
    await rig.stop();
  }
});

test("while the store is away nobody reboots on the strength of an old slot, and afterwards once", async () => {
  const rig = new FakeRig();
  rig.status = needed;
  await rig.start();
  rig.storeIsAway = true;
  rig.workload.finishDrain();
  await rig.env.settle();
  await rig.env.advance(120_000);
  assert.equal(await rig.reboots(), false);
  rig.storeIsAway = false;
  await rig.env.advance(300_000);
  assert.equal(await rig.reboots(), true);
  await rig.stop();
});

test("a daemon that is restarted goes on where the last one was, or takes everything back when nobody wants it any more", async () => {
  const rig = new FakeRig();
  rig.status = needed;
  await rig.start();
  await rig.stop();
  assert.deepEqual(await rig.holders(), ["a"], "a restart keeps the slot");
  await rig.start();
  assert.equal(await rig.phase(), "draining");
  assert.deepEqual(rig.workload.deeds, ["drain"], "the drain is the same one");
  await rig.stop();
  rig.status = undefined;
  await rig.start();
  await rig.env.advance(1_000);
  assert.deepEqual(rig.workload.deeds, ["drain", "uncordon"]);
  assert.deepEqual(await rig.holders(), []);
  assert.equal(rig.turn, undefined);
  await rig.stop();
});

test("a daemon that dies at any step is followed by one that ends what it began: one reboot, no slot and no drain left", async () => {
  let deaths = 0;
  for (let steps = 0; steps < 60; steps++) {
    const rig = new FakeRig();
    withUnits(rig);
    const live = async (): Promise<void> => {
      await rig.start();
      for (let round = 0; round < 6 && !rig.hasDied; round++) {
        if (rig.workload.taking === "draining") rig.workload.finishDrain();
        await rig.env.advance(10_000);
      }
    };
    const liveOn = async (): Promise<void> => {
      rig.stepsLeft = Number.POSITIVE_INFINITY;
      await rig.stop();
      await live();
    };
    rig.wish = { id: "a", number: 9, boot: "boot-1", since: "", reason: "" };
    rig.stepsLeft = steps;
    await live();
    if (rig.hasDied) {
      deaths++;
      rig.stepsLeft = Number.POSITIVE_INFINITY;
      if (!(await rig.reboots())) await liveOn();
    }
    // Of those that outlive the reboot the steps of the recovery are the last.
    const left = rig.stepsLeft;
    rig.stepsLeft = Number.POSITIVE_INFINITY;
    await rig.comeUp();
    rig.stepsLeft = left;
    await live();
    if (rig.hasDied) {
      deaths++;
      await liveOn();
    }
    rig.stepsLeft = Number.POSITIVE_INFINITY;
    assert.equal(await rig.reboots(), false, `${steps} steps: it reboots once`);
    assert.deepEqual(await rig.holders(), [], `${steps} steps: the slot is given back`);
    assert.equal(rig.workload.taking, "ready", `${steps} steps: units are taken again`);
    assert.deepEqual([rig.turn, rig.wish], [undefined, undefined], `${steps} steps: nothing is left to do`);
    assert.equal(rig.machine.ties.size, 2, `${steps} steps: its units run`);
    await rig.stop();
  }
  assert.ok(deaths > 30, `${deaths} daemons died`);
});

test("a machine that loses its power at any step comes back without slot and drain, and does not reboot for the same wish", async () => {
  let deaths = 0;
  for (let steps = 0; steps < 60; steps++) {
    const rig = new FakeRig();
    withUnits(rig);
    rig.wish = { id: "a", number: 9, boot: "boot-1", since: "", reason: "" };
    rig.stepsLeft = steps;
    await rig.start();
    if (rig.workload.taking === "draining") rig.workload.finishDrain();
    await rig.env.advance(10_000);
    if (rig.hasDied) deaths++;
    rig.stepsLeft = Number.POSITIVE_INFINITY;
    await rig.stop();
    rig.machine.boot();
    await rig.start();
    await rig.env.advance(60_000);
    rig.store.nowMs += ticketMs;
    assert.equal(await rig.reboots(), false, `${steps} steps`);
    const { semaphore, queue } = await rig.lock.picture();
    assert.deepEqual([semaphore.holders, queue], [[], []], `${steps} steps: neither slot nor place is left`);
    assert.equal(rig.workload.taking, "ready", `${steps} steps: units are taken again`);
    assert.deepEqual([rig.turn, rig.wish], [undefined, undefined], `${steps} steps: nothing is left to do`);
    assert.equal(rig.machine.ties.size, 2, `${steps} steps: its units run`);
    await rig.stop();
  }
  assert.ok(deaths > 15, `${deaths} machines died`);
});

test("a drain that does not end in its time is cut short, and an operator's own cordon stays", async () => {
  const rig = new FakeRig();
  rig.workload.set("cordoned");
  rig.status = needed;
  await rig.start();
  assert.equal(await rig.phase(), "draining");
  await rig.env.advance(600_000);
  assert.ok(
    rig.env.lines.some((line) => line.includes("not all units have left this machine within 10 min")),
  );
  await rig.comeUp();
  await rig.start();
  assert.deepEqual(rig.workload.deeds, ["drain", "cordon"]);
  assert.equal(rig.workload.taking, "cordoned");
  assert.deepEqual(await rig.holders(), []);
  await rig.stop();
});

test("a machine renews its lease as soon as it is up, not a third of a lease later", async () => {
  const rig = new FakeRig();
  rig.workload.others = 0;
  rig.status = needed;
  await rig.start();
  await rig.comeUp();
  rig.store.nowMs += leaseMs - 1_000;
  rig.machine.bootProblem = "not yet";
  await rig.start();
  rig.store.nowMs += 2_000;
  await assert.rejects(rig.lock.lock("b", undefined), /semaphore is at 0/);
  await rig.stop();
});

test("a daemon that is restarted while its machine waits keeps its place and complains about nothing", async () => {
  const rig = new FakeRig();
  await rig.lock.lock("b", undefined);
  rig.status = needed;
  await rig.start();
  await rig.lock.queue("c", 0);
  await rig.stop();
  await rig.start();
  assert.deepEqual(
    (await rig.lock.picture()).queue.map(({ id }) => id),
    ["a", "c"],
  );
  assert.ok(!rig.env.lines.some((line) => line.startsWith("warning")), rig.env.lines.join("\n"));
  await rig.lock.unlock("b");
  await rig.changed();
  assert.deepEqual(await rig.holders(), ["a"]);
  await rig.stop();
});

test("a machine that was locked by hand and rebooted gives the slot back when it is well", async () => {
  const rig = new FakeRig();
  await rig.lock.lock("a", undefined);
  rig.machine.bootProblem = "not yet";
  await rig.start();
  assert.deepEqual(await rig.holders(), ["a"]);
  rig.machine.bootProblem = undefined;
  await rig.env.advance(60_000);
  assert.deepEqual(await rig.holders(), []);
  await rig.stop();
});

test("who is logged in is told, and has five minutes", async () => {
  const rig = new FakeRig();
  rig.machine.loggedIn.push("core");
  rig.workload.others = 0;
  rig.status = needed;
  await rig.start();
  assert.deepEqual(rig.machine.told, ["System reboot in 5 minutes!"]);
  await rig.env.advance(299_000);
  assert.equal(await rig.reboots(), false);
  await rig.env.advance(2_000);
  assert.equal(await rig.reboots(), true);
  await rig.stop();
});

test("nobody is waited for who has logged out", async () => {
  const rig = new FakeRig();
  rig.machine.loggedIn.push("core");
  rig.workload.others = 0;
  rig.status = needed;
  await rig.start();
  assert.equal(await rig.phase(), "warning");
  rig.machine.loggedIn.length = 0;
  await rig.changed();
  assert.equal(await rig.reboots(), true);
  await rig.stop();
});

test("a reboot that logind refuses is tried again, and one that never comes is told", async () => {
  const rig = new FakeRig();
  rig.workload.others = 0;
  rig.status = needed;
  rig.machine.refusal = "not now";
  await rig.start();
  assert.ok(rig.env.lines.some((line) => line.startsWith("warning: not now. Retrying in ")));
  rig.machine.refusal = undefined;
  await rig.env.advance(20_000);
  assert.equal(await rig.reboots(), true);
  await rig.env.advance(900_000);
  assert.ok(rig.env.lines.some((line) => line.includes("this machine is still up")));
  await rig.stop();
});
