import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import type { UnitReport } from "../../src/fleet/api-entities.ts";
import { labDown } from "../../src/lab/lab.ts";
import { type FleetLab, isRunning, openFleetLab, sleeper } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";
import { noted, notingUnit } from "./noting-unit.ts";

// Machines of a cluster that go, with and without a goodbye, and come back.

const lab = testLab("fleet-failover");
let cluster: FleetLab;

before(async () => {
  cluster = await openFleetLab(lab);
  await cluster.setTimeToLive("3s");
});
beforeEach(async () => await cluster.reset());
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster.printJournals();
});
after(async () => await labDown(lab));

const units = [1, 2, 3, 4, 5, 6].map((number) => `web-${number}.service`);

/** Starts six units and returns those that run on `lost`, and the others. */
async function startUnits(lost: string, text = sleeper): Promise<{ lostUnits: string[]; others: string[] }> {
  for (const unit of units) await cluster.put(unit, text);
  const homes = await cluster.untilRunning(units);
  const lostUnits = units.filter((_, at) => homes[at] === lost);
  assert.equal(lostUnits.length, 2, `units are spread: ${homes.join()}`);
  return { lostUnits, others: units.filter((_, at) => homes[at] !== lost) };
}

function runsElsewhere(lost: string): (report: UnitReport) => boolean {
  const { id } = cluster.machine(lost);
  return (report) => isRunning(report) && report.machine?.id !== id && report.states.length === 1;
}

/** The other machine to ask while one is away. */
function besides(lost: string): string {
  return lost === "m1" ? "m2" : "m1";
}

/** Boots a lost machine again, and sees that it belongs to the cluster and runs a unit that is sent to it. */
async function comeBack(lost: string): Promise<void> {
  await cluster.lab.revive(lost);
  await cluster.untilWhole();
  await cluster.put("back.service", `${sleeper}[X-Fleet]\nMachineMetadata=machine=${lost}\n`);
  assert.deepEqual(await cluster.untilRunning(["back.service"]), [lost]);
}

test("units of a machine that loses power run elsewhere; when it returns nothing runs twice", async () => {
  const { lostUnits, others } = await startUnits("m3");
  const earlier = await cluster.snapshot(others);
  await cluster.lab.kill("m3");
  await cluster.until(lostUnits, "m3's units run elsewhere", runsElsewhere("m3"));
  await cluster.runsOnce(units);
  const between = await cluster.snapshot(units);
  for (const [what, process] of Object.entries(earlier)) assert.deepEqual(between[what], process, what);

  await comeBack("m3");
  await cluster.runsOnce(units);
  assert.deepEqual(await cluster.snapshot(units), between, "the return disturbs no unit");
});

test("the machine whose engine leads may lose power", async () => {
  const leader = cluster.nameOf(await cluster.leaderId());
  const { lostUnits, others } = await startUnits(leader);
  const through = besides(leader);
  const earlier = await cluster.snapshot(others);
  await cluster.lab.kill(leader);
  await cluster.until(lostUnits, `${leader}'s units run elsewhere`, runsElsewhere(leader), through);
  assert.notEqual(cluster.nameOf(await cluster.leaderId(through)), leader);
  const between = await cluster.snapshot(units);
  for (const [what, process] of Object.entries(earlier)) assert.deepEqual(between[what], process, what);

  await comeBack(leader);
  await cluster.runsOnce(units);
  assert.deepEqual(await cluster.snapshot(units), between, "the return disturbs no unit");
});

test("a powered-off machine stops its units first, and they run elsewhere long before its time to live is over", async () => {
  // Ten minutes: whatever happens within the limits of this test did not wait for a lease to lapse.
  await cluster.setTimeToLive("600s");
  const { lostUnits, others } = await startUnits("m2", notingUnit());
  const earlier = await cluster.snapshot(others);
  await cluster.lab.poweroff("m2");
  const moved = await cluster.until(lostUnits, "m2's units run elsewhere", runsElsewhere("m2"));
  await cluster.runsOnce(units);
  const between = await cluster.snapshot(units);
  for (const [what, process] of Object.entries(earlier)) assert.deepEqual(between[what], process, what);
  for (const unit of lostUnits) {
    const there = cluster.nameOf(moved.get(unit)?.machine?.id);
    const ended = await noted(cluster, "m2", unit, "end");
    const started = await noted(cluster, there, unit, "start");
    assert(ended < started, `${unit} ended on m2 at ${ended} and started on ${there} at ${started}`);
  }

  await comeBack("m2");
  await cluster.runsOnce(units);
  assert.deepEqual(await cluster.snapshot(units), between, "the return disturbs no unit");
});

test("a machine that reboots, in order or not, loses no unit: what fits nowhere else waits for it, the rest moves", async () => {
  await cluster.setTimeToLive("3s");
  const singles = [1, 2, 3].map((number) => `conflict-${number}.service`);
  for (const unit of singles) await cluster.put(unit, `${sleeper}[X-Fleet]\nConflicts=conflict-*.service\n`);
  const homes = await cluster.untilRunning(singles);
  assert.deepEqual([...homes].sort(), ["m1", "m2", "m3"]);
  for (const way of ["poweroff", "kill"] as const) {
    for (const unit of units) await cluster.put(unit, sleeper);
    const where = await cluster.untilRunning(units);
    const moves = units.filter((_, at) => where[at] === "m3");
    assert(moves.length > 0, where.join());
    const stays = [...singles, ...units].filter((_, at) => [...homes, ...where][at] !== "m3");
    const earlier = await cluster.snapshot(stays);
    await cluster.lab[way]("m3");
    await cluster.until(moves, "what is free runs elsewhere", runsElsewhere("m3"));
    const alone = singles.filter((_, at) => homes[at] === "m3");
    await cluster.until(alone, "what fits nowhere else waits", (report) => report.waiting !== undefined);
    await cluster.lab.revive("m3");
    await cluster.untilWhole();
    assert.deepEqual(await cluster.untilRunning(alone), ["m3"]);
    await cluster.runsOnce([...singles, ...units]);
    assert.deepEqual(await cluster.snapshot(stays), earlier);
    for (const unit of units) await cluster.destroy(unit);
    await cluster.untilGone(units);
  }
});

test("all machines lose power at once, and every unit runs once when they are back", async () => {
  await startUnits("m1");
  for (const { name: machine } of cluster.machines) await cluster.lab.kill(machine);
  for (const { name: machine } of cluster.machines) await cluster.lab.revive(machine);
  await cluster.untilWhole();
  await cluster.untilRunning(units);
  await cluster.waitFor("every unit runs once", async () => {
    for (const unit of units) if ((await cluster.machinesRunning(unit)).length !== 1) return false;
    return true;
  });
});
