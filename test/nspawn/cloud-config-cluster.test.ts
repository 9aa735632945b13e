import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { labDown, labUp, openLab } from "../../src/lab/lab.ts";
import { builtProduct } from "../../src/lab/product.ts";
import { expectProgram } from "../../src/lab/programs.ts";
import type { MemberRow } from "../../src/membership/picture.ts";
import { freePorts } from "../etcd/etcd-process.ts";
import { FleetLab, sleeper } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";

// Machines that know nothing but one file become a cluster: the file of the old introductions, and what people added to it.

const name = testLab("harbour-lab");
const argosy = fileURLToPath(new URL("../../bin/argosy.ts", import.meta.url));
const addresses = ["COREOS_PRIVATE_IPV4", "COREOS_PUBLIC_IPV4"];
let folder = "";
let service: ChildProcess;
let key = "";
let cluster: FleetLab;

before(async () => {
  await labDown(name);
  folder = await mkdtemp(join(tmpdir(), "argosy-harbour-"));
  await expectProgram("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "captain", "-f", `${folder}/id`]);
  key = (await readFile(`${folder}/id.pub`, "utf8")).trim();
});
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster.printJournals();
});
after(async () => {
  service.kill("SIGKILL");
  await labDown(name);
  await rm(folder, { recursive: true, force: true });
});

/** Runs a command of this checkout on this machine; resolves with its process and its first line. */
async function run(...words: readonly string[]): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, [argosy, ...words], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  return { child, line };
}

function cloudConfig(token: string): string {
  return `#cloud-config

hostname: harbour
ssh_authorized_keys:
  - ${key}
users:
  - name: mate
    groups:
      - sudo
    ssh-authorized-keys:
      - ${key}
write_files:
  - path: /etc/harbour/address
    permissions: "0640"
    owner: root:mate
    content: |
      private=$private_ipv4
      public=$public_ipv4
coreos:
  etcd:
    discovery: ${token}
    addr: $private_ipv4:4001
    peer-addr: $private_ipv4:7001
  fleet:
    public-ip: $public_ipv4
    metadata: region=europe,disk=ssd
  units:
    - name: etcd.service
      command: start
    - name: fleet.service
      command: start
    - name: fleet.socket
      drop-ins:
        - name: 30-listen.conf
          content: |
            [Socket]
            ListenStream=49153
    - name: ssh.service
      command: start
    - name: beacon.service
      enable: true
      command: start
      content: |
        [Service]
        ExecStart=/bin/sleep infinity
        [Install]
        WantedBy=multi-user.target
`;
}

async function rows(through: string): Promise<readonly MemberRow[]> {
  const text = await cluster.shell(through, "argosy member list --json");
  return (JSON.parse(text) as { machines: readonly MemberRow[] }).machines;
}

/** The lab's names of the machines that are members, or of those that are none. */
async function machinesWhere(isMember: boolean, through = "m1"): Promise<readonly string[]> {
  const wanted = (await rows(through)).filter(({ member }) => (member !== "") === isMember);
  return wanted.map(({ machine }) => cluster.nameOf(machine)).toSorted();
}

test("five machines with one file and one token become three members and two proxies, all with fleet", async () => {
  const [port = 0] = await freePorts(1);
  const where = [
    "--listen",
    `0.0.0.0:${port}`,
    "--data-dir",
    `${folder}/tokens`,
    "--url",
    `http://host:${port}`,
  ];
  service = (await run("discovery", "serve", ...where)).child;
  const { line: token } = await run("discovery", "new", "--size", "3", "--url", `http://127.0.0.1:${port}`);
  await writeFile(`${folder}/cluster.yml`, cloudConfig(token));
  const words = ["lab", "up", "--name", name, "--machines", "5", "--cloud-config", `${folder}/cluster.yml`];
  const said = await expectProgram(process.execPath, [argosy, ...words]);
  assert.match(said, /is a working cluster/);
  cluster = new FleetLab(await openLab(name));
  assert.equal((await machinesWhere(true)).length, 3);
  assert.equal((await machinesWhere(false)).length, 2);
  await cluster.untilWhole();
  for (const { name: each, address } of cluster.machines) {
    const listed = await cluster.shell(each, "fleetctl list-machines --full --no-legend");
    assert.match(listed, new RegExp(`${address.replaceAll(".", "\\.")}\\s+disk=ssd,region=europe`), each);
    const answer = await fetch(`http://${address}:4001/v2/keys/from-${each}`, {
      method: "PUT",
      body: "value=1",
    });
    assert.equal(answer.status, 201, each);
    await answer.arrayBuffer();
  }
});

test("each machine has its files, users, keys, name and drop-ins", async () => {
  for (const { name: each, address } of cluster.machines) {
    assert.equal(await cluster.shell(each, "hostname; cat /etc/hostname"), "harbour\nharbour\n");
    const environment = (await cluster.shell(each, "cat /etc/environment")).trim().split("\n").toSorted();
    assert.deepEqual(environment, addresses.map((variable) => `${variable}=${address}`).toSorted());
    const file = await cluster.shell(
      each,
      "stat -c '%a %U:%G' /etc/harbour/address; cat /etc/harbour/address",
    );
    assert.equal(file, `640 root:mate\nprivate=${address}\npublic=${address}\n`);
    assert.match(await cluster.shell(each, "id -nG mate"), /\bsudo\b/);
    for (const user of ["core", "mate"]) {
      const read = `cat ~${user}/.ssh/authorized_keys; stat -c %U ~${user}/.ssh/authorized_keys`;
      assert.equal(await cluster.shell(each, read), `${key}\n${user}\n`);
    }
    assert.match(await cluster.shell(each, "systemctl cat fleet.socket"), /30-listen\.conf/);
    assert.equal(
      await cluster.shell(each, "systemctl is-active beacon; systemctl is-enabled beacon"),
      "active\nenabled\n",
    );
    assert.equal(await cluster.shell(each, "systemctl --failed --plain --no-legend"), "");
  }
});

test("the holder of the file's key logs in", async () => {
  const { address } = cluster.machine("m1");
  const options = ["StrictHostKeyChecking=no", `UserKnownHostsFile=${folder}/hosts`, "BatchMode=yes"];
  const words = ["-i", `${folder}/id`, ...options.flatMap((option) => ["-o", option])];
  assert.equal(await expectProgram("ssh", [...words, `core@${address}`, "id", "-un"]), "core\n");
});

test("a unit that is started on a proxy's machine runs there, and metadata of the file decides where units may be", async () => {
  const [proxy = ""] = await machinesWhere(false);
  const { id } = cluster.machine(proxy);
  const folderThere = "/root/units";
  await cluster.writeFile(proxy, `${folderThere}/here.service`, `${sleeper}[X-Fleet]\nMachineID=${id}\n`);
  await cluster.writeFile(
    proxy,
    `${folderThere}/fast.service`,
    `${sleeper}[X-Fleet]\nMachineMetadata=disk=ssd\n`,
  );
  await cluster.writeFile(
    proxy,
    `${folderThere}/slow.service`,
    `${sleeper}[X-Fleet]\nMachineMetadata=disk=hdd\n`,
  );
  await cluster.shell(proxy, `cd ${folderThere} && fleetctl start here.service fast.service`);
  assert.equal(await cluster.shell(proxy, "systemctl is-active here.service"), "active\n");
  const slow = await cluster.machine(proxy).exec(["fleetctl", "start", `${folderThere}/slow.service`]);
  assert.notEqual(slow.code, 0, slow.stdout);
  assert.match(slow.stderr + slow.stdout, /slow\.service cannot be placed .*metadata insufficient/s);
  await cluster.shell(proxy, "fleetctl destroy slow.service fast.service here.service");
});

test("a sixth machine joins by itself", async () => {
  cluster.lab = await labUp({ name, machines: 6, product: await builtProduct(() => {}) });
  await cluster.untilWhole();
  assert.ok((await machinesWhere(false, "m6")).includes("m6"));
  assert.equal(await cluster.shell("m6", "hostname"), "harbour\n");
});

test("without the discovery service a member and a proxy come back from a reboot", async () => {
  service.kill("SIGKILL");
  await rm(`${folder}/tokens`, { recursive: true });
  const members = await machinesWhere(true);
  const chosen = [members[0] ?? "", (await machinesWhere(false))[0] ?? ""];
  for (const each of chosen) {
    const invocation = await cluster.process(each, "beacon.service");
    await cluster.lab.poweroff(each);
    await cluster.lab.revive(each);
    await cluster.waitFor(`${each} runs its beacon again`, async () => {
      const now = await cluster.process(each, "beacon.service");
      return now.active === "active" && now.invocation !== invocation.invocation;
    });
  }
  await cluster.untilWhole();
  assert.deepEqual(await machinesWhere(true, chosen[1]), members);
});
