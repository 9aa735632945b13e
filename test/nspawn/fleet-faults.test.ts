import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { labDown } from "../../src/lab/lab.ts";
import { activeOn, type FleetLab, isRunning, openFleetLab, type Process, sleeper } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";

// What goes wrong around fleet: identities, buses, stores that forget, units that never rest.

const lab = testLab("fleet-faults");
let cluster: FleetLab;

before(async () => {
  cluster = await openFleetLab(lab);
});
beforeEach(async () => await cluster.reset());
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster.printJournals();
});
after(async () => await labDown(lab));

const machines = ["m1", "m2", "m3"];

function on(machine: string, text = sleeper): string {
  return `${text}[X-Fleet]\nMachineMetadata=machine=${machine}\n`;
}

/** One unit on each machine; returns their processes. */
async function startBystanders(): Promise<Readonly<Record<string, Process>>> {
  const units = machines.map((machine) => `bystander-${machine}.service`);
  for (const machine of machines) await cluster.put(`bystander-${machine}.service`, on(machine));
  assert.deepEqual(await cluster.untilRunning(units), machines);
  return await cluster.snapshot(units);
}

async function undisturbed(earlier: Readonly<Record<string, Process>>): Promise<void> {
  const units = Object.keys(earlier).map((what) => what.replace(/ on .*/, ""));
  assert.deepEqual(await cluster.snapshot(units), earlier);
}

/** Each machine starts what is sent to it. */
async function everyoneObeys(through = "m1"): Promise<void> {
  const units = machines.map((machine) => `obeys-${machine}.service`);
  for (const machine of machines)
    await cluster.put(`obeys-${machine}.service`, on(machine), "launched", through);
  assert.deepEqual(await cluster.untilRunning(units, through), machines);
  for (const unit of units) await cluster.destroy(unit, through);
  await cluster.untilGone(units, through);
}

test("of two machines with the same machine-id the second says so, waits, and answers that it is not ready; a new one mends it", async () => {
  const earlier = await startBystanders();
  const { id } = cluster.machine("m1");
  const own = cluster.machine("m2").id;
  try {
    await cluster.systemctl("m2", "stop", "fleet.service");
    await cluster.shell("m2", `echo ${id} > /etc/machine-id`);
    await cluster.systemctl("m2", "start", "fleet.service");
    await cluster.waitFor("m2 says why it waits", async () =>
      (await cluster.shell("m2", "journalctl --merge -u fleet --no-pager -o cat")).includes(
        "two machines have the same /etc/machine-id",
      ),
    );
    assert.equal(await cluster.shell("m2", "systemctl is-active fleet.service"), "active\n");
    const answer = await cluster.ask("m2", "/fleet/v1/machines");
    assert.equal(answer.status, 503);
    assert.match(await answer.text(), /fleet server unable to communicate with etcd/);
    const listed = await cluster.machine("m2").exec(["fleetctl", "list-machines"]);
    assert.equal(listed.code, 1);
    assert.match(listed.stderr, /Error retrieving list of active machines from fleet API/);
    for (const machine of ["m1", "m3"]) {
      const what = `bystander-${machine}.service on ${machine}`;
      assert.deepEqual((await cluster.snapshot([`bystander-${machine}.service`]))[what], earlier[what]);
    }
  } finally {
    await cluster.shell("m2", `echo ${own} > /etc/machine-id`);
  }
  await cluster.systemctl("m2", "restart", "fleet.service");
  await cluster.untilWhole();
  await everyoneObeys();
});

test("fleet stops in order while the store is away, and comes back with it", async () => {
  await startBystanders();
  for (const name of machines) await cluster.systemctl(name, "stop", "etcd-member.service");
  await cluster.waitFor("m3 has noticed", async () =>
    (await cluster.shell("m3", "journalctl -u fleet --no-pager -o cat")).includes(
      "Server monitor triggered: Monitor timed out before successful heartbeat",
    ),
  );
  await cluster.systemctl("m3", "stop", "fleet.service");
  const shown = await cluster.shell(
    "m3",
    "systemctl show --property=ActiveState,Result --value fleet.service",
  );
  assert.deepEqual(shown.trim().split("\n").filter(Boolean).sort(), ["inactive", "success"]);
  assert.equal((await cluster.process("m3", "bystander-m3.service")).active, "inactive");
  await Promise.all(
    machines.map(async (name) => await cluster.systemctl(name, "start", "etcd-member.service")),
  );
  await cluster.systemctl("m3", "start", "fleet.service");
  await cluster.untilWhole();
  await cluster.untilRunning(machines.map((machine) => `bystander-${machine}.service`));
  await everyoneObeys();
});

test("a machine whose store is away changes no unit and no file, whatever is wanted of the unit", async () => {
  for (const target of ["inactive", "loaded", "launched"] as const) {
    await cluster.put(`plain-${target}.service`, on("m1"), target);
    await cluster.put(`all-${target}.service`, `${sleeper}[X-Fleet]\nGlobal=true\n`, target);
  }
  await cluster.untilRunning(["plain-launched.service"]);
  await cluster.until(["all-launched.service"], "it runs", (report) => activeOn(report).length === 3);
  await cluster.until(
    ["all-loaded.service", "plain-loaded.service"],
    "they are loaded",
    ({ states }) => states.length > 0,
  );
  const look =
    "ls -l --time-style=full-iso /run/fleet/units; cat /run/fleet/units/*; " +
    "systemctl show --property=Id,ActiveState,InvocationID,LoadState 'plain-*' 'all-*'";
  const earlier = await cluster.shell("m1", look);
  await cluster.machine("m1").cutLink();
  await cluster.until(
    ["plain-launched.service"],
    "m1's presence has lapsed",
    (report) => report.states.length === 0,
    "m2",
  );
  assert.equal(await cluster.shell("m1", look), earlier);
  await cluster.machine("m1").restoreLink();
  await cluster.untilWhole();
  await cluster.until(["plain-launched.service"], "m1 tells its state again", isRunning);
  assert.equal(await cluster.shell("m1", look), earlier);
  assert.doesNotMatch(
    await cluster.shell("m1", "journalctl --sync; journalctl -u 'plain-*' -u 'all-*' --no-pager -o cat"),
    /Stopping/,
  );
});

test("an agent that slept while the store forgot what happened meanwhile reads everything afresh", async () => {
  const earlier = await startBystanders();
  await cluster.put("goes.service", on("m3"));
  await cluster.untilRunning(["goes.service"]);
  await cluster.machine("m3").cutLink();
  for (let round = 0; round < 20; round++)
    await cluster.put(`passing-${round}.service`, sleeper, "inactive", "m1");
  await cluster.destroy("goes.service");
  await cluster.put("comes.service", on("m3"));
  await compact("m1");
  await cluster.machine("m3").restoreLink();
  await cluster.untilWhole();
  assert.deepEqual(await cluster.untilRunning(["comes.service"]), ["m3"]);
  await cluster.waitFor("goes.service has ended", async () => {
    return (await cluster.process("m3", "goes.service")).active === "inactive";
  });
  await undisturbed(earlier);
  await everyoneObeys();
});

/** Asks a machine's own member, over etcd's JSON gateway. */
async function askStore(through: string, path: string, body: object): Promise<unknown> {
  const { address } = cluster.machine(through);
  const answer = await fetch(`http://${address}:2379/v3/kv/${path}`, {
    method: "POST",
    headers: { Connection: "close" },
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  return await answer.json();
}

/** Has the store forget all its past. */
async function compact(through: string): Promise<void> {
  const { header } = (await askStore(through, "range", { key: "AA==" })) as { header: { revision: string } };
  await askStore(through, "compaction", { revision: header.revision, physical: true });
}

test("systemd executes itself anew and the bus is restarted on every machine, and no unit notices", async () => {
  const earlier = await startBystanders();
  for (const machine of machines) {
    await cluster.systemctl(machine, "daemon-reexec");
    await cluster.systemctl(machine, "restart", "dbus.service");
  }
  await everyoneObeys();
  await undisturbed(earlier);
  for (const machine of machines) await cluster.systemctl(machine, "kill", "--signal=KILL", "dbus.service");
  await everyoneObeys();
  await undisturbed(earlier);
});

const hourMs = 3_600_000;
const clockPath = "/etc/fleet-clock";

/** Shifts what a daemon takes for the time of day, and not its monotonic clock, as a jump of the machine's clock does. */
const clockModule = `import { readFileSync } from "node:fs";
const now = Date.now;
let shiftMs = 0;
process.on("SIGUSR2", () => { shiftMs = Number(readFileSync("${clockPath}/shift", "utf8")); });
Date.now = () => now() + shiftMs;
globalThis.Date = class extends Date {
  constructor(...words) { words.length === 0 ? super(now() + shiftMs) : super(...words); }
};
`;

/** Has a machine's clock jump for fleet. Machines of the lab share one kernel, whose clock stays. */
async function jump(machine: string, ms: number): Promise<void> {
  await cluster.writeFile(machine, `${clockPath}/shift`, String(ms));
  await cluster.systemctl(machine, "kill", "--kill-whom=main", "--signal=USR2", "fleet.service");
  const path = `/argosy/v1/machines/${cluster.machine(machine).id}`;
  await cluster.waitFor(`the clock of ${machine} has jumped`, async () => {
    const answer = await cluster.ask(machine, `${path}/cordon`, { method: "POST" });
    const { machine: report } = (await answer.json()) as { machine: { since: string } };
    return Math.abs(Date.parse(report.since) - Date.now() - ms) < hourMs / 2;
  });
  assert.equal((await cluster.ask(machine, `${path}/uncordon`, { method: "POST" })).status, 200);
}

test("clocks that jump by an hour either way disturb no unit, and a lost machine is noticed as ever", async () => {
  const dropIn = "/etc/systemd/system/fleet.service.d/clock.conf";
  for (const machine of machines) {
    await cluster.writeFile(machine, `${clockPath}/shift.mjs`, clockModule);
    await cluster.writeFile(
      machine,
      dropIn,
      `[Service]\nEnvironment=NODE_OPTIONS=--import=${clockPath}/shift.mjs\n`,
    );
    await cluster.systemctl(machine, "daemon-reload");
    await cluster.systemctl(machine, "restart", "fleet.service");
  }
  try {
    await cluster.untilWhole();
    const earlier = await startBystanders();
    for (const hours of [1, -1]) {
      for (const machine of machines) {
        await jump(machine, hours * hourMs);
        await undisturbed(earlier);
      }
      await everyoneObeys();
      await undisturbed(earlier);
    }
    await cluster.put("moves.service", sleeper);
    const [home = ""] = await cluster.untilRunning(["moves.service"]);
    const others = machines.filter((machine) => machine !== home);
    for (const machine of others) await jump(machine, hourMs);
    await cluster.lab.kill(home);
    await cluster.until(
      ["moves.service"],
      "it runs elsewhere",
      (report) => isRunning(report) && report.machine?.id !== cluster.machine(home).id,
      others[0],
    );
    const kept = Object.fromEntries(
      Object.entries(earlier).filter(([what]) => !what.endsWith(` on ${home}`)),
    );
    const now = await cluster.snapshot(others.map((machine) => `bystander-${machine}.service`));
    assert.deepEqual(now, kept);
    await cluster.lab.revive(home);
  } finally {
    for (const machine of machines) {
      await rm(`${cluster.machine(machine).rootDirectory}${dropIn}`, { force: true });
      if (!(await cluster.machine(machine).isRunning())) continue;
      await cluster.systemctl(machine, "daemon-reload");
      await cluster.systemctl(machine, "restart", "fleet.service");
    }
  }
});

test("a machine whose store's disk is full keeps its units and obeys, and its member is back when there is room", async () => {
  const folder = "/var/lib/etcd-member";
  /** Stops the member, and has it go on with its data in the file system that `change` puts at its place. */
  const moveInto = (change: string): string =>
    `systemctl stop etcd-member.service && cp -a ${folder} /root/member && ${change} && ` +
    `cp -a /root/member/. ${folder} && rm -r /root/member && systemctl start etcd-member.service`;
  await cluster.shell("m2", moveInto(`mount -t tmpfs -o size=300m tmpfs ${folder}`));
  try {
    const earlier = await startBystanders();
    await cluster.shell("m2", `cat /dev/zero > ${folder}/filling 2>/dev/null || true`);
    const journal = async (): Promise<string> =>
      await cluster.shell("m2", "journalctl -u etcd-member --no-pager -o cat");
    const value = Buffer.alloc(1 << 20).toString("base64");
    let round = 0;
    await cluster.waitFor("m2's member is out of space", async () => {
      const key = Buffer.from(`filling/${++round}`).toString("base64");
      // Fails while another member is elected, if it was m2's that led.
      await askStore("m1", "put", { key, value }).catch(() => undefined);
      return /no space left/.test(await journal());
    });
    await everyoneObeys();
    await undisturbed(earlier);
    assert.equal((await cluster.present("m1")).length, 3, "m2 is present by the others' members");

    await cluster.shell("m2", `rm ${folder}/filling`);
    await cluster.waitFor("m2's member is well", async () => {
      const { address } = cluster.machine("m2");
      const answer = await fetch(`http://${address}:2379/health`, { headers: { Connection: "close" } }).catch(
        () => undefined,
      );
      return answer?.status === 200;
    });
    await everyoneObeys("m2");
    await undisturbed(earlier);
  } finally {
    await cluster.shell("m2", `rm -f ${folder}/filling`);
    await cluster.shell("m2", moveInto(`umount ${folder} && rm -rf ${folder}/member`));
  }
});

test("units that never rest, fail, hang or make no sense disturb nobody", async () => {
  const earlier = await startBystanders();
  const restless =
    "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=20ms\n";
  await cluster.put("restless.service", on("m2", restless));
  await cluster.put("failing.service", on("m2", "[Service]\nExecStart=/nowhere/nothing\n"));
  await cluster.put("hanging.service", on("m2", "[Service]\nType=notify\nExecStart=/bin/sleep infinity\n"));
  await cluster.put("empty.service", on("m2", "[Unit]\nDescription=no service at all\n"));
  await cluster.put("odd.service", on("m2", "[Service]\nExecStart=relative/path\nType=nonsense\n"));
  await cluster.until(["failing.service"], "it has failed", ({ states }) => states[0]?.active === "failed");
  await cluster.until(
    ["odd.service", "empty.service"],
    "they are told to be wrong",
    ({ states }) => states[0]?.problem !== undefined,
  );
  await everyoneObeys();
  await undisturbed(earlier);
  const all = ["restless.service", "failing.service", "hanging.service", "empty.service", "odd.service"];
  for (const unit of all) await cluster.destroy(unit);
  await cluster.untilGone(all);
  await undisturbed(earlier);
});

test("of units that exclude each other only the one moves whose machine leaves, to the free machine", async () => {
  const units = ["conflict-1.service", "conflict-2.service"];
  for (const unit of units) await cluster.put(unit, `${sleeper}[X-Fleet]\nConflicts=conflict-*.service\n`);
  const [first = "", second = ""] = await cluster.untilRunning(units);
  const free = machines.find((machine) => machine !== first && machine !== second) ?? "";
  const stays = await cluster.process(second, "conflict-2.service");
  const through = second;
  await cluster.systemctl(first, "stop", "fleet.service");
  await cluster.until(
    ["conflict-1.service"],
    "it runs on the free machine",
    (report) => isRunning(report) && report.machine?.id === cluster.machine(free).id,
    through,
  );
  await cluster.systemctl(first, "start", "fleet.service");
  await cluster.untilWhole();
  await everyoneObeys();
  assert.deepEqual(await cluster.untilRunning(units), [free, second], "nothing moves back");
  assert.deepEqual(await cluster.process(second, "conflict-2.service"), stays);
});
