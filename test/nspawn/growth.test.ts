import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { labDown, labUp } from "../../src/lab/lab.ts";
import { builtProduct } from "../../src/lab/product.ts";
import { FleetLab, sleeper } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";
import { WriteLoad } from "./write-load.ts";

// One machine without any etcd, which becomes three members while clients write and a unit runs.

const name = testLab("growth-lab");
let cluster: FleetLab;

before(async () => {
  await labDown(name);
  const product = await builtProduct(() => {});
  cluster = new FleetLab(await labUp({ name, machines: 1, store: { by: "embedded" }, product }));
});
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster.printJournals();
});
after(async () => await labDown(name));

async function member(through: string, ...words: readonly string[]): Promise<string> {
  return await cluster.shell(through, `argosy member ${words.join(" ")}`);
}

test("one machine alone needs no etcd: units run and keys are kept, also through a loss of power", async () => {
  assert.equal(await cluster.shell("m1", "pgrep -x etcd || echo none"), "none\n");
  await cluster.put("steady.service", sleeper);
  await cluster.untilRunning(["steady.service"]);
  await cluster.shell("m1", "curl -sf 127.0.0.1:4001/v2/keys/kept -XPUT -d value=1");
  await cluster.lab.kill("m1");
  await cluster.lab.revive("m1");
  await cluster.untilWhole();
  assert.match(
    await cluster.shell("m1", "curl -sf 127.0.0.1:4001/v2/keys/kept"),
    /"value":"1","modifiedIndex":1/,
  );
  await cluster.untilRunning(["steady.service"]);
  assert.match(await member("m1", "list"), /^m1 +embedded +well/m);
});

test("it becomes three members while clients write; no acknowledged write is lost, no unit is disturbed", async () => {
  const steady = await cluster.snapshot(["steady.service"]);
  const load = new WriteLoad("growth", [cluster.machine("m1")]);
  let later: WriteLoad | undefined;
  try {
    await cluster.waitFor("writes are acknowledged", async () => load.count > 100);
    assert.equal(await member("m1", "add", "m1"), "m1 is a member.\n");
    const until = load.count;
    await cluster.waitFor("writes go on", async () => load.count > until + 50);
    process.stderr.write(`file to etcd: ${await load.end()}\n`);

    later = new WriteLoad("growth-later", [cluster.machine("m1")]);
    cluster.lab = await labUp({ name, machines: 3, product: await builtProduct(() => {}) });
    assert.equal(await member("m1", "add", "m2"), "m2 is a member.\n");
    assert.equal(await member("m3", "add", "m3"), "m3 is a member.\n");
  } finally {
    await load.end();
    if (later !== undefined) process.stderr.write(`one member to three: ${await later.end()}\n`);
  }
  for (const machine of cluster.machines) {
    assert.deepEqual(await load.lost(machine), [], machine.name);
    assert.deepEqual(await later.lost(machine), [], machine.name);
  }
  assert.deepEqual(await cluster.snapshot(["steady.service"]), steady, "the unit was not disturbed");
  assert.match(
    await cluster.shell("m3", "curl -sf 127.0.0.1:4001/v2/keys/kept"),
    /"value":"1","modifiedIndex":1/,
  );
});

test("the three outlive the loss of the machine that it began with", async () => {
  await cluster.lab.kill("m1");
  await cluster.waitFor("writes are taken", async () => {
    const { code } = await cluster
      .machine("m2")
      .exec(["curl", "-sf", "127.0.0.1:4001/v2/keys/without-m1", "-XPUT", "-d", "value=1"]);
    return code === 0;
  });
  await cluster.lab.revive("m1");
  await cluster.untilWhole();
  const read = "curl -s 127.0.0.1:4001/v2/keys/without-m1?quorum=true";
  await cluster.waitFor("m1 knows what was written without it", async () => {
    return (await cluster.shell("m1", read)).includes('"value":"1"');
  });
});
