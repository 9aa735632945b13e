import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import type { UnitReport } from "../../src/fleet/api-entities.ts";
import { labDown } from "../../src/lab/lab.ts";
import { activeOn, type FleetLab, isRunning, openFleetLab, sleeper } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";

// Units of every kind on a cluster of real machines: where they land, and that systemd there does what was asked.

const lab = testLab("fleet-units");
let cluster: FleetLab;

before(async () => {
  cluster = await openFleetLab(lab);
});
beforeEach(async () => await cluster.reset());
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster.printJournals();
});
after(async () => await labDown(lab));

/** A sleeper with these lines in its [X-Fleet] section. */
function sleeperWith(...lines: readonly string[]): string {
  return `${sleeper}\n[X-Fleet]\n${lines.join("\n")}\n`;
}

test("a unit is loaded, started, stopped, unloaded and destroyed from any machine, and its systemd follows", async () => {
  const unit = "web.service";
  await cluster.put(unit, sleeper, "inactive", "m2");
  assert.deepEqual(await cluster.machinesRunning(unit), []);

  await cluster.setTarget(unit, "loaded", "m3");
  const loaded = await cluster.until([unit], "it is loaded", ({ currentState }) => currentState === "loaded");
  const home = cluster.nameOf(loaded.get(unit)?.machine?.id);
  assert.equal(await cluster.shell(home, `systemctl show --property=LoadState --value ${unit}`), "loaded\n");
  assert.deepEqual(await cluster.machinesRunning(unit), []);

  await cluster.setTarget(unit, "launched", "m1");
  assert.deepEqual(await cluster.untilRunning([unit], "m2"), [home]);
  assert.deepEqual(await cluster.machinesRunning(unit), [home]);

  await cluster.setTarget(unit, "loaded", "m2");
  await cluster.until([unit], "it has stopped", ({ states }) => states[0]?.active === "inactive", "m3");
  assert.deepEqual(await cluster.machinesRunning(unit), []);

  await cluster.setTarget(unit, "launched", "m3");
  assert.deepEqual(await cluster.untilRunning([unit]), [home]);

  await cluster.setTarget(unit, "inactive", "m1");
  await cluster.until([unit], "it is unloaded", ({ states }) => states.length === 0, "m2");
  assert.equal(
    await cluster.shell(home, `systemctl show --property=LoadState --value ${unit}`),
    "not-found\n",
  );

  await cluster.setTarget(unit, "launched", "m2");
  await cluster.untilRunning([unit]);
  await cluster.destroy(unit, "m3");
  await cluster.untilGone([unit], "m1");
  assert.deepEqual(await cluster.machinesRunning(unit), []);
  assert.equal((await cluster.read("m2", `/fleet/v1/units/${unit}`)).status, 404);
});

test("every machine's API tells the same about units, states and machines", async () => {
  const units = ["a.service", "b.service", "c.service"];
  for (const [at, unit] of units.entries()) await cluster.put(unit, sleeper, "launched", `m${at + 1}`);
  const homes = await cluster.untilRunning(units);
  assert.deepEqual([...homes].sort(), ["m1", "m2", "m3"], "units are spread");
  for (const machine of ["m1", "m2", "m3"]) await cluster.untilRunning(units, machine);
  for (const path of ["/fleet/v1/units", "/fleet/v1/state", "/fleet/v1/machines"]) {
    const answers = await Promise.all(
      cluster.machines.map(async ({ name: machine }) => await (await cluster.read(machine, path)).text()),
    );
    assert.equal(new Set(answers).size, 1, answers.join("\n"));
  }
});

test("another text of a running unit is brought to its machine and runs there", async () => {
  const unit = "web.service";
  await cluster.put(unit, "[Service]\nExecStart=/bin/sleep 100001\n");
  const [home = ""] = await cluster.untilRunning([unit]);
  const earlier = await cluster.report(unit);
  await cluster.put(unit, "[Service]\nExecStart=/bin/sleep 100002\n", "launched", "m3");
  await cluster.until([unit], "it has the new text", (report) => {
    return isRunning(report) && report.states[0]?.hash !== earlier.hash;
  });
  const { mainPid } = await cluster.process(home, unit);
  assert.match(await cluster.shell(home, `cat /proc/${mainPid}/cmdline`), /100002/);
  assert.deepEqual(await cluster.machinesRunning(unit), [home]);
});

test("instances of a template run each with its own name, and the template itself cannot", async () => {
  const text = "[Service]\nExecStart=/bin/sh -c 'echo I am %i > /run/instance-%i; exec sleep infinity'\n";
  await cluster.put("worker@.service", text, "inactive");
  const refused = await cluster.tryPut("worker@.service", "", "launched");
  assert.equal(refused.status, 400);
  assert.match(await refused.text(), /cannot activate template \\"worker@\.service\\"/);
  const instances = ["worker@1.service", "worker@2.service", "worker@a.b.service"];
  for (const instance of instances) await cluster.put(instance, text);
  const homes = await cluster.untilRunning(instances);
  for (const [at, instance] of ["1", "2", "a.b"].entries()) {
    const said = await cluster.shell(homes[at] ?? "", `cat /run/instance-${instance}`);
    assert.equal(said, `I am ${instance}\n`);
  }
});

test("conflicting units are spread, and the one too many waits with its reasons until there is room", async () => {
  const units = [1, 2, 3, 4].map((number) => `alone@${number}.service`);
  const text = sleeperWith("Conflicts=alone@*.service");
  for (const unit of units.slice(0, 3)) await cluster.put(unit, text);
  const homes = await cluster.untilRunning(units.slice(0, 3));
  assert.equal(new Set(homes).size, 3, homes.join());

  await cluster.put("alone@4.service", text);
  const waits = await cluster.until(["alone@4.service"], "it waits", ({ waiting }) => waiting !== undefined);
  const reasons = waits.get("alone@4.service")?.waiting ?? [];
  assert.deepEqual(
    reasons.map(({ machine }) => cluster.nameOf(machine?.id)).sort(),
    ["m1", "m2", "m3"],
    "a reason for each machine",
  );
  for (const { why } of reasons) assert.match(why, /conflict.*alone@\d\.service/i);

  await cluster.destroy("alone@2.service", "m2");
  assert.deepEqual(await cluster.untilRunning(["alone@4.service"]), [homes[1]]);
  await cluster.runsOnce(["alone@1.service", "alone@3.service", "alone@4.service"]);
});

test("a unit without an own conflict is kept away by the other's", async () => {
  await cluster.put("shy.service", sleeperWith("Conflicts=hello*"));
  const [shy] = await cluster.untilRunning(["shy.service"]);
  const hellos = ["hello-1.service", "hello-2.service", "hello-3.service", "hello-4.service"];
  for (const unit of hellos) await cluster.put(unit, sleeper);
  const homes = await cluster.untilRunning(hellos);
  assert(!homes.includes(shy ?? ""), `shy.service is on ${shy}, the others on ${homes.join()}`);
});

test("units go where metadata and machine IDs send them, also metadata set over the API", async () => {
  for (const number of [1, 2, 3]) {
    await cluster.put(`by-name@m${number}.service`, sleeperWith("MachineMetadata=machine=%i"));
    await cluster.put(
      `by-id-${number}.service`,
      sleeperWith(`MachineID=${cluster.machine(`m${number}`).id}`),
    );
  }
  const names = [1, 2, 3].flatMap((number) => [`by-name@m${number}.service`, `by-id-${number}.service`]);
  assert.deepEqual(await cluster.untilRunning(names), ["m1", "m1", "m2", "m2", "m3", "m3"]);

  const unit = "on-ssd.service";
  await cluster.put(unit, sleeperWith("MachineMetadata=disk=ssd"));
  const waits = await cluster.until([unit], "it waits", ({ waiting }) => waiting !== undefined);
  for (const { why } of waits.get(unit)?.waiting ?? [])
    assert.equal(why, "local Machine metadata insufficient");
  const path = `/${cluster.machine("m3").id}/metadata/disk`;
  const patch = async (change: object): Promise<void> => {
    const body = JSON.stringify([{ path, ...change }]);
    const answer = await cluster.ask("m2", "/fleet/v1/machines", { method: "PATCH", body });
    assert.equal(answer.status, 204, await answer.text());
  };
  await patch({ op: "add", value: "ssd" });
  assert.deepEqual(await cluster.untilRunning([unit]), ["m3"]);
  await patch({ op: "remove" });
  await cluster.until([unit], "it has lost its place", ({ states }) => states.length === 0);
  assert.deepEqual(await cluster.machinesRunning(unit), []);
});

test("a unit that replaces another moves it away from its machine", async () => {
  await cluster.put("replace-0.service", sleeper);
  const [home = ""] = await cluster.untilRunning(["replace-0.service"]);
  const kick = sleeperWith("Replaces=replace-0.service", `MachineMetadata=machine=${home}`);
  await cluster.put("replace-kick.service", kick);
  assert.deepEqual(await cluster.untilRunning(["replace-kick.service"]), [home]);
  const moved = await cluster.until(["replace-0.service"], "it has moved", (report) => {
    return isRunning(report) && cluster.nameOf(report.machine?.id) !== home;
  });
  const there = cluster.nameOf(moved.get("replace-0.service")?.machine?.id);
  assert.deepEqual(await cluster.machinesRunning("replace-0.service"), [there]);
});

test("a unit stays beside its peer, and follows it to another machine", async () => {
  const pairs = [1, 2, 3].map((number) => [`ping-${number}.service`, `pong-${number}.service`] as const);
  for (const [ping, pong] of pairs) {
    await cluster.put(pong, sleeperWith(`MachineOf=${ping}`));
    await cluster.put(ping, sleeper);
  }
  for (const pair of pairs) {
    const [ping, pong] = await cluster.untilRunning(pair);
    assert.equal(ping, pong, pair.join());
  }
  const [first = ["", ""]] = pairs;
  const [home = ""] = await cluster.untilRunning(first);
  const through = home === "m1" ? "m2" : "m1";
  await cluster.systemctl(home, "stop", "fleet");
  const moved = (report: UnitReport): boolean =>
    isRunning(report) && report.machine?.id !== cluster.machine(home).id;
  await cluster.until(first, "the pair has moved", moved, through);
  for (const pair of pairs) {
    const [ping, pong] = await cluster.untilRunning(pair, through);
    assert.equal(ping, pong, pair.join());
    await cluster.runsOnce(pair);
  }
  await cluster.systemctl(home, "start", "fleet");
});

test("a global unit runs on every machine, stops everywhere, and reaches a machine that joins later", async () => {
  const unit = "everywhere.service";
  const picky = "some-machines.service";
  await cluster.put(unit, sleeperWith("Global=true"));
  await cluster.put(
    picky,
    sleeperWith("Global=true", "MachineMetadata=machine=m2", "MachineMetadata=machine=m4"),
  );
  const everywhere = (report: UnitReport): boolean => activeOn(report).length === cluster.machines.length;
  await cluster.until([unit], "it runs everywhere", everywhere);
  await cluster.until([picky], "it runs on m2", (report) => activeOn(report).length === 1);
  assert.deepEqual(await cluster.machinesRunning(unit), ["m1", "m2", "m3"]);
  assert.deepEqual(await cluster.machinesRunning(picky), ["m2"]);

  await cluster.setTarget(unit, "loaded", "m2");
  await cluster.until([unit], "it has stopped everywhere", (report) => activeOn(report).length === 0);
  await cluster.setTarget(unit, "launched", "m3");
  await cluster.until([unit], "it runs everywhere", everywhere);
  const earlier = await cluster.snapshot([unit, picky]);

  await cluster.grow(4);
  await cluster.until([unit], "it runs on the fourth machine too", everywhere, "m4");
  await cluster.until([picky], "it runs on m4 too", (report) => activeOn(report).length === 2, "m4");
  assert.deepEqual(await cluster.machinesRunning(unit), ["m1", "m2", "m3", "m4"]);
  assert.deepEqual(await cluster.machinesRunning(picky), ["m2", "m4"]);
  const later = await cluster.snapshot([unit, picky]);
  for (const [what, process] of Object.entries(earlier)) assert.deepEqual(later[what], process, what);
});
