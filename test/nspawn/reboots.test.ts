import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { labDown } from "../../src/lab/lab.ts";
import { type FleetLab, openFleetLab, sleeper } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";
import {
  bootsOf,
  bootsSeen,
  momentsOf,
  RequestStream,
  rebootsSeen,
  startLocksmith,
  untilRebooted,
  untilSeen,
  untilSteady,
  webServer,
} from "./reboot-lab.ts";

// Machines that reboot in turn, drained before and well again after, on real machines.

const lab = testLab("fleet-reboots");
const web = ["web-1.service", "web-2.service"];
let cluster: FleetLab;

before(async () => {
  cluster = await openFleetLab(lab, 5);
});
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await printLocksmith();
});
after(async () => await labDown(lab));

async function printLocksmith(): Promise<void> {
  await cluster.printJournals();
  for (const machine of cluster.machines) {
    if (!(await machine.isRunning())) continue;
    const { stdout } = await machine.exec(["journalctl", "--unit=locksmithd", "--no-pager", "--lines=60"]);
    process.stderr.write(`----- ${machine.name} locksmithd\n${stdout}`);
  }
  process.stderr.write(`${JSON.stringify((await rebootsSeen(cluster, "m1"))?.queue)}\n`);
}

async function askFor(machine: string, through: string): Promise<void> {
  const { id } = cluster.machine(machine);
  const words = ["argosy", "reboot", id, "--no-block"];
  const { code, stderr } = await cluster.machine(through).exec(words);
  assert.equal(code, 0, stderr);
}

/** Units that no drain moves: `app` depends on `db`, and a global one on both. Who stops first takes longest to do so. */
function staying(id: string): Readonly<Record<string, string>> {
  const service = (unit: string, pause: string): string =>
    `[Unit]\n${unit}${sleeper}ExecStop=/bin/sleep ${pause}\n[X-Fleet]\n`;
  return {
    "db.service": `${service("", "0")}MachineID=${id}\n`,
    "app.service": `${service("After=db.service\nRequires=db.service\n", "0.3")}MachineMetadata=machine=m4\n`,
    "all.service": `${service("After=app.service db.service\n", "0.6")}Global=true\n`,
  };
}

/** What the machine with the pinned units wrote down in the boot before this one. */
async function checkOrderOfStops(): Promise<void> {
  const journal = await cluster.shell(
    "m4",
    "journalctl --boot=-1 --output=short-monotonic --no-pager --quiet",
  );
  const lines = journal.split("\n");
  const [left, stopsAll, noAll, stopsApp, noApp, stopsDb, noDb, reboots] = [
    "the units have left this machine",
    "Stopping all.service",
    "Stopped all.service",
    "Stopping app.service",
    "Stopped app.service",
    "Stopping db.service",
    "Stopped db.service",
    "reboots: ",
  ].map((text) => lines.findLastIndex((line) => line.includes(text)));
  const seen = [left, stopsAll, noAll, stopsApp, noApp, stopsDb, noDb, reboots];
  assert.ok(!seen.includes(-1), `m4 tells of each step: ${seen.join()}\n${journal.slice(-8_000)}`);
  assert.deepEqual(
    [...seen].sort((a = 0, b = 0) => a - b),
    seen,
    "what stays stops last, each before what it depends on, before the reboot",
  );
  const movable = [...web, "roaming.service"].map((unit) =>
    lines.findLastIndex((line) => line.includes(`Stopped ${unit}`)),
  );
  assert.ok(
    movable.every((line) => line < (stopsAll ?? 0)),
    "what can move is gone before",
  );
}

test("five machines that all want to reboot do so one at a time, drained, each once, and the service never notices", async (context) => {
  for (const unit of web) await cluster.put(unit, webServer);
  for (const [name, text] of Object.entries(staying(cluster.machine("m4").id))) await cluster.put(name, text);
  await cluster.put("roaming.service", sleeper);
  const pinned = ["db.service", "app.service"];
  await cluster.untilRunning([...web, ...pinned, "roaming.service"]);
  await startLocksmith(cluster);
  const { id } = cluster.machine("m5");
  const cordon = await cluster.machine("m1").exec(["argosy", "cordon", id]);
  assert.equal(cordon.code, 0, cordon.stderr);

  const stream = new RequestStream(
    cluster.machines.map(({ address }) => address),
    8080,
  );
  const earlier = await bootsSeen(cluster);
  const begin = performance.now();
  for (const { name } of cluster.machines)
    await cluster.shell(name, "echo linux-image > /run/reboot-required.pkgs; touch /run/reboot-required");
  await untilRebooted(
    cluster,
    cluster.machines.map(({ name }) => name),
    earlier,
  );
  await untilSteady(cluster);
  const seconds = Math.round((performance.now() - begin) / 100) / 10;
  await stream.end();
  context.diagnostic(
    `five machines rebooted in ${seconds} s; ${stream.answered} requests answered, ${stream.failed} failed, ${stream.broken} broken in flight`,
  );

  const times = await Promise.all(
    cluster.machines.map(async ({ name }) => {
      assert.equal(await bootsOf(cluster, name), 2, `${name} booted exactly once`);
      const [down, ...more] = await momentsOf(cluster, name, "reboots: ");
      const [up] = await momentsOf(cluster, name, "is well after its boot");
      assert.ok(down !== undefined && up !== undefined && more.length === 0, `${name} tells of one reboot`);
      return { name, down, up };
    }),
  );
  const inOrder = [...times].sort((a, b) => a.down - b.down);
  for (const [at, { name, down }] of inOrder.entries()) {
    const last = inOrder[at - 1];
    assert.ok(last === undefined || last.up <= down, `${last?.name} was well before ${name} went down`);
  }
  assert.equal(stream.failed, 0, "a machine was always there to answer");
  // A server that is stopped ends the connection that it has at that moment: once for each move at most.
  assert.ok(stream.broken <= 2 * cluster.machines.length, `${stream.broken} connections were broken`);
  await cluster.untilRunning([...pinned, "roaming.service", ...web]);
  await checkOrderOfStops();
  const states = await Promise.all(
    cluster.machines.map(async ({ id: machine }) => {
      const answer = await cluster.read("m1", `/argosy/v1/machines/${machine}`);
      return ((await answer.json()) as { machine: { state: string } }).machine.state;
    }),
  );
  assert.deepEqual(states, ["ready", "ready", "ready", "ready", "cordoned"], "an operator's cordon stays");
  const uncordon = await cluster.machine("m1").exec(["argosy", "uncordon", id]);
  assert.equal(uncordon.code, 0, uncordon.stderr);
});

test("a store that is lost while a machine holds a slot delays its reboot, and does not double it", async () => {
  await startLocksmith(cluster, ["LOCKSMITHD_DRAIN_TIMEOUT=8s"]);
  // It might move to m5, which takes no units: the drain waits for it.
  const { id } = cluster.machine("m5");
  assert.equal((await cluster.machine("m1").exec(["argosy", "cordon", id])).code, 0);
  await cluster.put(
    "stuck.service",
    `${sleeper}[X-Fleet]\nMachineMetadata=machine=m4\nMachineMetadata=machine=m5\n`,
  );
  await cluster.untilRunning(["stuck.service"]);
  const boots = await bootsOf(cluster, "m4");
  const earlier = await bootsSeen(cluster);
  await askFor("m4", "m1");
  await untilSeen(cluster, "m4 is drained", ({ records }) => records.get("m4")?.phase === "draining");
  const members = ["m1", "m2", "m3"];
  await Promise.all(members.map((name) => cluster.systemctl(name, "stop", "etcd-member.service")));
  await cluster.waitFor("m4 would reboot and may not", async () => {
    const overdue = await momentsOf(cluster, "m4", "not all units have left this machine");
    const refused = await momentsOf(cluster, "m4", "Retrying in");
    return overdue.length > 0 && refused.length > 0;
  });
  assert.equal(await bootsOf(cluster, "m4"), boots, "nobody reboots without having confirmed the slot");
  await Promise.all(members.map((name) => cluster.systemctl(name, "start", "etcd-member.service")));
  await untilRebooted(cluster, ["m4"], earlier);
  await untilSteady(cluster);
  assert.equal(await bootsOf(cluster, "m4"), boots + 1);
  await cluster.untilRunning(["stuck.service"]);
  await cluster.destroy("stuck.service");
  assert.equal((await cluster.machine("m1").exec(["argosy", "uncordon", id])).code, 0);
});

test("a machine that dies while it holds the slot loses it with its lease, and the next one reboots", async () => {
  await startLocksmith(cluster, ["LOCKSMITHD_LEASE=30s"]);
  const boots = await bootsOf(cluster, "m4");
  const earlier = await bootsSeen(cluster);
  // The machine never comes up to release its slot: a check of its boot keeps failing, and then it loses its power.
  await cluster.writeFile(
    "m5",
    "/etc/systemd/system/never-well.service",
    "[Unit]\nBefore=boot-complete.target\n[Service]\nType=oneshot\nExecStart=/bin/false\n[Install]\nRequiredBy=boot-complete.target\n",
  );
  await cluster.systemctl("m5", "daemon-reload");
  await cluster.systemctl("m5", "enable", "never-well.service");
  await askFor("m5", "m1");
  await untilSeen(cluster, "m5 is not well", ({ records }) => {
    const record = records.get("m5");
    return record?.phase === "recovering" && record.why.includes("boot-complete.target");
  });
  await cluster.shell("m4", "locksmithctl send-need-reboot");
  await untilSeen(cluster, "m4 waits", ({ records }) => records.get("m4")?.phase === "queued");
  const seen = await rebootsSeen(cluster, "m1");
  assert.deepEqual(seen?.holders, ["m5"], "a machine that is not well keeps its slot");
  assert.equal(await bootsOf(cluster, "m4"), boots);
  await cluster.lab.kill("m5");
  await untilRebooted(cluster, ["m4"], earlier);
  await cluster.lab.revive("m5");
  await cluster.systemctl("m5", "disable", "never-well.service");
  await untilSteady(cluster);
  assert.equal(await bootsOf(cluster, "m4"), boots + 1);
});
