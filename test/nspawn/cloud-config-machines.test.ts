import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { joinsOthers } from "../../src/argosy/lab-cloud-config.ts";
import { keepCloudConfig } from "../../src/lab/cloud-config.ts";
import { labDown, labUp } from "../../src/lab/lab.ts";
import { type CloudConfigWay, machineAddress, machinePaths } from "../../src/lab/layout.ts";
import { freeNetwork } from "../../src/lab/network.ts";
import type { Product } from "../../src/lab/product-layer.ts";
import { builtProduct } from "../../src/lab/product.ts";
import type { MemberRow } from "../../src/membership/picture.ts";
import { freePorts } from "../etcd/etcd-process.ts";
import { FleetLab } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";

// Every example is the file that real machines boot with; and what a machine does with one that is broken.

const single = testLab("single-lab");
const fixed = testLab("fixed-lab");
const examples = new URL("../../examples/cloud-config/", import.meta.url);
const argosy = fileURLToPath(new URL("../../bin/argosy.ts", import.meta.url));
let folder = "";
let port = 0;
let service: ChildProcess;
let product: Product;
let cluster: FleetLab | undefined;
const told: string[] = [];

before(async () => {
  await labDown(single);
  await labDown(fixed);
  folder = await mkdtemp(join(tmpdir(), "argosy-tokens-"));
  product = await builtProduct(() => {});
  [port = 0] = await freePorts(1);
  const where = ["--listen", `0.0.0.0:${port}`, "--data-dir", folder, "--url", `http://host:${port}`];
  service = (await run("discovery", "serve", ...where)).child;
});
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster?.printJournals();
});
after(async () => {
  service.kill("SIGKILL");
  await labDown(single);
  await labDown(fixed);
  await rm(folder, { recursive: true, force: true });
});

/** Runs a command of this checkout on this machine; resolves with its process and its first line. */
async function run(...words: readonly string[]): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, [argosy, ...words], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  return { child, line };
}

async function example(name: string): Promise<string> {
  return await readFile(new URL(name, examples), "utf8");
}

/** An example with a token of our own service in place of its own. */
async function withToken(name: string): Promise<string> {
  const { line } = await run("discovery", "new", "--size", "1", "--url", `http://127.0.0.1:${port}`);
  return (await example(name)).replace(/https:\/\/discovery\.example\.com\/\w+/, line);
}

/** A lab that knows nothing but this text. */
async function boot(
  name: string,
  text: string,
  { machines = 1, way = "credential" }: { machines?: number; way?: CloudConfigWay } = {},
): Promise<FleetLab> {
  await labDown(name);
  told.length = 0;
  const cloudConfig = Buffer.from(text);
  const store = { by: "cloud-config", way, joins: joinsOthers(cloudConfig) } as const;
  const progress = (line: string): void => void told.push(line);
  cluster = new FleetLab(await labUp({ name, machines, store, cloudConfig, product, progress }));
  return cluster;
}

async function roles(lab: FleetLab, through: string): Promise<Readonly<Record<string, boolean>>> {
  const text = await lab.shell(through, "argosy member list --json");
  const { machines } = JSON.parse(text) as { machines: readonly MemberRow[] };
  return Object.fromEntries(machines.map(({ machine, member }) => [lab.nameOf(machine), member !== ""]));
}

/** Keys are served at the addresses that old cloud-configs name, fleet knows the machine, and nothing failed. */
async function assertWorks(lab: FleetLab, name: string, metadata: string): Promise<void> {
  const { address } = lab.machine(name);
  for (const host of [address, "127.0.0.1"]) {
    const answer = await lab.shell(
      name,
      `curl -sS -XPUT -d value=1 http://${host}:4001/v2/keys/from-${name}`,
    );
    assert.match(answer, /"action":"set"/, host);
  }
  const listed = await lab.shell(name, "fleetctl list-machines --full --no-legend");
  assert.match(listed, new RegExp(`${address.replaceAll(".", "\\.")}\\s+${metadata}$`, "m"));
  assert.equal(await lab.shell(name, "systemctl --failed --plain --no-legend"), "");
}

test("the introductions' files with etcd and a token found a cluster, with etcd2 as well", async () => {
  for (const [file, metadata] of [
    ["introduction.yml", "-"],
    ["discovery.yml", "disk=ssd,region=europe"],
    ["etcd2-discovery.yml", "region=us-west"],
  ] as const) {
    const lab = await boot(single, await withToken(file));
    await assertWorks(lab, "m1", metadata);
    assert.deepEqual(await roles(lab, "m1"), { m1: true }, file);
  }
});

test("a file that names only addresses founds a cluster of one machine", async () => {
  const lab = await boot(single, await example("single-etcd.yml"));
  await assertWorks(lab, "m1", "-");
  const { address } = lab.machine("m1");
  assert.equal(await lab.shell("m1", "systemctl is-active hello.service"), "active\n");
  await lab.waitFor("the unit says hello", async () =>
    (await lab.shell("m1", "journalctl -o cat -u hello.service")).includes(`hello from ${address}\n`),
  );
});

test("a static list that the machine's name belongs to, with the keys at etcd 2's old port", async () => {
  await labDown(single);
  const network = await freeNetwork(single, []);
  const list = `one=http://${network}.11:2380`;
  const text = (await example("etcd2-static.yml")).replace(/initial-cluster: .*/, `initial-cluster: ${list}`);
  const lab = await boot(single, text);
  await assertWorks(lab, "m1", "-");
  assert.deepEqual(await roles(lab, "m1"), { m1: true });
});

test("a machine is changed as the old manuals change one: users, time zone, sockets, masks, no reboots", async () => {
  const lab = await boot(single, await example("customized.yml"));
  await assertWorks(lab, "m1", "role=workshop");
  const shell = async (line: string): Promise<string> => await lab.shell("m1", `${line} || true`);
  assert.match(await shell("curl -sS 127.0.0.1:49153/fleet/v1/machines"), /"role":"workshop"/);
  assert.equal(await shell("cat /etc/greeting /etc/hosts"), "Hello, workshop!\n127.0.0.1 workshop\n");
  assert.match(await shell("id -nG elroy"), /sudo docker/);
  assert.match(await shell("getent shadow elroy"), /^elroy:\$6\$saltsalt\$/);
  assert.match(await shell("timedatectl show"), /^Timezone=America\/New_York$/m);
  assert.equal(await shell("systemctl is-active docker-tcp.socket settimezone.service"), "active\nactive\n");
  assert.equal(
    await shell("systemctl is-enabled docker-tcp.socket nginx.service locksmithd.service"),
    "enabled\nmasked\nmasked-runtime\n",
  );
  // The first time zone that is set would turn the clock of all machines and of this one.
  assert.match(await shell("date --utc --set=2030-01-01 2>&1"), /Operation not permitted/);
});

test("the static list of three machines makes them members, a fourth is none, and a worker uses them", async () => {
  const network = await freeNetwork(fixed, []);
  const here = (text: string): string => text.replaceAll(/10\.0\.0\.([123])/g, `${network}.1$1`);
  const lab = await boot(fixed, here(await example("central-services.yml")), {
    machines: 4,
    way: "config-drive",
  });
  assert.equal(lab.machine("m1").address, machineAddress(network, 1));
  for (const { name } of lab.machines) await assertWorks(lab, name, "role=services");
  assert.deepEqual(await roles(lab, "m4"), { m1: true, m2: true, m3: true, m4: false });
  // What a machine is handed is the same for the whole lab, but only at its boot.
  await keepCloudConfig(fixed, Buffer.from(here(await example("workers.yml"))));
  await lab.grow(5);
  await assertWorks(lab, "m5", "role=worker");
  assert.equal((await roles(lab, "m5"))["m5"], false);
});

test("one machine keeps the store alone, and each boot applies its file again", async () => {
  const lab = await boot(single, await example("one-machine.yml"), { way: "config-drive" });
  const status = JSON.parse(await lab.shell("m1", "argosy member list --json")) as {
    machines: readonly MemberRow[];
  };
  assert.deepEqual(
    status.machines.map(({ role }) => role),
    ["embedded"],
  );
  const machine = lab.machine("m1");
  const changed = [
    "/etc/motd",
    "/etc/systemd/system/docker.service.d/10-debug.conf",
    "~core/.ssh/authorized_keys",
  ];
  const read = `cat ${changed.join(" ")}; hostname; id -un mate`;
  const first = await lab.shell("m1", read);
  assert.match(
    first,
    /This is the harbour\.\n.*DOCKER_OPTS=--debug\n.*captain@example\.com\nharbour\nmate\n$/s,
  );
  await lab.shell(
    "m1",
    `echo mine >/etc/motd; rm ${changed.slice(1).join(" ")}; hostnamectl set-hostname other`,
  );
  await lab.lab.poweroff("m1");
  await lab.lab.revive("m1");
  assert.match(await machine.untilStarted(), /^running$/);
  assert.equal(await lab.shell("m1", read), first);
});

test("what fails is told in the journal, on the console and by the lab, and keeps nobody from logging in", async () => {
  const text = `#cloud-config
ssh_authorized_keys:
  - ssh-ed25519 AAAA captain
users:
  - name: "not a name"
write_files:
  - path: /etc/behind
    content: |
      done
`;
  const lab = await boot(single, text);
  const unit = "user-cloudinit-credentials.service";
  assert.equal(await lab.shell("m1", "cat ~core/.ssh/authorized_keys"), "ssh-ed25519 AAAA captain\n");
  assert.equal((await lab.machine("m1").exec(["systemctl", "is-failed", unit])).stdout, "failed\n");
  const sentence = /Failed to apply cloud-config: .*not a name/;
  assert.match(await lab.shell("m1", `journalctl --sync; journalctl -o cat -u ${unit}`), sentence);
  await lab.waitFor("the console tells it", async () =>
    sentence.test(await readFile(machinePaths(single, "m1").console, "utf8")),
  );
  assert.ok(
    told.some((line) => line.startsWith(`m1: ${unit} failed`)),
    told.join("\n"),
  );
  // At boot the rest goes on.
  assert.equal(await lab.shell("m1", "cat /etc/behind"), "done\n");
});
