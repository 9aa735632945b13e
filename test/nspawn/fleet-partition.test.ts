import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { labDown } from "../../src/lab/lab.ts";
import { type FleetLab, isRunning, openFleetLab, sleeper } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";

// A machine that is cut off, and units that must never run on both sides of the cut.

const lab = testLab("fleet-partition");
let cluster: FleetLab;

before(async () => {
  cluster = await openFleetLab(lab);
});
beforeEach(async () => await cluster.reset());
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster.printJournals();
});
after(async () => await labDown(lab));

/** A service that notes every twentieth of a second that it runs, and does not end when it is asked to, if `stubborn`. */
function ticking(stubborn: boolean): string {
  const trap = stubborn ? 'trap "" TERM; ' : "";
  return (
    `[Service]\nExecStart=/bin/sh -c '${trap}while :; do date +%%s%%N >> /root/ticks-%p; sleep 0.05; done'\n` +
    "TimeoutStopSec=600\n[X-Fleet]\nOnPartition=stop\n"
  );
}

/** When a unit noted that it ran on a machine: nanoseconds since 1970, in order. Read from outside, cut off or not. */
async function ticks(machine: string, unit: string): Promise<readonly bigint[]> {
  const path = `${cluster.machine(machine).rootDirectory}/root/ticks-${unit.replace(".service", "")}`;
  const text = await readFile(path, "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => (/^\d{19}$/.test(line) ? [BigInt(line)] : []));
}

/** Each machine's first and last tick of a unit since a moment. */
async function spans(unit: string, since: bigint): Promise<Map<string, { first: bigint; last: bigint }>> {
  const found = new Map<string, { first: bigint; last: bigint }>();
  for (const { name } of cluster.machines) {
    const recent = (await ticks(name, unit)).filter((tick) => tick >= since);
    const [first] = recent;
    const last = recent.at(-1);
    if (first !== undefined && last !== undefined) found.set(name, { first, last });
  }
  return found;
}

test("a unit with OnPartition=stop has ended on a machine that is cut off before it starts elsewhere, also one that will not stop", async () => {
  const units = ["obedient.service", "stubborn.service"];
  await cluster.put("obedient.service", ticking(false));
  await cluster.put("stubborn.service", `${ticking(true)}MachineOf=obedient.service\n`);
  await cluster.put("beside.service", `${sleeper}[X-Fleet]\nMachineOf=obedient.service\n`);
  const [home = ""] = await cluster.untilRunning([...units, "beside.service"]);
  const beside = await cluster.process(home, "beside.service");
  const through = home === "m1" ? "m2" : "m1";
  const { id } = cluster.machine(home);

  const cutAt = BigInt(Date.now()) * 1_000_000n;
  await cluster.machine(home).cutLink();
  await cluster.until(
    units,
    "the others run them",
    (report) => isRunning(report) && report.machine?.id !== id,
    through,
  );
  for (const unit of units) {
    const found = await spans(unit, cutAt);
    const old = found.get(home);
    assert(old !== undefined, `${unit} ran on ${home} when it was cut off`);
    for (const [machine, { first }] of found) {
      if (machine !== home)
        assert(old.last < first, `${unit} ended on ${home} at ${old.last}, began on ${machine} at ${first}`);
    }
  }
  assert.deepEqual(
    await cluster.process(home, "beside.service"),
    beside,
    "OnPartition=keep is what units do",
  );

  await cluster.machine(home).restoreLink();
  await cluster.untilWhole();
  await cluster.until(
    units,
    "only one machine shows them",
    (report) => isRunning(report) && report.states.length === 1,
  );
  await cluster.runsOnce(units);
  const [there = ""] = await cluster.machinesRunning("stubborn.service");
  await cluster.destroy("stubborn.service", through);
  await cluster.waitFor("stubborn.service has been asked to stop", async () => {
    return (await cluster.process(there, "stubborn.service")).active === "deactivating";
  });
  await cluster.systemctl(there, "kill", "--signal=KILL", "stubborn.service");
  for (const unit of units) {
    const late = await spans(unit, (await ticks(home, unit)).at(-1) ?? 0n);
    assert.equal(
      (late.get(home)?.first ?? 0n) === (late.get(home)?.last ?? 0n),
      true,
      `${unit} stayed ended on ${home}`,
    );
  }
});

test("a store that is away stops only units that ask for it, and they start again when it is back", async () => {
  await cluster.put("single.service", ticking(false));
  await cluster.put("steady.service", sleeper);
  const [home = "", other = ""] = await cluster.untilRunning(["single.service", "steady.service"]);
  const steady = await cluster.process(other, "steady.service");
  const members = cluster.machines.map(({ name }) => name);
  for (const name of members) await cluster.systemctl(name, "stop", "etcd-member.service");
  await cluster.waitFor("single.service has stopped", async () => {
    return (await cluster.process(home, "single.service")).active === "inactive";
  });
  await Promise.all(
    members.map(async (name) => await cluster.systemctl(name, "start", "etcd-member.service")),
  );
  await cluster.untilWhole();
  await cluster.untilRunning(["single.service"]);
  // A machine that is so busy that it renews its presence too late stops the unit once more, and starts it again.
  await cluster.waitFor("single.service runs again", async () => {
    const running = await cluster.machinesRunning("single.service");
    assert.ok(running.length <= 1, `it runs on ${running.join(" and ")}`);
    return running.length === 1;
  });
  assert.deepEqual(await cluster.process(other, "steady.service"), steady);
});

test("a daemon that is restarted while its machine is cut off still stops such a unit in time", async () => {
  await cluster.put("single.service", ticking(false));
  const [home = ""] = await cluster.untilRunning(["single.service"]);
  const through = home === "m1" ? "m2" : "m1";
  const { id } = cluster.machine(home);
  const cutAt = BigInt(Date.now()) * 1_000_000n;
  await cluster.machine(home).cutLink();
  await cluster.systemctl(home, "kill", "--signal=KILL", "fleet.service");
  await cluster.until(
    ["single.service"],
    "the others run it",
    (report) => isRunning(report) && report.machine?.id !== id,
    through,
  );
  const found = await spans("single.service", cutAt);
  const old = found.get(home);
  assert(old !== undefined, `it ran on ${home}`);
  for (const [machine, { first }] of found)
    if (machine !== home)
      assert(old.last < first, `ended on ${home} at ${old.last}, began on ${machine} at ${first}`);
});
