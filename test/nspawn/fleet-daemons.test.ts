import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, afterEach, before, beforeEach, test } from "node:test";
import type { UnitReport } from "../../src/fleet/api-entities.ts";
import { labDown } from "../../src/lab/lab.ts";
import { activeOn, type FleetLab, isRunning, openFleetLab, type Process, sleeper } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";

// Daemons that die, are restarted, stopped, cut off from each other or from the store: units must not notice.

const lab = testLab("fleet-daemons");
let cluster: FleetLab;

before(async () => {
  cluster = await openFleetLab(lab);
});
beforeEach(async () => await cluster.reset());
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster.printJournals();
});
after(async () => await labDown(lab));

const singles = [1, 2, 3].map((number) => `web-${number}.service`);
const everywhere = "everywhere.service";
const units = [...singles, everywhere];
const machines = ["m1", "m2", "m3"];

/** Longer than the time to live of the lab's machines. */
const outageMs = 30_000;

/** One unit on each machine and one on all of them; returns their processes. */
async function startUnits(): Promise<Readonly<Record<string, Process>>> {
  for (const unit of singles) await cluster.put(unit, sleeper);
  await cluster.put(everywhere, `${sleeper}[X-Fleet]\nGlobal=true\n`);
  const homes = await cluster.untilRunning(singles);
  assert.deepEqual([...homes].sort(), machines, "units are spread");
  await cluster.until([everywhere], "it runs everywhere", (report) => activeOn(report).length === 3);
  const processes = await cluster.snapshot(units);
  assert.equal(Object.keys(processes).length, 6);
  return processes;
}

/** A unit that is sent to a machine starts there, and stops: fleet is at work on it. */
async function obeys(machine: string): Promise<void> {
  const unit = `obeys@${machine}.service`;
  const through = machine === "m1" ? "m2" : "m1";
  await cluster.put(unit, `${sleeper}[X-Fleet]\nMachineMetadata=machine=%i\n`, "launched", through);
  assert.deepEqual(await cluster.untilRunning([unit], through), [machine]);
  await cluster.setTarget(unit, "loaded", through);
  const stopped = ({ states }: UnitReport): boolean => states[0]?.active === "inactive";
  await cluster.until([unit], `it has stopped on ${machine}`, stopped, through);
  await cluster.destroy(unit, through);
  await cluster.untilGone([unit], through);
}

/** Waits until a service runs with another process than before, and answers again. */
async function anew(machine: string, service: string, earlier: Process): Promise<void> {
  await cluster.waitFor(`${service} is back on ${machine}`, async () => {
    const { active, mainPid } = await cluster.process(machine, service);
    return active === "active" && mainPid !== earlier.mainPid && mainPid !== "0";
  });
}

for (const service of ["fleet.service", "etcd.service", "etcd-member.service"]) {
  for (const way of ["killed", "restarted"]) {
    test(`no unit notices that ${service} is ${way} on one machine after the other`, async () => {
      const undisturbed = await startUnits();
      for (const machine of machines) {
        const earlier = await cluster.process(machine, service);
        if (way === "killed") await cluster.systemctl(machine, "kill", "--signal=KILL", service);
        else await cluster.systemctl(machine, "restart", service);
        await anew(machine, service, earlier);
        await obeys(machine);
      }
      await cluster.untilWhole();
      assert.deepEqual(await cluster.snapshot(units), undisturbed);
    });
  }
}

test("no unit notices that fleet is killed on all machines at once", async () => {
  const undisturbed = await startUnits();
  for (const machine of machines) {
    await cluster.systemctl(machine, "kill", "--signal=KILL", "fleet.service");
  }
  await cluster.untilWhole();
  for (const machine of machines) await obeys(machine);
  assert.deepEqual(await cluster.snapshot(units), undisturbed);
});

test("stopping fleet takes the machine out of the cluster, and starting it brings it back", async () => {
  const undisturbed = await startUnits();
  const [home = ""] = await cluster.untilRunning(["web-1.service"]);
  const through = home === "m1" ? "m2" : "m1";
  await cluster.systemctl(home, "stop", "fleet.service");
  assert.deepEqual(await cluster.shell(home, "systemctl show --property=Result --value fleet"), "success\n");
  const moved = (report: UnitReport): boolean =>
    isRunning(report) && report.machine?.id !== cluster.machine(home).id;
  await cluster.until(["web-1.service"], "it runs elsewhere", moved, through);
  await cluster.waitFor(`${home} is not listed`, async () => {
    return !(await cluster.present(through)).includes(cluster.machine(home).id);
  });
  assert.equal((await cluster.machinesRunning(everywhere)).includes(home), false);
  await cluster.runsOnce(singles);
  const between = await cluster.snapshot(units);
  for (const [what, process] of Object.entries(undisturbed)) {
    if (!what.endsWith(` on ${home}`)) assert.deepEqual(between[what], process, what);
  }

  await cluster.systemctl(home, "start", "fleet.service");
  await cluster.untilWhole();
  await obeys(home);
  await cluster.until([everywhere], "it runs everywhere", (report) => activeOn(report).length === 3);
  await cluster.runsOnce(singles);
  const later = await cluster.snapshot(units);
  for (const [what, process] of Object.entries(between)) assert.deepEqual(later[what], process, what);
});

test("no unit notices that the store is away for 30 seconds, not even where fleet is restarted meanwhile", async () => {
  const undisturbed = await startUnits();
  for (const machine of machines) await cluster.systemctl(machine, "stop", "etcd-member.service");
  await sleep(outageMs / 2);
  await cluster.systemctl("m2", "restart", "fleet.service");
  const refused = await cluster.tryPut("meanwhile.service", sleeper, "launched", "m1");
  assert.equal(refused.status, 503, await refused.text());
  await sleep(outageMs / 2);
  assert.deepEqual(await cluster.snapshot(units), undisturbed);

  for (const machine of machines) await cluster.systemctl(machine, "start", "etcd-member.service");
  await cluster.untilWhole();
  for (const machine of machines) await obeys(machine);
  assert.deepEqual(await cluster.snapshot(units), undisturbed);
  await cluster.setTarget("web-1.service", "loaded", "m3");
  const stopped = ({ states }: UnitReport): boolean => states[0]?.active === "inactive";
  await cluster.until(["web-1.service"], "it has stopped", stopped);
});

test("no unit notices that every member of the store hangs for 30 seconds", async () => {
  const undisturbed = await startUnits();
  for (const machine of machines)
    await cluster.systemctl(machine, "kill", "--signal=STOP", "etcd-member.service");
  await sleep(outageMs);
  assert.deepEqual(await cluster.snapshot(units), undisturbed);
  for (const machine of machines)
    await cluster.systemctl(machine, "kill", "--signal=CONT", "etcd-member.service");
  await cluster.untilWhole();
  for (const machine of machines) await obeys(machine);
  assert.deepEqual(await cluster.snapshot(units), undisturbed);
});

test("a machine that is cut off keeps its units running; when it is back nothing runs twice", async () => {
  const undisturbed = await startUnits();
  const [home = ""] = await cluster.untilRunning(["web-2.service"]);
  const through = home === "m1" ? "m2" : "m1";
  const { id } = cluster.machine(home);
  await cluster.machine(home).cutLink();
  await cluster.until(
    ["web-2.service"],
    "the others run it",
    (report) => isRunning(report) && report.machine?.id !== id,
    through,
  );
  const cut = await cluster.snapshot(units);
  for (const [what, process] of Object.entries(undisturbed)) assert.deepEqual(cut[what], process, what);

  await cluster.machine(home).restoreLink();
  await cluster.untilWhole();
  await cluster.waitFor("web-2.service runs on one machine", async () => {
    return (await cluster.machinesRunning("web-2.service")).length === 1;
  });
  await obeys(home);
  await cluster.until([everywhere], "it runs everywhere", (report) => activeOn(report).length === 3);
  await cluster.runsOnce(singles);
  const later = await cluster.snapshot(units);
  for (const [what, process] of Object.entries(cut)) {
    const moved = what === `web-2.service on ${home}`;
    if (!moved) assert.deepEqual(later[what], process, what);
  }
});

test("another etcd_key_prefix makes a fleet of its own in the same store, once the machine has left the first one", async () => {
  const undisturbed = await startUnits();
  const { id } = cluster.machine("m3");
  const path = "/etc/fleet/fleet.conf";
  const settings = await cluster.shell("m3", `cat ${path}`);
  const elsewhere = async (
    what: string,
    done: () => Promise<readonly string[]>,
    wanted: readonly string[],
  ) => {
    await cluster.waitFor(what, async () => JSON.stringify(await done()) === JSON.stringify(wanted));
  };
  const firstFleet = ["m1", "m2"].map((name) => cluster.machine(name).id).sort();
  try {
    await cluster.writeFile("m3", path, `${settings}\netcd_key_prefix="/team/b/"\n`);
    await cluster.systemctl("m3", "restart", "fleet.service");
    await cluster.untilWhole();
    assert.match(
      await cluster.shell("m3", "journalctl -u fleet --no-pager -o cat"),
      /etcd_key_prefix is \/team\/b, but this machine holds .* units?\S* of the fleet \/_coreos\.com\/fleet/,
    );
    await obeys("m3");
    assert.deepEqual(await cluster.snapshot(units), undisturbed, "a restart moves no unit");

    await cluster.systemctl("m3", "stop", "fleet.service");
    await cluster.systemctl("m3", "start", "fleet.service");
    await elsewhere("m3 lists itself alone", () => cluster.present("m3"), [id]);
    await elsewhere("m1 does not list m3", () => cluster.present("m1"), firstFleet);
    const homes = await cluster.untilRunning(singles);
    assert.ok(!homes.includes("m3"), "its units run on the others");
    await elsewhere("m3 runs none of them", () => cluster.machinesRunning(everywhere), ["m1", "m2"]);
    assert.deepEqual(await cluster.units("m3"), []);

    const between = await cluster.snapshot(units);
    for (const [what, process] of Object.entries(undisturbed))
      if (!what.endsWith(" on m3")) assert.deepEqual(between[what], process, what);
    await cluster.put("web-1.service", sleeper, "launched", "m3");
    assert.deepEqual(await cluster.untilRunning(["web-1.service"], "m3"), ["m3"]);
    assert.deepEqual(
      await cluster.machinesRunning("web-1.service"),
      [homes[0], "m3"],
      "each fleet has its own",
    );
    const killed = await cluster.process("m3", "fleet.service");
    await cluster.systemctl("m3", "kill", "--signal=KILL", "fleet.service");
    await anew("m3", "fleet.service", killed);
    await elsewhere("m3 still lists itself alone", () => cluster.present("m3"), [id]);
    const ownUnits = (await cluster.units("m3")).map(({ name }) => name);
    assert.deepEqual(ownUnits, ["web-1.service"]);
    await cluster.destroy("web-1.service", "m3");
    await cluster.untilGone(["web-1.service"], "m3");
    await elsewhere("m3 has ended its own", () => cluster.machinesRunning("web-1.service"), [homes[0] ?? ""]);
    assert.deepEqual(await cluster.snapshot(units), between, "the first fleet did not notice");

    await cluster.waitFor("m3 holds no unit", async () => {
      return (await cluster.shell("m3", "ls /run/fleet/units")) === "";
    });
    await cluster.writeFile("m3", path, settings);
    await cluster.systemctl("m3", "restart", "fleet.service");
    await cluster.untilWhole();
    await cluster.until([everywhere], "it runs everywhere", (report) => activeOn(report).length === 3);
    await obeys("m3");
    await cluster.runsOnce(singles);
  } finally {
    await cluster.writeFile("m3", path, settings);
    await cluster.systemctl("m3", "stop", "fleet.service");
  }
});

test("a store that has lost all its data has no unit stopped; leaving and coming back joins the new one", async () => {
  const processes = await startUnits();
  const members = cluster.machines.map(({ name }) => name);
  const everyMember = async (verb: string): Promise<void> => {
    await Promise.all(
      members.map(async (name) => await cluster.systemctl(name, verb, "etcd-member.service")),
    );
  };
  await everyMember("stop");
  await Promise.all(
    members.map(async (name) => await cluster.shell(name, "rm -rf /var/lib/etcd-member/member")),
  );
  await everyMember("start");
  for (const name of members) {
    await cluster.waitFor(`${name} says why it does nothing`, async () =>
      (await cluster.shell(name, "journalctl -u fleet --no-pager -o cat")).includes(
        "the store is not the one that this machine's units came from",
      ),
    );
  }
  assert.deepEqual(await cluster.snapshot(units), processes);

  for (const name of members) await cluster.systemctl(name, "stop", "fleet.service");
  assert.deepEqual(await cluster.snapshot(units), {});
  for (const name of members) await cluster.systemctl(name, "start", "fleet.service");
  await cluster.untilWhole();
  await obeys("m1");
});
