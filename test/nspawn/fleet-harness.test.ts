import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { labDown } from "../../src/lab/lab.ts";
import type { Finished } from "../../src/lab/programs.ts";
import { type FleetLab, openFleetLab } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";

// fleet as fleet v1.0.0's own functional tests install it: both programs copied to a folder of their own, a service that a
// cloud-config wrote in place of ours (without notifications, restarts and kill mode), a second socket, a store elsewhere,
// and 3 seconds to live. What those tests prove of the daemon has to hold there too.

const lab = testLab("fleet-harness");
let cluster: FleetLab;

const port = 54728;
const members = ["m1", "m2", "m3"];

const talk = (words: string): string =>
  `[Service]\nExecStart=/bin/sh -c 'while :; do echo "${words}"; sleep 1; done'\n`;
/** Whose last step takes three seconds, and whose successor looks for what that leaves. */
const slowToEnd = (first: string): string =>
  `[Service]\nExecStartPre=/bin/sh -c "${first}"\nExecStart=/bin/sleep infinity\n` +
  'ExecStopPost=/bin/sh -c "sleep 3; touch /root/has-ended"\n';

const untilTerm = (then: string): string =>
  `[Service]\nExecStart=/bin/sh -c 'trap "${then}" TERM; while :; do sleep 0.2; done'\nTimeoutStopSec=300\n` +
  "[X-Fleet]\nMachineMetadata=hostname=%i\n";

/** The units of a user's folder on m1. */
const files: Readonly<Record<string, string>> = {
  "hello.service": talk("Hello, World!"),
  "hello@.service": talk("Hello, %i!"),
  "everywhere@.service": `${talk("Hello to all, %i!")}[X-Fleet]\nGlobal=true\n`,
  "discovery.service": `[Unit]\nBindsTo=hello.service\n${talk("here it is")}[Install]\nWantedBy=hello.service\n[X-Fleet]\nMachineOf=hello.service\n`,
  "conflict@.service": `${talk("alone")}[X-Fleet]\nConflicts=conflict@*.service\n`,
  "conflicts-with-hello.service": `${talk("no hello")}[X-Fleet]\nConflicts=hello.service\n`,
  "slow.service": slowToEnd("echo first"),
  "later/slow.service": slowToEnd("test -f /root/has-ended"),
  "later/hello@.service": talk("Hello again, %i!"),
  "on@.service": `${talk("on %i")}[X-Fleet]\nMachineMetadata=hostname=%i\n`,
  "slow-to-stop@.service": untilTerm("sleep 3; exit 0"),
  "stubborn@.service": untilTerm(""),
};

before(async () => {
  cluster = await openFleetLab(lab);
  await Promise.all(members.map(async (name) => await installAsTheHarnessDoes(name)));
});
beforeEach(async () => {
  for (const { name, id } of cluster.machines) {
    await cluster.shell(name, "iptables -F OUTPUT; systemctl kill --signal=KILL 'stubborn@*' 2>&1; true");
    await giveId(name, id);
  }
  await cluster.reset();
  await cluster.shell("m1", "rm -rf /root/units");
  for (const [name, text] of Object.entries(files))
    await cluster.writeFile("m1", `/root/units/${name}`, text);
});
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster.printJournals();
});
after(async () => await labDown(lab));

async function installAsTheHarnessDoes(name: string): Promise<void> {
  await cluster.systemctl(name, "stop", "fleet.service");
  await cluster.shell(name, "mkdir -p /opt/fleet; cp /usr/bin/fleetd /usr/bin/fleetctl /opt/fleet/");
  // Of the limits only the one of the stop differs in a lab, where machines give up earlier than systemd does elsewhere.
  await cluster.writeFile(
    name,
    "/root/cloud-config.yml",
    `#cloud-config

write_files:
 - path: /opt/fleet/fleet.conf
   content: |
    verbosity=2
    etcd_servers=["http://${cluster.machine("m1").address}:4001"]
    etcd_key_prefix=/functional/harness
    public_ip=${cluster.machine(name).address}
    agent_ttl=3s
 - path: /etc/systemd/system/fleet.service.d/limit.conf
   content: |
    [Service]
    TimeoutStopSec=90
coreos:
 units:
  - name: fleet.socket
    command: start
  - name: fleet-tcp.socket
    command: start
    content: |
     [Socket]
     ListenStream=${port}
     Service=fleet.service
  - name: fleet.service
    command: start
    content: |
     [Service]
     Environment=FLEET_METADATA=hostname=%H
     ExecStart=/opt/fleet/fleetd -config /opt/fleet/fleet.conf
`,
  );
  await cluster.shell(name, "coreos-cloudinit --from-file=/root/cloud-config.yml");
  assert.equal(await stateOf(name), isWell);
}

/** Makes this machine another one for fleet, which reads who it is when it starts. */
async function giveId(name: string, id: string): Promise<void> {
  await cluster.shell(
    name,
    `[ $(cat /etc/machine-id) = ${id} ] || { echo ${id} > /etc/machine-id; systemctl restart fleet; }`,
  );
}

/** Leaves only m1 in the cluster, as in those tests that make one machine. */
async function onlyFirst(): Promise<void> {
  for (const name of ["m2", "m3"]) await cluster.systemctl(name, "stop", "fleet.service");
  await cluster.waitFor("only m1 is listed", async () => (await lines("list-machines")).length === 1);
}

async function fleetctl(line: string, through = "m1"): Promise<Finished> {
  const endpoint = `http://${cluster.machine(through).address}:${port}`;
  return await cluster
    .machine("m1")
    .exec(["sh", "-c", `cd /root/units; /opt/fleet/fleetctl --endpoint=${endpoint} ${line}`]);
}

async function said(line: string, through = "m1"): Promise<string> {
  const { code, stdout, stderr } = await fleetctl(line, through);
  assert.equal(code, 0, `fleetctl ${line}: ${stdout}${stderr}`);
  assert.doesNotMatch(stderr, /Error/, line);
  return stdout;
}

/** The lines of a listing, exactly as many as there are. */
async function lines(line: string, through = "m1"): Promise<readonly string[]> {
  const text = await said(`${line} --no-legend`, through);
  return text.split("\n").filter((each) => each !== "");
}

/** The units that are active, each with the ID of its machine. */
async function active(through = "m1"): Promise<ReadonlyMap<string, string>> {
  const rows = await lines("list-units --full --fields unit,active,machine", through);
  const found = rows.flatMap((row): [string, string][] => {
    const [unit = "", state, machine = ""] = row.split(/\s+/);
    return state === "active" ? [[unit, machine.split("/")[0] ?? ""]] : [];
  });
  assert.equal(new Set(found.map(([unit]) => unit)).size, found.length, rows.join("\n"));
  return new Map(found);
}

async function untilActive(...names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  let found = new Map<string, string>() as ReadonlyMap<string, string>;
  await cluster.waitFor(`${names.join(", ")} are active and no other`, async () => {
    found = await active();
    return [...found.keys()].join() === [...names].toSorted().join();
  });
  return found;
}

/** How a machine's systemd finds a unit: its ActiveState and its Result. */
async function stateOf(machine: string, unit = "fleet"): Promise<string> {
  const property = (name: string): string => `systemctl show --property=${name} ${unit}`;
  return await cluster.shell(machine, `${property("ActiveState")}; ${property("Result")}`);
}

/** Waits until fleet on this machine has told since it began that its presence is overdue, in the words of fleet v1.0.0. */
async function untilOverdue(name: string): Promise<void> {
  await cluster.waitFor(`${name} notices`, async () =>
    (await cluster.shell(name, "journalctl _PID=$(pidof fleetd)")).includes(
      "Server monitor triggered: Monitor timed out before successful heartbeat",
    ),
  );
}

const isWell = "ActiveState=active\nResult=success\n";
const hasEnded = "ActiveState=inactive\nResult=success\n";

test("SIGHUP keeps the sockets, and the journal of the process called fleetd tells of it", async () => {
  await onlyFirst();
  assert.equal(await stateOf("m1"), isWell);
  await cluster.shell("m1", "test -S /var/run/fleet.sock");
  await said("start hello.service");
  await untilActive("hello.service");
  assert.match(await said("status hello.service"), /Active: active/);
  await said("unload hello.service");
  const reloads = async (): Promise<number> => {
    const journal = await cluster.shell(
      "m1",
      "journalctl --priority=info _PID=$(setpriv --reuid=65534 pidof fleetd)",
    );
    assert.doesNotMatch(journal, /Failed serving HTTP on listener:/);
    return journal.match(/Reloading configuration/g)?.length ?? 0;
  };
  for (const [round, ask] of ["systemctl kill -s SIGHUP fleet", "kill -HUP $(pidof fleetd)"].entries()) {
    assert.equal(await cluster.shell("m1", ask), "");
    await cluster.waitFor("it says that it reads its settings again", async () => (await reloads()) > round);
    assert.deepEqual(await lines("list-units"), []);
    assert.equal(await stateOf("m1"), isWell);
  }
});

test("submit, load and start of several units, each undone one by one, done again and undone again", async () => {
  await onlyFirst();
  for (const { verb, undo, count, list } of [
    { verb: "submit", undo: "destroy", count: 9, list: "list-unit-files" },
    { verb: "load", undo: "unload", count: 6, list: "list-units" },
    { verb: "start", undo: "stop", count: 3, list: "" },
  ]) {
    const names = Array.from({ length: count }, (_, index) => `hello@${index + 1}.service`);
    for (const round of [1, 2]) {
      await said(`${verb} ${names.join(" ")}`);
      if (list === "") await untilActive(...names);
      else assert.equal((await lines(list)).length, count, `${verb}, round ${round}`);
      for (const name of names) await said(`${undo} ${name}`);
      if (list === "") assert.equal((await active()).size, 0);
      else assert.deepEqual(await lines(list), [], `${undo}, round ${round}`);
    }
  }
});

test("--replace of one unit after the other leaves as many as there were, and destroy by file name ends them", async () => {
  await onlyFirst();
  const names = [1, 2, 3].map((number) => `hello@${number}.service`);
  for (const verb of ["submit", "load", "start"]) {
    const list = verb === "submit" ? "list-unit-files" : "list-units";
    await said(`${verb} ${names.join(" ")}`);
    assert.equal((await lines(list)).length, names.length);
    for (const name of names) {
      await said(`${verb} --replace later/${name}`);
      assert.equal((await lines(list)).length, names.length, `${verb} --replace ${name}`);
      assert.equal(await said(`cat ${name}`), files["later/hello@.service"]);
    }
    for (const name of names) await said(`destroy later/${name}`);
    assert.deepEqual(await lines(list), []);
  }
});

test("a unit that is kept away by another's conflict is listed, and starts when that one is destroyed", async () => {
  await onlyFirst();
  await said("start --no-block conflicts-with-hello.service");
  await untilActive("conflicts-with-hello.service");
  await said("start --no-block hello.service");
  assert.equal((await lines("list-unit-files")).length, 2);
  assert.deepEqual(
    [...(await untilActive("conflicts-with-hello.service")).keys()],
    ["conflicts-with-hello.service"],
  );
  await said("destroy conflicts-with-hello.service");
  await untilActive("hello.service");
  assert.equal((await lines("list-units")).length, 1);
});

test("the first step of a unit's new text comes after the last step of its old one", async () => {
  await onlyFirst();
  await cluster.shell("m1", "rm -f /root/has-ended");
  await said("start slow.service");
  await untilActive("slow.service");
  await said("start --replace later/slow.service");
  await cluster.waitFor("the old one has ended", async () => {
    return (await cluster.shell("m1", "ls /root")).includes("has-ended");
  });
  await cluster.waitFor("the new one runs", async () => (await stateOf("m1", "slow.service")) === isWell);
  assert.equal(
    await cluster.shell("m1", "systemctl show --property=NRestarts --value slow.service"),
    "0\n",
    "it did not need a second attempt",
  );
  assert.match(await said("cat slow.service"), /test -f/);
});

test("WantedBy= and BindsTo= alone bring a unit up and down with its parent", async () => {
  await said("load hello.service discovery.service");
  assert.equal((await lines("list-units")).length, 2);
  const [home = ""] = (await lines("list-units --full --fields machine")).map((machine) =>
    cluster.nameOf(machine.split("/")[0]),
  );
  const discovery = async (): Promise<string> => await stateOf(home, "discovery.service");
  for (let round = 0; round < 3; round++) {
    assert.match(await discovery(), /ActiveState=inactive/);
    await said("start hello.service");
    await cluster.waitFor("it is up", async () => (await discovery()) === isWell);
    await said("stop hello.service");
    await cluster.waitFor("it is down", async () => (await discovery()).includes("=inactive"));
  }
});

test("a machine with the ID of another stays up and refuses; a new ID for the other, and both work at once", async () => {
  const used = cluster.machine("m1").id;
  await cluster.shell("m2", `echo ${used} > /etc/machine-id; systemctl restart fleet.service`);
  assert.equal(await stateOf("m2"), isWell);
  const refused = await fleetctl("list-machines --no-legend", "m2");
  assert.equal(refused.code, 1, refused.stdout);
  assert.match(refused.stderr, /fleet server unable to communicate with etcd/);
  assert.equal(await stateOf("m2"), isWell);
  await cluster.shell("m1", "echo 00000000000040008000000000000001 > /etc/machine-id");
  await cluster.systemctl("m1", "restart", "fleet.service");
  assert.equal(await stateOf("m1"), isWell);
  await said("list-machines");
  await cluster.waitFor("m2 is there under the ID that is free now", async () => {
    const listed = await fleetctl("list-machines --no-legend --full --fields machine", "m2");
    const ids = listed.stdout.trim().split("\n").toSorted();
    return (
      ids.join() === [cluster.machine("m3").id, "00000000000040008000000000000001", used].toSorted().join()
    );
  });
});

test("a machine whose store refuses connections for longer than it lives keeps every unit as it is, then and later", async () => {
  await onlyFirst();
  const units: Record<string, string> = {};
  for (const kind of ["hello", "everywhere"]) {
    await said(`submit ${kind}@inactive.service`);
    await said(`load --no-block ${kind}@loaded.service`);
    await said(`start --no-block ${kind}@launched.service`);
    for (const state of ["inactive", "loaded", "launched"]) units[`${kind}@${state}.service`] = state;
  }
  const wanted = async (): Promise<object> =>
    Object.fromEntries(
      (await lines("list-unit-files --full --fields unit,dstate")).map((row) => row.split(/\s+/)),
    );
  await untilActive("everywhere@launched.service", "hello@launched.service");
  const listed = await lines("list-units --full --fields unit,active");
  assert.equal(listed.length, 4);
  assert.deepEqual(await wanted(), units);
  const patterns = "-t service --no-legend --plain 'hello@*' 'everywhere@*'";
  const ofSystemd = async (): Promise<readonly string[]> => [
    await cluster.shell("m1", `systemctl list-unit-files ${patterns}`),
    await cluster.shell("m1", `systemctl list-units ${patterns}`),
    await cluster.shell(
      "m1",
      "systemctl show --property=MainPID --property=InvocationID '*@launched.service'",
    ),
  ];
  const earlier = await ofSystemd();
  const reject = "OUTPUT -p tcp -m multiport --dports=2379,4001 -j REJECT";
  await cluster.shell("m1", `iptables -I ${reject}`);
  await untilOverdue("m1");
  assert.deepEqual(await ofSystemd(), earlier);
  await cluster.shell("m1", `iptables -D ${reject}`);
  await cluster.waitFor("it is there again", async () => {
    return (await fleetctl("list-machines --no-legend")).stdout.split("\n").length === 2;
  });
  assert.deepEqual(await wanted(), units);
  await untilActive("everywhere@launched.service", "hello@launched.service");
  assert.deepEqual(await lines("list-units --full --fields unit,active"), listed);
  assert.deepEqual(await ofSystemd(), earlier);
});

test("fleet stops in order while its store does not answer, also with units that are slow to stop, or never do", async () => {
  await said("start on@m1.service stubborn@m1.service slow-to-stop@m2.service stubborn@m3.service");
  await said("stop --no-block stubborn@m1.service");
  await cluster.waitFor("it has been asked to stop", async () =>
    (await stateOf("m1", "stubborn@m1.service")).includes("deactivating"),
  );
  await Promise.all(
    members.map(async (name) => {
      await cluster.shell(name, "iptables -I OUTPUT -p tcp -m multiport --dports=2379,4001 -j DROP");
      await untilOverdue(name);
      await cluster.systemctl(name, "stop", "fleet");
      assert.equal(await stateOf(name), hasEnded, name);
    }),
  );
  assert.equal(await stateOf("m1", "on@m1.service"), hasEnded);
  assert.equal(await stateOf("m2", "slow-to-stop@m2.service"), hasEnded);
  assert.match(await stateOf("m3", "stubborn@m3.service"), /ActiveState=deactivating/);
});

test("a member that comes back as another machine costs one unit its place, and no other", async () => {
  const names = [0, 1, 2].map((number) => `conflict@${number}.service`);
  await said(`start ${names.join(" ")}`);
  assert.equal((await lines("list-units")).length, 3);
  const earlier = await untilActive(...names);
  assert.equal(new Set(earlier.values()).size, 3);
  await cluster.lab.poweroff("m2");
  await cluster.waitFor("m2 is not listed", async () => (await lines("list-machines")).length === 2);
  await cluster.writeFile("m2", "/etc/machine-id", "00000000000040008000000000000002\n");
  await cluster.lab.revive("m2");
  await cluster.waitFor("it is listed again", async () => (await lines("list-machines")).length === 3);
  const later = await untilActive(...names);
  const moved = names.filter((name) => earlier.get(name) !== later.get(name));
  assert.equal(moved.length, 1, `${JSON.stringify([...earlier])} and then ${JSON.stringify([...later])}`);
});
