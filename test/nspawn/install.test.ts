import assert from "node:assert/strict";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { after, before, test } from "node:test";
import { launcher } from "../../src/argosy/launcher.ts";
import { productFiles } from "../../src/argosy/product.ts";
import { labDown, labUp } from "../../src/lab/lab.ts";
import type { Machine } from "../../src/lab/machine.ts";
import { builtProduct } from "../../src/lab/product.ts";
import { testLab } from "./lab-name.ts";

// argosy install on a running Debian machine, with Debian's own etcd at work on it.

const name = testLab("test-install");
const services = ["etcd.service", "fleet.service", "etcd.socket", "fleet.socket"];
let machine: Machine;
/** What an installation would do on the machine before the first one. */
let bare = "";

before(async () => {
  await labDown(name);
  await builtProduct(() => {});
  const lab = await labUp({ name, machines: 1, store: { by: "embedded" } });
  machine = lab.machine("m1");
  await mkdir(`${machine.rootDirectory}/opt/argosy`);
  for (const file of Object.values(await productFiles()) as readonly string[])
    await copyFile(file, `${machine.rootDirectory}/opt/argosy/${basename(file)}`);
  await writeFile(`${machine.rootDirectory}/opt/argosy/argosy`, launcher("argosy"), { mode: 0o755 });
});

after(async () => await labDown(name));

async function run(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await machine.exec(words);
  assert.equal(code, 0, `${words.join(" ")}: ${stderr}${stdout}`);
  return stdout;
}

async function property(unit: string, wanted: string): Promise<string> {
  return (await run("systemctl", "show", "--value", "-p", wanted, unit)).trim();
}

test("it takes the place of Debian's etcd and everything runs when it returns", async () => {
  await run("install", "--directory", "--owner=etcd", "--mode=700", "/var/lib/etcd");
  await run("systemctl", "start", "etcd.service");
  assert.equal(await property("etcd.service", "FragmentPath"), "/usr/lib/systemd/system/etcd.service");
  // Settings of the lab's, in place of which the installation lays its own.
  await run("rm", "/etc/fleet/fleet.conf");
  bare = await run("/opt/argosy/argosy", "install", "--dry-run");
  const said = await run("/opt/argosy/argosy", "install");
  assert.match(said, /^wrote \/usr\/lib\/argosy\/node$/m);
  assert.match(said, /^started etcd-member\.service, etcd\.socket/m);
  for (const unit of services) {
    assert.equal(await property(unit, "ActiveState"), "active", unit);
    assert.equal(await property(unit, "UnitFileState"), "enabled", unit);
  }
  // A machine that is told nothing of others keeps the store itself; its etcd waits until it is made a member.
  assert.equal(await property("etcd-member.service", "UnitFileState"), "enabled");
  assert.equal(await property("etcd-member.service", "ActiveState"), "inactive");
  const keys = await run("curl", "-sf", "-XPUT", "-d", "value=1", "http://127.0.0.1:4001/v2/keys/installed");
  assert.match(keys, /"action":"set"/);
  // Docker makes its bridge long after the socket was opened.
  await run("ip", "link", "add", "docker0", "type", "bridge");
  await run("ip", "address", "add", "172.17.0.1/16", "dev", "docker0");
  assert.match(await run("curl", "-sf", "http://172.17.0.1:4001/v2/keys/installed"), /"value":"1"/);
  assert.match(
    await run("curl", "-sf", "--unix-socket", "/run/fleet.sock", "http://fleet/fleet/v1/machines"),
    new RegExp(machine.id),
  );
});

test("who is in the group fleet uses fleetctl, and who is not is told how to get there", async () => {
  assert.equal(await run("stat", "--format=%U %G %a", "/run/fleet.sock"), "root fleet 660\n");
  await run("useradd", "--groups", "fleet", "admitted");
  await run("useradd", "stranger");
  assert.match(await run("runuser", "--user", "admitted", "--", "fleetctl", "list-units"), /^UNIT\t/);
  const refused = await machine.exec(["runuser", "--user", "stranger", "--", "fleetctl", "list-units"]);
  assert.equal(refused.code, 1);
  assert.equal(
    refused.stderr,
    "Error retrieving list of units from repository: Cannot reach the fleet API at unix:///run/fleet.sock: permission denied. " +
      'The socket is for root and the group fleet: use sudo, or join with "sudo usermod --append --groups fleet stranger" and log in again.\n',
  );
});

test("the installed product installs itself, and again changes and restarts nothing", async () => {
  const invocation = await property("fleet.service", "InvocationID");
  assert.equal(await run("argosy", "install"), "nothing to do: the product in / is up to date\n");
  assert.equal(await property("fleet.service", "InvocationID"), invocation);
});

test("daemons log to the journal under their names, with levels", async () => {
  const lines = (await run("journalctl", "-o", "json", "-u", "fleet.service", "-u", "etcd.service"))
    .trim()
    .split("\n")
    .map((line): Record<string, unknown> => JSON.parse(line) as Record<string, unknown>);
  const starts = lines.filter(({ MESSAGE: message }) => /^(fleet|etcd) starts /.test(String(message)));
  const told = starts.map((line) => `${String(line["SYSLOG_IDENTIFIER"])} ${String(line["PRIORITY"])}`);
  assert.deepEqual(told.sort(), ["etcd 6", "fleet 6"]);
});

test("a killed daemon comes back on the same sockets; no connection is refused meanwhile", async () => {
  for (const service of ["etcd", "fleet"]) {
    const killed = await property(`${service}.service`, "InvocationID");
    await run("systemctl", "kill", "--signal=KILL", `${service}.service`);
    const path = service === "etcd" ? "http://127.0.0.1:4001/v2/keys/" : "http://fleet/fleet/v1/units";
    const socket = service === "etcd" ? [] : ["--unix-socket", "/run/fleet.sock"];
    await run("curl", "-s", ...socket, path);
    assert.notEqual(await property(`${service}.service`, "InvocationID"), killed, service);
  }
});

test("an installation opens a socket anew whose unit has changed", async () => {
  const unit = "/usr/local/lib/systemd/system/fleet.socket";
  await run("sed", "--in-place", "/SocketGroup/d", unit);
  await run("systemctl", "daemon-reload");
  await run("systemctl", "stop", "fleet.socket");
  await run("systemctl", "restart", "fleet.service");
  assert.equal(await run("stat", "--format=%G", "/run/fleet.sock"), "root\n");
  assert.match(await run("argosy", "install"), /^restarted .*fleet\.socket.* where they ran$/m);
  assert.equal(await run("stat", "--format=%G", "/run/fleet.sock"), "fleet\n");
  assert.match(await run("fleetctl", "list-machines", "--no-legend"), /^[0-9a-f]{8}\.\.\./);
});

test("at shutdown fleet stops before the store, the bus and the network", async () => {
  const order = (await property("fleet.service", "After")).split(" ");
  for (const unit of ["etcd.service", "etcd-member.service", "dbus.socket", "network.target"]) {
    assert.ok(order.includes(unit), `After= names ${unit}`);
  }
  for (const kind of ["Requires", "BindsTo", "Requisite"]) {
    assert.doesNotMatch(await property("fleet.service", kind), /etcd/, kind);
  }
});

test("what the manual says removes the product removes all that an installation wrote", async () => {
  const manual = await readFile(new URL("../../docs/install.md", import.meta.url), "utf8");
  const commands = /^## Remove$.*?^```\n(.*?)^```$/ms.exec(manual)?.[1] ?? assert.fail("no commands");
  await run("bash", "-ec", commands);
  for (const unit of services.filter((each) => each !== "etcd.service"))
    assert.equal(await property(unit, "LoadState"), "not-found", unit);
  assert.equal(await run("/opt/argosy/argosy", "install", "--dry-run"), bare);
});
