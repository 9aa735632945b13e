import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import type { MachineReport } from "../../src/fleet/machine-report.ts";
import { labDown } from "../../src/lab/lab.ts";
import { type FleetLab, isRunning, openFleetLab, type Process, sleeper } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";
import { noted, notingUnit } from "./noting-unit.ts";

// Machines that are emptied for maintenance, and units that are restarted, on real machines.

const lab = testLab("fleet-drain");
let cluster: FleetLab;

before(async () => {
  cluster = await openFleetLab(lab);
});
beforeEach(async () => {
  await cluster.reset();
  for (const { id } of cluster.machines) await post(`/argosy/v1/machines/${id}/uncordon`);
});
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster.printJournals();
});
after(async () => await labDown(lab));

async function post(path: string): Promise<Response> {
  return await cluster.ask("m1", path, { method: "POST" });
}

async function reportOn(machine: string): Promise<MachineReport> {
  const answer = await cluster.read("m1", `/argosy/v1/machines/${cluster.machine(machine).id}`);
  return ((await answer.json()) as { machine: MachineReport }).machine;
}

test("a drain starts each unit elsewhere before it stops it, one by one, and the drained machine may reboot", async () => {
  const units = ["web-1.service", "web-2.service", "web-3.service", "web-4.service"];
  for (const unit of units) await cluster.put(unit, notingUnit());
  await cluster.put("single.service", notingUnit("OnPartition=stop"));
  await cluster.put("all.service", `${sleeper}[X-Fleet]\nGlobal=true\n`);
  const all = [...units, "single.service"];
  const homes = await cluster.untilRunning(all);
  const home = homes[4] ?? "";
  const leaving = all.filter((_, at) => homes[at] === home);
  assert.ok(leaving.length >= 2, `${home} has ${leaving.join(" ")}`);
  const staying = await cluster.snapshot(all.filter((unit) => !leaving.includes(unit)));

  const { id } = cluster.machine(home);
  const { code, stdout, stderr } = await cluster.machine("m1").exec(["argosy", "drain", id.slice(0, 8)]);
  assert.equal(code, 0, stdout + stderr);
  assert.match(
    stdout,
    new RegExp(`^Draining ${id.slice(0, 8)}.*: ${leaving.length} unit\\(s\\) to move, at most 1`, "m"),
  );
  assert.match(stdout, /^all\.service: stays, because it is global$/m);
  assert.match(stdout, /^Drained .*; 1 unit\(s\) stay: all\.service \(global\)\.$/m);

  const moved = await cluster.untilRunning(all);
  for (const unit of leaving) {
    const there = moved[all.indexOf(unit)] ?? "";
    assert.notEqual(there, home);
    const started = await noted(cluster, there, unit, "start");
    const ended = await noted(cluster, home, unit, "end");
    if (unit === "single.service") assert(ended < started, `${unit} never ran twice`);
    else
      assert(started < ended, `${unit} was never down: started there at ${started}, ended here at ${ended}`);
  }
  for (const [what, process] of Object.entries(staying)) {
    assert.deepEqual((await cluster.snapshot(all))[what], process, what);
  }
  await cluster.runsOnce(all);
  assert.equal((await reportOn(home)).state, "drained");

  await cluster.lab.poweroff(home);
  await cluster.lab.revive(home);
  await cluster.untilWhole();
  assert.equal((await reportOn(home)).state, "drained", "a reboot does not end it");
  await cluster.put("new.service", sleeper);
  assert.notDeepEqual(await cluster.untilRunning(["new.service"]), [home]);
  const uncordon = await cluster.machine("m1").exec(["argosy", "uncordon", id.slice(0, 8)]);
  assert.equal(uncordon.code, 0, uncordon.stderr);
  await cluster.put("newer.service", sleeper);
  assert.deepEqual(await cluster.untilRunning(["newer.service"]), [home], "it has the fewest units");
});

test("a drain goes on when the engine that leads and the command that began it go away", async () => {
  const units = [1, 2, 3, 4, 5, 6].map((number) => `web-${number}.service`);
  for (const unit of units) await cluster.put(unit, sleeper);
  await cluster.untilRunning(units);
  const { id } = cluster.machine("m3");
  const begun = await cluster.machine("m1").exec(["argosy", "drain", id, "--no-block"]);
  assert.equal(begun.code, 0, begun.stderr);
  for (const { name } of cluster.machines)
    await cluster.systemctl(name, "kill", "--signal=KILL", "fleet.service");
  const away = new Set([id]);
  await cluster.until(
    units,
    "all of them have left m3",
    (report) => isRunning(report) && !away.has(report.machine?.id ?? "") && report.states.length === 1,
  );
  await cluster.runsOnce(units);
});

test("a cordoned machine keeps its units and gets no new one", async () => {
  await cluster.put("old.service", `${sleeper}[X-Fleet]\nMachineMetadata=machine=m2\n`);
  assert.deepEqual(await cluster.untilRunning(["old.service"]), ["m2"]);
  const earlier = await cluster.snapshot(["old.service"]);
  const { address } = cluster.machine("m2");
  const { code, stdout } = await cluster.machine("m3").exec(["argosy", "cordon", address]);
  assert.equal(code, 0);
  assert.match(stdout, /takes no new units, and keeps 1\./);
  const news = [1, 2, 3, 4].map((number) => `new-${number}.service`);
  for (const unit of news) await cluster.put(unit, sleeper);
  const homes = await cluster.untilRunning(news);
  assert.ok(!homes.includes("m2"), homes.join());
  await cluster.put("pinned.service", `${sleeper}[X-Fleet]\nMachineID=${cluster.machine("m2").id}\n`);
  const waiting = await cluster.until(
    ["pinned.service"],
    "it waits",
    (report) => report.waiting !== undefined,
  );
  assert.match(JSON.stringify(waiting.get("pinned.service")?.waiting), /the machine is cordoned/);
  assert.deepEqual(await cluster.snapshot(["old.service"]), earlier);
  await post(`/argosy/v1/machines/${cluster.machine("m2").id}/uncordon`);
  assert.deepEqual(
    await cluster.untilRunning(["pinned.service"]),
    ["m2"],
    "placed as soon as something changes",
  );
});

test("a restart is carried out once: not again when daemons, systemd or the bus are restarted", async () => {
  await cluster.put("web.service", sleeper);
  await cluster.put("all.service", `${sleeper}[X-Fleet]\nGlobal=true\n`);
  const [home = ""] = await cluster.untilRunning(["web.service"]);
  await cluster.until(["all.service"], "it runs everywhere", ({ states }) => states.length === 3);
  const invocation = async (unit: string, machine: string): Promise<string> =>
    (await cluster.process(machine, unit)).invocation;
  const restart = async (unit: string, machines: number): Promise<void> => {
    const answer = await post(`/argosy/v1/units/${unit}/restart`);
    assert.equal(answer.status, 200);
    const { restart: number } = (await answer.json()) as { restart: number };
    await cluster.until(
      [unit],
      "it has been restarted",
      ({ states }) =>
        states.length === machines &&
        states.every((state) => (state.restart ?? 0) >= number && state.active === "active"),
    );
  };

  const first = await invocation("web.service", home);
  const everywhere = await cluster.snapshot(["all.service"]);
  await restart("web.service", 1);
  const second = await invocation("web.service", home);
  assert.notEqual(second, first);
  assert.deepEqual(await cluster.snapshot(["all.service"]), everywhere);
  await restart("all.service", 3);
  for (const { name } of cluster.machines)
    assert.notEqual(await invocation("all.service", name), everywhere[`all.service on ${name}`]?.invocation);

  const settled = await cluster.snapshot(["web.service", "all.service"]);
  for (const { name } of cluster.machines) {
    await cluster.systemctl(name, "daemon-reexec");
    await cluster.systemctl(name, "restart", "dbus.service");
    await cluster.systemctl(name, "kill", "--signal=KILL", "fleet.service");
  }
  await cluster.untilWhole();
  await cluster.put("later.service", sleeper);
  await cluster.untilRunning(["later.service"]);
  assert.deepEqual(await cluster.snapshot(["web.service", "all.service"]), settled);

  await cluster.systemctl(home, "stop", "--no-block", "etcd-member.service");
  await cluster.systemctl(home, "kill", "--signal=STOP", "fleet.service");
  const through = home === "m1" ? "m2" : "m1";
  const answer = await cluster.ask(through, "/argosy/v1/units/web.service/restart", { method: "POST" });
  await cluster.systemctl(home, "kill", "--signal=CONT", "fleet.service");
  await cluster.systemctl(home, "start", "etcd-member.service");
  assert.equal(answer.status, 200);
  await cluster.waitFor("the restart that was asked for meanwhile is carried out", async () => {
    const [now] = await cluster.untilRunning(["web.service"]);
    return (await invocation("web.service", now ?? "")) !== second;
  });
});

/** Units of `beginDrain` start once this is there; gone after a reboot. */
const gate = "/run/units-may-start";

async function openGates(): Promise<void> {
  for (const machine of cluster.machines)
    if (await machine.isRunning()) await cluster.shell(machine.name, `touch ${gate}`);
}

/** Starts six units and begins to drain their machine of these; none of them is well elsewhere before `openGates`. */
async function beginDrain(drained: string): Promise<readonly string[]> {
  const units = [1, 2, 3, 4, 5, 6].map((number) => `gated-${number}.service`);
  const waits = `/bin/sh -c 'until [ -e ${gate} ]; do sleep 0.2; done'`;
  const text = `[Service]\nTimeoutStartSec=600\nExecStartPre=${waits}\nExecStart=/bin/sleep infinity\n`;
  await openGates();
  for (const unit of units) await cluster.put(unit, text);
  const homes = await cluster.untilRunning(units);
  assert.equal(homes.filter((home) => home === drained).length, 2, homes.join());
  for (const { name } of cluster.machines) await cluster.shell(name, `rm ${gate}`);
  await post(`/argosy/v1/machines/${cluster.machine(drained).id}/drain`);
  return units;
}

/** Each unit runs once, on a machine besides `without`; `bystanders` have gone on undisturbed. */
async function settleBesides(
  units: readonly string[],
  without: readonly string[],
  bystanders: Readonly<Record<string, Process>>,
): Promise<void> {
  const allowed = cluster.machines.filter(({ name }) => !without.includes(name));
  await cluster.until(
    units,
    `each runs once, besides ${without.join(" and ")}`,
    (report) =>
      isRunning(report) && report.states.length === 1 && allowed.some(({ id }) => id === report.machine?.id),
    allowed[0]?.name ?? "",
  );
  await cluster.runsOnce(units);
  const now = await cluster.snapshot(units);
  for (const [what, process] of Object.entries(bystanders)) assert.deepEqual(now[what], process, what);
}

test("a drain comes to its end when the drained machine, the one that takes a unit over or the leading engine's loses its power", async () => {
  await cluster.setTimeToLive("3s");
  for (const loses of ["drained", "successor", "leader"] as const) {
    await cluster.reset();
    for (const { id } of cluster.machines) await post(`/argosy/v1/machines/${id}/uncordon`);
    const leader = cluster.nameOf(await cluster.leaderId());
    // Drained is one that does not lead: that makes three cases of it.
    const drained = leader === "m3" ? "m2" : "m3";
    const units = await beginDrain(drained);
    const processes = await cluster.snapshot(units);
    let successor = "";
    await cluster.waitFor(`a unit of ${drained} starts elsewhere`, async () => {
      const { units: found } = await reportOn(drained);
      const to = found.find(({ state }) => state === "starting")?.to?.id;
      if (to !== undefined) successor = cluster.nameOf(to);
      return to !== undefined;
    });
    const victim = { drained, successor, leader }[loses];
    await cluster.lab.kill(victim);
    await openGates();
    const bystanders = Object.fromEntries(
      Object.entries(processes).filter(
        ([what]) => !what.endsWith(` on ${victim}`) && !what.endsWith(` on ${drained}`),
      ),
    );
    await settleBesides(units, [drained, victim], bystanders);
    await cluster.lab.revive(victim);
    await openGates();
    await cluster.untilWhole();
    await settleBesides(units, [drained], bystanders);
  }
});
