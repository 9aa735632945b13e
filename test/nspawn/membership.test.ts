import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { labDown } from "../../src/lab/lab.ts";
import type { MemberRow } from "../../src/membership/picture.ts";
import { type FleetLab, openFleetLab, sleeper } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";
import { WriteLoad } from "./write-load.ts";

// Members that come and go while clients write through the v2 API: five machines, three members at first.

const lab = testLab("members-lab");
let cluster: FleetLab;

before(async () => {
  cluster = await openFleetLab(lab, 5);
});
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster.printJournals();
});
after(async () => await labDown(lab));

interface Listed {
  readonly quorum: boolean;
  readonly machines: readonly MemberRow[];
}

async function list(through: string): Promise<Listed> {
  return JSON.parse(await cluster.shell(through, "argosy member list --json")) as Listed;
}

/** Machines by what they are, such as `member: m1 m2 m3, proxy: m4 m5`; the leader counts as a member. */
async function roles(through: string): Promise<string> {
  const { machines } = await list(through);
  const named = (wanted: string): string =>
    machines
      .filter(({ role }) => (role === "leader" ? "member" : role) === wanted)
      .map(({ name }) => name)
      .sort()
      .join(" ");
  return ["member", "learner", "proxy"]
    .filter((role) => named(role) !== "")
    .map((role) => `${role}: ${named(role)}`)
    .join(", ");
}

async function leader(through: string): Promise<string> {
  const { machines } = await list(through);
  return machines.find(({ role }) => role === "leader")?.name ?? "";
}

async function member(through: string, ...words: readonly string[]): Promise<string> {
  return await cluster.shell(through, `argosy member ${words.join(" ")}`);
}

/** Writes through these machines while something is done; nothing acknowledged may be lost. Prints the gaps. */
async function underLoad(name: string, through: readonly string[], work: () => Promise<void>): Promise<void> {
  const load = new WriteLoad(
    name,
    through.map((machine) => cluster.machine(machine)),
  );
  try {
    await cluster.waitFor("writes are acknowledged", async () => load.count > 20);
    await work();
    const until = load.count;
    await cluster.waitFor("writes go on", async () => load.count > until + 20);
  } finally {
    process.stderr.write(`${name}: ${await load.end()}\n`);
  }
  for (const machine of through) assert.deepEqual(await load.lost(cluster.machine(machine)), [], machine);
}

test("a proxy becomes a member, and the leader a proxy, while clients write and a unit runs", async () => {
  await cluster.put("steady.service", sleeper);
  await cluster.untilRunning(["steady.service"]);
  const steady = await cluster.snapshot(["steady.service"]);
  assert.equal(await roles("m5"), "member: m1 m2 m3, proxy: m4 m5");
  await underLoad("add-and-remove", ["m1", "m4", "m5"], async () => {
    assert.equal(await member("m5", "add", "m4"), "m4 is a member.\n");
    assert.equal(await roles("m1"), "member: m1 m2 m3 m4, proxy: m5");
    const first = await leader("m5");
    assert.equal(await member("m2", "remove", first), `${first} is no member any more.\n`);
    assert.equal(await cluster.shell(first, "systemctl is-active etcd-member || true"), "inactive\n");
    assert.equal(await member("m2", "add", first), `${first} is a member.\n`, "it can come back");
    assert.equal(await member("m2", "remove", "m4"), "m4 is no member any more.\n");
  });
  assert.equal(await roles("m4"), "member: m1 m2 m3, proxy: m4 m5");
  assert.deepEqual(await cluster.snapshot(["steady.service"]), steady, "the unit was not disturbed");
});

test("a learner has no vote until it is promoted; dry runs and needless commands change nothing", async () => {
  assert.match(await member("m1", "add", "--dry-run", "m4"), /^would let m4 in as a learner/);
  assert.match(await member("m1", "remove", "--dry-run", "m2"), /would take m2 out of the members/);
  assert.equal(await member("m1", "remove", "m4"), "m4 is no member.\n");
  assert.equal(await member("m1", "add", "m2"), "m2 is a member already.\n");
  assert.equal(await member("m1", "add", "--learner", "m4"), "m4 is a learner.\n");
  assert.equal(await roles("m4"), "member: m1 m2 m3, learner: m4, proxy: m5");
  assert.equal(await member("m4", "promote", "m4"), "m4 is a member.\n");
  assert.equal(await member("m4", "remove", "m4"), "m4 is no member any more.\n");
  const unknown = await cluster.machine("m1").exec(["argosy", "member", "add", "m9"]);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /^Error: there is no machine "m9": the cluster has m1, m2, m3, m4, m5/);
});

test("a member that burnt down is replaced with one command, and learns of it if it returns", async () => {
  const dead = await leader("m5");
  const [other = "", third = ""] = ["m1", "m2", "m3"].filter((name) => name !== dead);
  await underLoad("loss-of-power", [other, "m5"], async () => {
    await cluster.lab.kill(dead);
    await cluster.waitFor("another member leads", async () => {
      const now = await leader(other).catch(() => "");
      return now !== "" && now !== dead;
    });
  });
  await underLoad("replace", [other, "m5"], async () => {
    const refused = await cluster.machine(other).exec(["argosy", "member", "remove", third]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, new RegExp(`without ${third} only 1 of 2 members would answer`));
    const said = await member("m5", "replace", dead, "m4");
    assert.equal(said, `m4 is a member in the place of ${dead}.\n`);
  });
  await cluster.lab.revive(dead);
  await cluster.untilWhole();
  await cluster.waitFor(`${dead} stops its etcd`, async () => {
    return (await cluster.shell(dead, "systemctl is-active etcd-member || true")) === "inactive\n";
  });
  assert.equal(
    await roles(dead),
    `member: ${[other, third, "m4"].sort().join(" ")}, proxy: ${[dead, "m5"].sort().join(" ")}`,
  );
});

test("proxies use the members of today, however many of yesterday are gone", async () => {
  const { machines } = await list("m5");
  const away = machines.filter(({ role, name }) => role === "proxy" && name !== "m5").map(({ name }) => name);
  const [back = ""] = away;
  const olds = machines.filter(({ role }) => role === "member").map(({ name }) => name);
  const [old = ""] = olds.filter((name) => name !== "m4");
  await member("m5", "replace", old, back);
  await cluster.lab.kill(old);
  await cluster.systemctl("m5", "restart", "etcd.service", "fleet.service");
  // The member that is gone may have led, and the others have to agree on another leader first.
  await cluster.waitFor("m5 writes through the members that are left", async () => {
    const answer = await fetch(`${cluster.machine("m5").keysApi}/v2/keys/yesterday`, {
      method: "PUT",
      body: new URLSearchParams({ value: "gone" }),
      headers: { Connection: "close" },
    });
    await answer.text();
    return answer.ok;
  });
  await cluster.lab.revive(old);
  await cluster.untilWhole();
});
