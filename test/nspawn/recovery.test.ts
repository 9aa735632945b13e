import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { labDown } from "../../src/lab/lab.ts";
import { type FleetLab, openFleetLab, sleeper } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";
import { WriteLoad } from "./write-load.ts";

// Two of three members are lost for good, and the cluster goes on from the third.

const name = testLab("recovery-lab");
let cluster: FleetLab;

before(async () => {
  cluster = await openFleetLab(name, 3);
});
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster.printJournals();
});
after(async () => await labDown(name));

async function refused(machine: string, ...words: readonly string[]): Promise<string> {
  const { code, stderr } = await cluster.machine(machine).exec(["argosy", "member", "recover", ...words]);
  assert.equal(code, 1, stderr);
  return stderr;
}

test("while there is a quorum nothing is recovered", async () => {
  assert.match(
    await refused("m1", "--yes"),
    /the cluster has a quorum, as m\d says: use argosy member remove/,
  );
});

test("one of three goes on with all that it held, and the others join it when they return", async () => {
  await cluster.put("steady.service", `${sleeper}[X-Fleet]\nMachineMetadata=machine=m1\n`);
  await cluster.untilRunning(["steady.service"]);
  const steady = await cluster.snapshot(["steady.service"]);
  const load = new WriteLoad("before", cluster.machines);
  await cluster.waitFor("writes are acknowledged", async () => load.count > 200);
  await load.end();
  assert.deepEqual(await load.lost(cluster.machine("m1")), []);

  await cluster.lab.kill("m2");
  await cluster.lab.kill("m3");
  await cluster.waitFor("the members know that no quorum is left", async () => {
    const { code } = await cluster.machine("m1").exec(["argosy", "member", "recover", "--dry-run"]);
    return code === 0;
  });
  assert.match(await cluster.shell("m1", "argosy member list"), /Too few members are well/);
  const asked = await cluster.machine("m1").exec(["argosy", "member", "recover"], { input: "no\n" });
  assert.equal(asked.code, 1);
  assert.match(asked.stderr, /Are m2 and m3 lost for good\?/);
  assert.match(await cluster.shell("m1", "argosy member recover --yes"), /^This machine is the only member/);

  assert.deepEqual(await load.lost(cluster.machine("m1")), [], "what was acknowledged is there");
  assert.deepEqual(await cluster.snapshot(["steady.service"]), steady, "the unit was not disturbed");
  const again = new WriteLoad("after", [cluster.machine("m1")]);
  await cluster.waitFor("writes are taken again", async () => again.count > 20);

  // Both at once: between them they would be the old quorum.
  await Promise.all(["m2", "m3"].map(async (machine) => await cluster.lab.revive(machine)));
  await cluster.untilWhole();
  for (const machine of ["m2", "m3"]) {
    await cluster.waitFor(`${machine} stops its etcd`, async () => {
      return (await cluster.shell(machine, "systemctl is-active etcd-member || true")) === "inactive\n";
    });
    const said = await cluster.shell("m1", `argosy member add ${machine}`);
    assert.equal(said, `${machine} is a member.\n`);
  }
  process.stderr.write(`after the recovery: ${await again.end()}\n`);
  for (const machine of cluster.machines) assert.deepEqual(await again.lost(machine), [], machine.name);
  assert.deepEqual(await cluster.snapshot(["steady.service"]), steady, "the unit was not disturbed");
});
