import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { labDown } from "../../src/lab/lab.ts";
import { HarnessLab, isWell, talk } from "./harness-lab.ts";
import { testLab } from "./lab-name.ts";

// What fleet v1.0.0's own functional tests prove of units, in their order of commands, where fleet is installed as they do it.

const lab = testLab("harness-units");
let harness: HarnessLab;

/** Whose last step takes three seconds, and whose successor looks for what that leaves. */
const slowToEnd = (first: string): string =>
  `[Service]\nExecStartPre=/bin/sh -c "${first}"\nExecStart=/bin/sleep infinity\n` +
  'ExecStopPost=/bin/sh -c "sleep 3; touch /root/has-ended"\n';

/** The units of a user's folder on m1. */
const files: Readonly<Record<string, string>> = {
  "hello.service": talk("Hello, World!"),
  "hello@.service": talk("Hello, %i!"),
  "discovery.service": `[Unit]\nBindsTo=hello.service\n${talk("here it is")}[Install]\nWantedBy=hello.service\n[X-Fleet]\nMachineOf=hello.service\n`,
  "plain.0.service": talk("plain"),
  "plain.1.service": talk("plain"),
  "beside.service": `${talk("beside")}[X-Fleet]\nMachineOf=plain.1.service\n`,
  "kick.service": `${talk("kick")}[X-Fleet]\nReplaces=plain.0.service\n`,
  "round.0.service": `${talk("round")}[X-Fleet]\nReplaces=round.1.service\n`,
  "round.1.service": `${talk("round")}[X-Fleet]\nReplaces=round.0.service\n`,
  "conflicts-with-hello.service": `${talk("no hello")}[X-Fleet]\nConflicts=hello.service\n`,
  "slow.service": slowToEnd("echo first"),
  "later/slow.service": slowToEnd("test -f /root/has-ended"),
  "later/hello@.service": talk("Hello again, %i!"),
};

before(async () => {
  harness = await HarnessLab.open(lab);
});
beforeEach(async () => await harness.reset(files));
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await harness.cluster.printJournals();
});
after(async () => await labDown(lab));

test("submit, load and start of several units, each undone one by one, done again and undone again", async () => {
  await harness.onlyFirst();
  for (const { verb, undo, count, list } of [
    { verb: "submit", undo: "destroy", count: 9, list: "list-unit-files" },
    { verb: "load", undo: "unload", count: 6, list: "list-units" },
    { verb: "start", undo: "stop", count: 3, list: "" },
  ]) {
    const names = Array.from({ length: count }, (_, index) => `hello@${index + 1}.service`);
    for (const round of [1, 2]) {
      await harness.said(`${verb} ${names.join(" ")}`);
      if (list === "") await harness.untilActive(...names);
      else assert.equal((await harness.lines(list)).length, count, `${verb}, round ${round}`);
      await harness.said(names.map((name) => `${undo} ${name}`).join(" && fleetctl "));
      if (list === "") assert.equal((await harness.active()).size, 0);
      else assert.deepEqual(await harness.lines(list), [], `${undo}, round ${round}`);
    }
  }
});

test("--replace of one unit after the other leaves as many as there were, and destroy by file name ends them", async () => {
  await harness.onlyFirst();
  const names = [1, 2, 3].map((number) => `hello@${number}.service`);
  for (const verb of ["submit", "load", "start"]) {
    const list = verb === "submit" ? "list-unit-files" : "list-units";
    await harness.said(`${verb} ${names.join(" ")}`);
    assert.equal((await harness.lines(list)).length, names.length);
    for (const name of names) {
      await harness.said(`${verb} --replace later/${name}`);
      assert.equal((await harness.lines(list)).length, names.length, `${verb} --replace ${name}`);
      assert.equal(await harness.said(`cat ${name}`), files["later/hello@.service"]);
    }
    for (const name of names) await harness.said(`destroy later/${name}`);
    assert.deepEqual(await harness.lines(list), []);
  }
});

test("of two machines the emptier one takes a unit that replaces the other there, which moves", async () => {
  await harness.leaves("m3");
  await harness.said("start --no-block plain.0.service plain.1.service beside.service");
  const earlier = await harness.untilActive("beside.service", "plain.0.service", "plain.1.service");
  assert.equal(earlier.get("beside.service"), earlier.get("plain.1.service"));
  await harness.said("start --no-block kick.service");
  assert.equal((await harness.lines("list-unit-files")).length, 4);
  const all = ["beside.service", "kick.service", "plain.0.service", "plain.1.service"];
  let later = earlier;
  await harness.cluster.waitFor("one made way for the other", async () => {
    later = await harness.untilActive(...all);
    return later.get("kick.service") === earlier.get("plain.0.service");
  });
  assert.equal(later.get("plain.0.service"), earlier.get("plain.1.service"));
  assert.equal(later.get("plain.1.service"), earlier.get("plain.1.service"));
  await harness.said(`destroy ${all.join(" ")}`);

  await harness.said("start --no-block round.0.service");
  await harness.untilActive("round.0.service");
  assert.equal((await harness.lines("list-unit-files")).length, 1);
  await harness.said("start --no-block round.1.service");
  assert.equal((await harness.lines("list-unit-files")).length, 2);
  await harness.untilActive("round.0.service");
});

test("a unit that is kept away by another's conflict is listed, and starts when that one is destroyed", async () => {
  await harness.onlyFirst();
  await harness.said("start --no-block conflicts-with-hello.service");
  await harness.untilActive("conflicts-with-hello.service");
  await harness.said("start --no-block hello.service");
  assert.equal((await harness.lines("list-unit-files")).length, 2);
  assert.deepEqual(
    [...(await harness.untilActive("conflicts-with-hello.service")).keys()],
    ["conflicts-with-hello.service"],
  );
  await harness.said("destroy conflicts-with-hello.service");
  await harness.untilActive("hello.service");
  assert.equal((await harness.lines("list-units")).length, 1);
});

test("the first step of a unit's new text comes after the last step of its old one", async () => {
  await harness.onlyFirst();
  await harness.cluster.shell("m1", "rm -f /root/has-ended");
  await harness.said("start slow.service");
  await harness.untilActive("slow.service");
  await harness.said("start --replace later/slow.service");
  await harness.cluster.waitFor("the old one has ended", async () => {
    return (await harness.cluster.shell("m1", "ls /root")).includes("has-ended");
  });
  await harness.cluster.waitFor(
    "the new one runs",
    async () => (await harness.stateOf("m1", "slow.service")) === isWell,
  );
  assert.equal(
    await harness.cluster.shell("m1", "systemctl show --property=NRestarts --value slow.service"),
    "0\n",
    "it did not need a second attempt",
  );
  assert.match(await harness.said("cat slow.service"), /test -f/);
});

test("WantedBy= and BindsTo= alone bring a unit up and down with its parent", async () => {
  await harness.said("load hello.service discovery.service");
  assert.equal((await harness.lines("list-units")).length, 2);
  const [home = ""] = (await harness.lines("list-units --full --fields machine")).map((machine) =>
    harness.cluster.nameOf(machine.split("/")[0]),
  );
  const discovery = async (): Promise<string> => await harness.stateOf(home, "discovery.service");
  for (let round = 0; round < 3; round++) {
    assert.match(await discovery(), /ActiveState=inactive/);
    await harness.said("start hello.service");
    await harness.cluster.waitFor("it is up", async () => (await discovery()) === isWell);
    await harness.said("stop hello.service");
    await harness.cluster.waitFor("it is down", async () => (await discovery()).includes("=inactive"));
  }
});
