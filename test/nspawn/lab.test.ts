import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { isFault } from "../../src/lib/fault.ts";
import { hostLink } from "../../src/lab/layout.ts";
import { type Lab, labDown, labUp, openLab } from "../../src/lab/lab.ts";
import { testLab } from "./lab-name.ts";

// The lab itself, with plain Debian machines in it.

const name = testLab("test-lab");
const second = testLab("test-lab-2");
let lab: Lab;
let clean: Traces;

before(async () => {
  await labDown(name);
  await labDown(second);
  clean = await traces();
  lab = await labUp({ name, machines: 2, progress: (line) => void process.stderr.write(`${line}\n`) });
});

after(async () => {
  await labDown(name);
  await labDown(second);
});

test("every machine's systemd starts everything", async () => {
  for (const machine of lab.machines) {
    const failed = await machine.exec(["systemctl", "--failed", "--plain", "--no-legend"]);
    assert.equal(failed.stdout, "", machine.name);
    assert.equal(await machine.untilStarted(), "running", machine.name);
  }
});

test("a command in a machine has the machine's view, and its output and exit code come back", async () => {
  const machine = lab.machine("m2");
  const script = "hostname; cat /etc/machine-id; cat; echo wrong >&2; exit 7";
  assert.deepEqual(await machine.exec(["sh", "-c", script], { input: "from outside\n" }), {
    code: 7,
    stdout: `m2\n${machine.id}\nfrom outside\n`,
    stderr: "wrong\n",
  });
  const membership = await machine.exec(["grep", "^0::", "/proc/self/cgroup"]);
  assert.equal(membership.stdout, "0::/argosy-exec\n");
});

test("machines reach each other, and nothing outside", async () => {
  const [one, two] = lab.machines;
  assert(one !== undefined && two !== undefined);
  await one.exec([
    "systemd-run",
    "--quiet",
    "--unit=page",
    "busybox",
    "httpd",
    "-f",
    "-p",
    "8000",
    "-h",
    "/etc",
  ]);
  const fetched = await two.exec([
    "curl",
    "--silent",
    "--retry-connrefused",
    "--retry",
    "20",
    "http://m1:8000/hostname",
  ]);
  assert.equal(fetched.stdout, "m1\n");
  const routes = await two.exec(["ip", "route"]);
  assert.deepEqual(routes.stdout.trim().split("\n").length, 1, routes.stdout);
  assert.equal((await two.exec(["ip", "route", "get", "192.0.2.1"])).code, 2);
});

test("a machine with its cable cut is alone until it is plugged in again", async () => {
  const [one, two] = lab.machines;
  assert(one !== undefined && two !== undefined);
  const ask = ["curl", "--silent", "--max-time", "1", "http://m1:8000/hostname"];
  await one.cutLink();
  assert.notEqual((await two.exec(ask)).code, 0);
  assert.equal((await one.exec(["hostname"])).stdout, "m1\n");
  await one.restoreLink();
  const again = await two.exec([
    "curl",
    "--silent",
    "--retry-all-errors",
    "--retry",
    "20",
    "http://m1:8000/hostname",
  ]);
  assert.equal(again.stdout, "m1\n");
});

test("a split network keeps its groups apart until it is healed", async () => {
  const [one, two] = lab.machines;
  assert(one !== undefined && two !== undefined);
  const ask = ["curl", "--silent", "--max-time", "1", "http://m1:8000/hostname"];
  await lab.partition(["m1"], ["m2"]);
  assert.notEqual((await two.exec(ask)).code, 0);
  await lab.heal();
  const again = ["curl", "--silent", "--retry-all-errors", "--retry", "20", "http://m1:8000/hostname"];
  assert.equal((await two.exec(again)).stdout, "m1\n");
});

test("a command inside ends with the command outside", async () => {
  const machine = lab.machine("m1");
  const script = "echo started; exec -a lab-test-sleeper sleep infinity";
  const interrupt = new AbortController();
  const finished = await machine.exec(["bash", "-c", script], {
    signal: interrupt.signal,
    line: () => interrupt.abort(new Error("enough")),
  });
  assert.notEqual(finished.code, 0);
  const waiting = "while pgrep -f ^lab-test-sleeper; do sleep 0.05; done";
  assert.equal((await machine.exec(["sh", "-c", waiting])).code, 0);
});

test("Docker builds and runs a container without any registry", async () => {
  const machine = lab.machine("m1");
  const script = `
    mkdir -p /tmp/image/bin && cp /usr/bin/busybox /tmp/image/bin/ &&
    tar -C /tmp/image -c . | docker import - local/busybox >/dev/null &&
    docker run --rm local/busybox /bin/busybox echo contained &&
    docker info --format '{{.Driver}}'`;
  const finished = await machine.exec(["sh", "-c", script]);
  assert.equal(finished.stdout, "contained\noverlay2\n", finished.stderr);
});

test("a killed machine is off at once, keeps its disk and journal, and boots with them", async () => {
  const machine = lab.machine("m1");
  await machine.exec([
    "sh",
    "-c",
    "echo precious > /root/file; systemd-cat echo last-words; journalctl --sync",
  ]);
  const boot = (await machine.exec(["cat", "/proc/sys/kernel/random/boot_id"])).stdout;
  await lab.kill("m1");
  assert.equal((await machine.status()).state, "off");
  await assert.rejects(machine.exec(["true"]), (error) => isFault(error, "machine-off"));
  assert((await readdir(machine.journalFolder)).includes("system.journal"));
  await lab.revive("m1");
  assert.equal((await machine.exec(["cat", "/root/file"])).stdout, "precious\n");
  assert.equal((await machine.exec(["cat", "/etc/machine-id"])).stdout, `${machine.id}\n`);
  assert.notEqual((await machine.exec(["cat", "/proc/sys/kernel/random/boot_id"])).stdout, boot);
  assert.match((await machine.exec(["journalctl", "--boot=-1"])).stdout, /last-words/);
});

test("an orderly power-off stops services before the machine is off", async () => {
  const machine = lab.machine("m2");
  const unit = [
    "systemd-run",
    "--quiet",
    "--property=ExecStop=/usr/bin/touch /root/stopped",
    "sleep",
    "infinity",
  ];
  assert.equal((await machine.exec(unit)).code, 0);
  await lab.poweroff("m2");
  assert.equal((await machine.status()).state, "off");
  await lab.revive("m2");
  assert.equal((await machine.exec(["test", "-e", "/root/stopped"])).code, 0);
});

test("a second lab stands beside the first, grows, and goes without touching it", async () => {
  const pids = (await lab.status()).machines.map((machine) => machine.pid);
  const other = await labUp({ name: second, machines: 1 });
  assert.notEqual(other.subnet, lab.subnet);
  const boot = await other.machine("m1").exec(["cat", "/proc/sys/kernel/random/boot_id"]);
  const grown = await labUp({ name: second, machines: 2 });
  assert.deepEqual(
    grown.machines.map((machine) => machine.name),
    ["m1", "m2"],
  );
  assert.equal(
    (await grown.machine("m1").exec(["cat", "/proc/sys/kernel/random/boot_id"])).stdout,
    boot.stdout,
  );
  assert.match((await grown.machine("m1").exec(["cat", "/etc/hosts"])).stdout, /m2$/m);
  await labDown(second);
  await assert.rejects(openLab(second), (error) => isFault(error, "no-such-lab"));
  assert.deepEqual(
    (await lab.status()).machines.map((machine) => machine.pid),
    pids,
  );
});

test("an interrupted start is completed by the next one", async () => {
  const interrupt = new AbortController();
  const booted = labUp({
    name: second,
    machines: 2,
    signal: interrupt.signal,
    progress: (line) => {
      if (line.startsWith("Booted")) interrupt.abort(new Error("interrupted by the test"));
    },
  });
  await booted.catch((error: unknown) => assert.match(String(error), /interrupted by the test/));
  const lab2 = await labUp({ name: second, machines: 2 });
  assert.deepEqual(
    (await lab2.status()).machines.map((machine) => machine.state),
    ["running", "running"],
  );
});

test("down leaves nothing behind", async () => {
  await labDown(name);
  await labDown(second);
  assert.deepEqual(await traces(), clean);
});

/** What a lab could leave on this machine. */
interface Traces {
  readonly mounts: readonly string[];
  readonly links: readonly string[];
  readonly namespaces: readonly string[];
  readonly folders: readonly string[];
  readonly containers: readonly string[];
  readonly groups: readonly string[];
  readonly processes: readonly string[];
}

/** Only what belongs to these two labs, because other labs may come and go at the same time. */
async function traces(): Promise<Traces> {
  const ours = (text: string): boolean => text.includes(name);
  const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  const hostLinks = [hostLink(name), hostLink(second)];
  const groups = await readdir("/sys/fs/cgroup", { recursive: true });
  return {
    mounts: mounts.filter(ours),
    links: (await readdir("/sys/class/net")).filter((link) => hostLinks.includes(link)),
    namespaces: (await namesIn("/run/netns")).filter(ours),
    folders: (await namesIn("/var/lib/argosy/lab")).filter(ours),
    containers: [
      ...(await namesIn("/run/systemd/nspawn/propagate")),
      ...(await namesIn("/run/systemd/nspawn/unix-export")),
    ].filter(ours),
    groups: groups.filter(ours),
    processes: (await commandLines()).filter((line) => line.includes("systemd-nspawn") && ours(line)),
  };
}

async function commandLines(): Promise<readonly string[]> {
  const numbers = (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry));
  return await Promise.all(
    numbers.map(async (number) => await readFile(`/proc/${number}/cmdline`, "utf8").catch(() => "")),
  );
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return await readdir(folder).catch(() => []);
}
