import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { labDown } from "../../src/lab/lab.ts";
import type { Finished } from "../../src/lab/programs.ts";
import { type FleetLab, openFleetLab } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";

// fleetctl over the system's ssh, from one machine of a cluster to the others.

const lab = testLab("fleetctl-ssh");
let cluster: FleetLab;

before(async () => {
  cluster = await openFleetLab(lab);
  const key = await cluster.shell(
    "m1",
    "ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519; cat /root/.ssh/*.pub",
  );
  for (const { name } of cluster.machines) {
    await cluster.writeFile(name, "/root/.ssh/authorized_keys", key);
    await cluster.systemctl(name, "start", "ssh");
  }
});
beforeEach(async () => {
  await cluster.reset();
  await cluster.shell("m1", "rm -rf /root/.fleetctl /root/units; mkdir /root/units");
});
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster.printJournals();
});
after(async () => await labDown(lab));

/** Runs a shell's line on m1, where `F` is fleetctl as root over ssh. */
async function onM1(line: string): Promise<Finished> {
  const script = `F() { fleetctl --ssh-username=root "$@"; }; cd /root/units; ${line}`;
  return await cluster.machine("m1").exec(["sh", "-c", script]);
}

async function said(line: string): Promise<string> {
  const { code, stdout, stderr } = await onM1(line);
  assert.equal(code, 0, `${line}: ${stdout}${stderr}`);
  return stdout;
}

const talker = "[Service]\nExecStart=/bin/sh -c 'while :; do echo Hello, World; sleep 1; done'\n";

test("the first yes stores a host's key, a rebuilt host is refused, and an emptied file works again", async () => {
  const { id, address } = cluster.machine("m2");
  const ssh = `F ssh ${id} hostname`;
  const refused = await onM1(`echo no | ${ssh}`);
  assert.equal(refused.code, 255);
  assert.match(refused.stderr, /authenticity of host .* can't be established/);
  assert.match(refused.stderr, /Host key verification failed\./);
  assert.equal(await said("cat /root/.fleetctl/known_hosts 2>/dev/null | wc -l"), "0\n");

  const agreed = await onM1(`echo yes | ${ssh}`);
  assert.equal(agreed.stdout, "m2\n", agreed.stderr);
  assert.match(agreed.stderr, /Permanently added '[0-9.]+' \(\w+\) to the list of known hosts\./);
  const stored = await said("cat /root/.fleetctl/known_hosts");
  assert.match(stored, new RegExp(`^${address.replaceAll(".", "\\.")} ssh-\\S+ \\S+\\n$`));
  assert.equal(await said(`${ssh} < /dev/null`), "m2\n");

  await cluster.shell("m2", "rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh");
  const changed = await onM1(`echo yes | ${ssh}`);
  assert.equal(changed.code, 255);
  assert.match(changed.stderr, /REMOTE HOST IDENTIFICATION HAS CHANGED!/);
  assert.equal(await said("cat /root/.fleetctl/known_hosts"), stored);
  assert.equal(await said(`F --strict-host-key-checking=false ssh ${id} hostname`), "m2\n");
  assert.equal(await said("cat /root/.fleetctl/known_hosts"), stored);

  await said(": > /root/.fleetctl/known_hosts");
  assert.equal(await said(`printf y | ${ssh}`), "m2\n");
  assert.equal(
    await said(`: > /root/empty; echo yes | F --known-hosts-file=/root/other/hosts ssh ${id} hostname`),
    "m2\n",
  );
  assert.match(await said("cat /root/other/hosts"), /^10\./);
});

test("one unit and then ten are started through a tunnel to another machine's socket", async () => {
  await cluster.writeFile("m1", "/root/units/hello@.service", talker);
  const { address } = cluster.machine("m2");
  const through = `FLEETCTL_STRICT_HOST_KEY_CHECKING=false F --tunnel ${address} --endpoint unix:///run/fleet.sock`;
  assert.match(
    await said(`${through} start hello@1`),
    /^Unit hello@1\.service inactive\nUnit hello@1\.service launched on /,
  );
  const ten = Array.from({ length: 10 }, (_, index) => `hello@${index + 2}.service`);
  const started = await said(`${through} start ${ten.join(" ")}`);
  for (const unit of ten) assert.match(started, new RegExp(`^Unit ${unit} launched on `, "m"));
  const listed = await said(`${through} list-units --no-legend --fields=unit,active`);
  assert.equal(listed.match(/\tactive$/gm)?.length, 11, listed);
  assert.equal((await said(`${through} list-machines --no-legend`)).split("\n").length, 4);
  assert.equal(await said(`${through} ssh ${cluster.machine("m3").id} hostname`), "m3\n");
  const http = `F --strict-host-key-checking=false --tunnel ${address}:22 --endpoint ${cluster.machine("m3").fleetApi}`;
  assert.match(await said(`${http} journal -n 1 hello@1`), /Hello, World/);
  assert.match(await said(`${http} destroy 'hello@*'`), /^Destroyed hello@10\.service$/m);
  // Nothing of it stays behind.
  assert.equal(await said("pgrep -c -x ssh; ls -d /tmp/fleetctl-* 2>/dev/null | wc -l; true"), "0\n0\n");
});

test("a tunnel that cannot be made is told", async () => {
  const { code, stderr } = await onM1(`FLEETCTL_TUNNEL=${cluster.machine("m2").address}:1 F list-units`);
  assert.equal(code, 1);
  assert.match(stderr, /port 1: Connection refused/);
  const [told = ""] = stderr.split(/^(?=Unable)/m).slice(1);
  assert.equal(
    told,
    "Unable to initialize client: failed initializing SSH client: ssh ended with exit code 255\n",
    "nothing is said behind that",
  );
});

test("ssh, status and journal of a unit show what is so on its machine", async () => {
  await cluster.put("hello.service", `${talker}[X-Fleet]\nMachineMetadata=machine=m2\n`);
  await cluster.untilRunning(["hello.service"]);
  const lax = "F --strict-host-key-checking=false";
  assert.equal(await said(`${lax} ssh hello.service echo foo`), "foo\n");
  assert.equal(await said(`${lax} ssh -u hello 'hostname; echo "two  blanks"'`), "m2\ntwo  blanks\n");
  assert.equal((await onM1(`${lax} ssh hello.service 'exit 7'`)).code, 7);
  assert.match(await said(`echo 'echo in a shell; exit 3' | ${lax} ssh hello.service`), /in a shell\n$/);
  assert.equal(await said(`echo from here | ${lax} ssh hello cat`), "from here\n");
  assert.match(await said(`${lax} status hello`), /Active: active/);
  assert.match(await said(`${lax} journal --sudo hello`), /Hello, World/);
});

test("status and journal go by ssh where the API does not reach the machine", async () => {
  await cluster.put("hello.service", `${talker}[X-Fleet]\nMachineMetadata=machine=m2\n`);
  await cluster.untilRunning(["hello.service"]);
  const rule = "INPUT -p tcp --dport 49153 -j REJECT";
  await cluster.shell("m2", `iptables -A ${rule}`);
  try {
    const lax = "F --strict-host-key-checking=false";
    assert.match(await said(`${lax} status hello`), /Active: active/);
    assert.match(await said(`${lax} journal -n 2 -o cat hello`), /^Hello, World\nHello, World\n$/);
    assert.equal((await onM1(`${lax} status --ssh-port=1 hello`)).code, 255);
  } finally {
    await cluster.shell("m2", `iptables -D ${rule}`);
  }
});
