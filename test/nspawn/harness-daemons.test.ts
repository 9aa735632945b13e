import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { labDown } from "../../src/lab/lab.ts";
import { HarnessLab, hasEnded, isWell, members, talk } from "./harness-lab.ts";
import { testLab } from "./lab-name.ts";

// What fleet v1.0.0's own functional tests prove of its daemon, where fleet is installed as they do it.

const lab = testLab("harness-daemons");
let harness: HarnessLab;

const untilTerm = (then: string): string =>
  `[Service]\nExecStart=/bin/sh -c 'trap "${then}" TERM; while :; do sleep 0.2; done'\nTimeoutStopSec=300\n` +
  "[X-Fleet]\nMachineMetadata=hostname=%i\n";

/** The units of a user's folder on m1. */
const files: Readonly<Record<string, string>> = {
  "hello.service": talk("Hello, World!"),
  "hello@.service": talk("Hello, %i!"),
  "everywhere@.service": `${talk("Hello to all, %i!")}[X-Fleet]\nGlobal=true\n`,
  "conflict@.service": `${talk("alone")}[X-Fleet]\nConflicts=conflict@*.service\n`,
  "on@.service": `${talk("on %i")}[X-Fleet]\nMachineMetadata=hostname=%i\n`,
  "slow-to-stop@.service": untilTerm("sleep 3; exit 0"),
  "stubborn@.service": untilTerm(""),
};

before(async () => {
  harness = await HarnessLab.open(lab);
});
beforeEach(async () => await harness.reset(files));
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await harness.cluster.printJournals();
});
after(async () => await labDown(lab));

test("SIGHUP keeps the sockets, and the journal of the process called fleetd tells of it", async () => {
  await harness.onlyFirst();
  assert.equal(await harness.stateOf("m1"), isWell);
  await harness.cluster.shell("m1", "test -S /var/run/fleet.sock");
  await harness.said("start hello.service");
  await harness.untilActive("hello.service");
  assert.match(await harness.said("status hello.service"), /Active: active/);
  await harness.said("unload hello.service");
  const reloads = async (): Promise<number> => {
    const journal = await harness.cluster.shell(
      "m1",
      "journalctl --priority=info _PID=$(setpriv --reuid=65534 pidof fleetd)",
    );
    assert.doesNotMatch(journal, /Failed serving HTTP on listener:/);
    return journal.match(/Reloading configuration/g)?.length ?? 0;
  };
  for (const [round, ask] of ["systemctl kill -s SIGHUP fleet", "kill -HUP $(pidof fleetd)"].entries()) {
    assert.equal(await harness.cluster.shell("m1", ask), "");
    await harness.cluster.waitFor(
      "it says that it reads its settings again",
      async () => (await reloads()) > round,
    );
    assert.deepEqual(await harness.lines("list-units"), []);
    assert.equal(await harness.stateOf("m1"), isWell);
  }
});

test("a machine with the ID of another stays up and refuses; a new ID for the other, and both work at once", async () => {
  const used = harness.cluster.machine("m1").id;
  await harness.cluster.shell("m2", `echo ${used} > /etc/machine-id; systemctl restart fleet.service`);
  assert.equal(await harness.stateOf("m2"), isWell);
  const refused = await harness.fleetctl("list-machines --no-legend", "m2");
  assert.equal(refused.code, 1, refused.stdout);
  assert.match(refused.stderr, /fleet server unable to communicate with etcd/);
  assert.equal(await harness.stateOf("m2"), isWell);
  await harness.cluster.shell("m1", "echo 00000000000040008000000000000001 > /etc/machine-id");
  await harness.cluster.systemctl("m1", "restart", "fleet.service");
  assert.equal(await harness.stateOf("m1"), isWell);
  await harness.said("list-machines");
  await harness.cluster.waitFor("m2 is there under the ID that is free now", async () => {
    const listed = await harness.fleetctl("list-machines --no-legend --full --fields machine", "m2");
    const ids = listed.stdout.trim().split("\n").toSorted();
    return (
      ids.join() ===
      [harness.cluster.machine("m3").id, "00000000000040008000000000000001", used].toSorted().join()
    );
  });
});

test("a machine whose store refuses connections for longer than it lives keeps every unit as it is, then and later", async () => {
  await harness.onlyFirst();
  const units: Record<string, string> = {};
  for (const kind of ["hello", "everywhere"]) {
    await harness.said(`submit ${kind}@inactive.service`);
    await harness.said(`load --no-block ${kind}@loaded.service`);
    await harness.said(`start --no-block ${kind}@launched.service`);
    for (const state of ["inactive", "loaded", "launched"]) units[`${kind}@${state}.service`] = state;
  }
  const wanted = async (): Promise<object> =>
    Object.fromEntries(
      (await harness.lines("list-unit-files --full --fields unit,dstate")).map((row) => row.split(/\s+/)),
    );
  await harness.untilActive("everywhere@launched.service", "hello@launched.service");
  const listed = await harness.lines("list-units --full --fields unit,active");
  assert.equal(listed.length, 4);
  assert.deepEqual(await wanted(), units);
  const patterns = "-t service --no-legend --plain 'hello@*' 'everywhere@*'";
  const ofSystemd = async (): Promise<readonly string[]> => [
    await harness.cluster.shell("m1", `systemctl list-unit-files ${patterns}`),
    await harness.cluster.shell("m1", `systemctl list-units ${patterns}`),
    await harness.cluster.shell(
      "m1",
      "systemctl show --property=MainPID --property=InvocationID '*@launched.service'",
    ),
  ];
  const earlier = await ofSystemd();
  const reject = "OUTPUT -p tcp -m multiport --dports=2379,4001 -j REJECT";
  await harness.cluster.shell("m1", `iptables -I ${reject}`);
  await harness.untilOverdue("m1");
  assert.deepEqual(await ofSystemd(), earlier);
  await harness.cluster.shell("m1", `iptables -D ${reject}`);
  await harness.cluster.waitFor("it is there again", async () => {
    return (await harness.fleetctl("list-machines --no-legend")).stdout.split("\n").length === 2;
  });
  assert.deepEqual(await wanted(), units);
  await harness.untilActive("everywhere@launched.service", "hello@launched.service");
  assert.deepEqual(await harness.lines("list-units --full --fields unit,active"), listed);
  assert.deepEqual(await ofSystemd(), earlier);
});

test("fleet stops in order while its store does not answer, also with units that are slow to stop, or never do", async () => {
  await harness.said("start on@m1.service stubborn@m1.service slow-to-stop@m2.service stubborn@m3.service");
  await harness.said("stop --no-block stubborn@m1.service");
  await harness.cluster.waitFor("it has been asked to stop", async () =>
    (await harness.stateOf("m1", "stubborn@m1.service")).includes("deactivating"),
  );
  await Promise.all(
    members.map(async (name) => {
      await harness.cluster.shell(name, "iptables -I OUTPUT -p tcp -m multiport --dports=2379,4001 -j DROP");
      await harness.untilOverdue(name);
      await harness.cluster.systemctl(name, "stop", "fleet");
      assert.equal(await harness.stateOf(name), hasEnded, name);
    }),
  );
  assert.equal(await harness.stateOf("m1", "on@m1.service"), hasEnded);
  assert.equal(await harness.stateOf("m2", "slow-to-stop@m2.service"), hasEnded);
  assert.match(await harness.stateOf("m3", "stubborn@m3.service"), /ActiveState=deactivating/);
});

test("a member that comes back as another machine costs one unit its place, and no other", async () => {
  const names = [0, 1, 2].map((number) => `conflict@${number}.service`);
  await harness.said(`start ${names.join(" ")}`);
  assert.equal((await harness.lines("list-units")).length, 3);
  const earlier = await harness.untilActive(...names);
  assert.equal(new Set(earlier.values()).size, 3);
  await harness.cluster.lab.poweroff("m2");
  await harness.cluster.waitFor(
    "m2 is not listed",
    async () => (await harness.lines("list-machines")).length === 2,
  );
  await harness.cluster.writeFile("m2", "/etc/machine-id", "00000000000040008000000000000002\n");
  await harness.cluster.lab.revive("m2");
  await harness.cluster.waitFor(
    "it is listed again",
    async () => (await harness.lines("list-machines")).length === 3,
  );
  const later = await harness.untilActive(...names);
  const moved = names.filter((name) => earlier.get(name) !== later.get(name));
  assert.equal(moved.length, 1, `${JSON.stringify([...earlier])} and then ${JSON.stringify([...later])}`);
});
