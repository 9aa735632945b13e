import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { labDown } from "../../src/lab/lab.ts";
import type { Finished } from "../../src/lab/programs.ts";
import { type FleetLab, openFleetLab } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";

// What fleet v1.0.0's own functional tests prove of its client, done again with files of our own.

const lab = testLab("fleetctl-functional");
let cluster: FleetLab;

const talk = (words: string): string =>
  `[Service]\nExecStart=/bin/sh -c 'while :; do echo "${words}"; sleep 1; done'\n`;
const withOptions = (...lines: readonly string[]): string =>
  `${talk("Hello, World")}[X-Fleet]\n${lines.join("\n")}\n`;

/** The units of a user's folder on m1. */
const files: Readonly<Record<string, string>> = {
  "hello.service": talk("Hello, World"),
  "goodbye.service": talk("Goodbye"),
  "hello@.service": talk("Hello, %i"),
  "global.service": withOptions("Global=true"),
  "conflict@.service": withOptions("Conflicts=conflict@*.service"),
  "many.0.service": withOptions("Conflicts=many.1.service", "Conflicts=many.2.service"),
  "many.1.service": withOptions("Conflicts=many.0.service many.2.service"),
  "many.2.service": withOptions("Conflicts=many.0.service", "Conflicts=many.1.service"),
  "conflicts-with-hello.service": withOptions("Conflicts=hello.service", "MachineMetadata=machine=m2"),
  "hello-on-m2.service": withOptions("MachineMetadata=machine=m2"),
  "global-a.service": withOptions("Global=true", "Conflicts=global-b.service"),
  "global-b.service": withOptions("Global=true", "Conflicts=global-a.service"),
  "pin@.service": withOptions("MachineID=%i"),
  "metadata@.service": withOptions("MachineMetadata=machine=%i"),
  "round.0.service": withOptions("Replaces=round.1.service"),
  "round.1.service": withOptions("Replaces=round.0.service"),
  "discovery.service":
    "[Unit]\nBindsTo=hello.service\nAfter=hello.service\n" +
    `${talk("I found it")}[Install]\nWantedBy=hello.service\n[X-Fleet]\nMachineOf=hello.service\n`,
};

before(async () => {
  cluster = await openFleetLab(lab);
});
beforeEach(async () => {
  await cluster.reset();
  await cluster.shell("m1", "rm -rf /root/units");
  for (const [name, text] of Object.entries(files))
    await cluster.writeFile("m1", `/root/units/${name}`, text);
});
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster.printJournals();
});
after(async () => await labDown(lab));

async function fleetctl(line: string): Promise<Finished> {
  return await cluster.machine("m1").exec(["sh", "-c", `cd /root/units; fleetctl ${line}`]);
}

async function said(line: string): Promise<string> {
  const { code, stdout, stderr } = await fleetctl(line);
  assert.equal(code, 0, `fleetctl ${line}: ${stdout}${stderr}`);
  return stdout;
}

/** The lines of a listing, each with its cells. */
async function rows(line: string): Promise<readonly (readonly string[])[]> {
  const text = await said(`${line} --no-legend --full`);
  return text.split("\n").flatMap((row) => (row === "" ? [] : [row.split(/\t+/)]));
}

/** The units that are active, with the names of their machines, in order. */
async function active(): Promise<readonly string[]> {
  const all = await rows("list-units --fields=unit,machine,active");
  return all.flatMap(([unit = "", machine = "", state]) =>
    state === "active" ? [`${unit} ${cluster.nameOf(machine.split("/")[0])}`] : [],
  );
}

const instances = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `hello@${index + 1}.service`);

test("submit, load and start: done, undone, and done again", async () => {
  const stages = [
    { verb: "submit", undo: "destroy", count: 9, wanted: "inactive", left: 0 },
    { verb: "load", undo: "unload", count: 6, wanted: "loaded", left: 6 },
    { verb: "start", undo: "stop", count: 3, wanted: "launched", left: 6 },
  ] as const;
  for (const { verb, undo, count, wanted, left } of stages) {
    const names = instances(count);
    for (const round of [1, 2]) {
      await said(`${verb} ${names.join(" ")}`);
      const listed = await rows("list-unit-files --fields=unit,dstate,state");
      assert.deepEqual(
        listed.filter(([, , state]) => state === wanted).map(([unit]) => unit),
        names,
        `${verb}, round ${round}`,
      );
      assert.equal((await active()).length, verb === "start" ? count : 0);
      await said(`${undo} ${names.join(" ")}`);
      assert.equal((await rows("list-unit-files")).length, left);
      assert.deepEqual(await active(), []);
    }
  }
});

test("restart gives each unit a new process where it is, and a global one on every machine", async () => {
  const names = instances(3);
  await said(`start ${names.join(" ")} global`);
  await cluster.until(["global.service"], "it runs everywhere", ({ states }) => {
    return states.filter((state) => state.active === "active").length === 3;
  });
  for (const units of [names, ["global.service"]]) {
    const earlier = await cluster.snapshot(units);
    assert.equal(Object.keys(earlier).length, 3);
    const told = await said(`restart ${units.join(" ")}`);
    assert.equal(told.match(/^Unit \S+ launched on /gm)?.length, 3, told);
    const later = await cluster.snapshot(units);
    assert.deepEqual(Object.keys(later), Object.keys(earlier), "the machines are the same");
    for (const [unit, process] of Object.entries(later)) {
      assert.notEqual(process.mainPid, earlier[unit]?.mainPid, unit);
    }
  }
  await said(`stop ${names.join(" ")}`);
  const started = await said(`restart ${names.join(" ")}`);
  assert.equal(started.match(/ launched on /g)?.length, 3);
  assert.equal((await active()).length, 6);
});

test("--replace brings a changed text to units in each state, and cat shows it", async () => {
  for (const { verb, count } of [
    { verb: "submit", count: 9 },
    { verb: "load", count: 6 },
    { verb: "start", count: 3 },
  ]) {
    const names = instances(count);
    await said(`${verb} ${names.join(" ")}`);
    const wanted = await rows("list-unit-files --fields=unit,dstate");
    const changed = talk(`Changed for ${verb}, %i`);
    await cluster.writeFile("m1", "/root/units/hello@.service", changed);
    await said(`${verb} --replace ${names.join(" ")}`);
    for (const name of names) assert.equal(await said(`cat ${name}`), changed);
    assert.deepEqual(await rows("list-unit-files --fields=unit,dstate"), wanted);
    if (verb === "start") {
      assert.equal((await active()).length, 3);
      assert.match(await said("journal -n 1 -o cat hello@2"), /Changed for start, 2|Started/);
    }
    await said("destroy 'hello@*'");
  }
});

test("cat gives the file back, status of a loaded unit shows it, and twenty units are listed by name", async () => {
  await said("submit hello.service");
  assert.equal(await said("cat hello.service"), files["hello.service"]);
  await said("load hello.service");
  const status = await fleetctl("status hello.service");
  assert.equal(status.code, 3);
  assert.match(status.stdout, /Loaded: loaded/);
  await said("destroy hello");
  const names = Array.from({ length: 20 }, (_, index) => `hello@${index + 1}.service`);
  await said(`submit ${names.toReversed().join(" ")}`);
  assert.deepEqual(
    (await rows("list-unit-files --fields=unit")).map(([unit]) => unit),
    names.toSorted(),
  );
});

test("of five units that exclude each other three run, one on each machine", async () => {
  const names = [0, 1, 2, 3, 4].map((number) => `conflict@${number}.service`);
  const { code } = await fleetctl(`start ${names.join(" ")}`);
  assert.equal(code, 3, "two of them have no place");
  const running = await active();
  assert.equal(running.length, 3, running.join());
  assert.equal(new Set(running.map((line) => line.split(" ")[1])).size, 3, running.join());
  const late = await fleetctl("start --block-attempts=1 conflict@5");
  assert.equal(late.code, 1);
  assert.match(late.stderr, /timed out waiting for unit conflict@5\.service to report state launched/);
});

test("a unit is kept away by another's conflict until that one is destroyed", async () => {
  await said("start conflicts-with-hello.service");
  await said("start --no-block hello-on-m2.service");
  await said("destroy hello-on-m2.service");
  await cluster.writeFile("m1", "/root/units/hello.service", withOptions("MachineMetadata=machine=m2"));
  const kept = await fleetctl("start hello.service");
  assert.equal(kept.code, 3);
  assert.match(kept.stderr, /conflict/);
  await said("destroy conflicts-with-hello.service");
  assert.deepEqual(await cluster.untilRunning(["hello.service"]), ["m2"]);
});

test("several conflicts count, in one line or in many", async () => {
  await said("start many.0 many.1 many.2");
  const machines = new Set((await active()).map((line) => line.split(" ")[1]));
  assert.equal(machines.size, 3);
});

test("of two units that replace each other one runs, and the other when that one is destroyed", async () => {
  await said("start round.0");
  const first = await active();
  const { code, stdout, stderr } = await fleetctl("start round.1");
  assert.notEqual(code, 0);
  assert.match(
    `${stdout}${stderr}`,
    /Unit round\.1\.service cannot be placed[^]*replaces Unit\(round\.0\.service\)/,
  );
  assert.deepEqual(await active(), first);
  await said("destroy round.0");
  await cluster.waitFor("the other one runs", async () =>
    (await active()).join().startsWith("round.1.service"),
  );
});

test("IDs and metadata in an instance's name choose its machine; an impossible one times out", async () => {
  for (const { id, name } of cluster.machines) await said(`start pin@${id} metadata@${name}`);
  const running = await active();
  for (const { id, name } of cluster.machines) {
    assert(running.includes(`pin@${id}.service ${name}`), running.join());
    assert(running.includes(`metadata@${name}.service ${name}`), running.join());
  }
  const impossible = await fleetctl("start --block-attempts=2 metadata@invalid.service");
  assert.notEqual(impossible.code, 0);
  assert.match(impossible.stderr, /timed out/);
});

test("plain and global units run together, and status and restart of a global unit succeed", async () => {
  await said("start hello.service goodbye.service global.service");
  await cluster.waitFor("five are active", async () => (await active()).length === 5);
  assert.equal((await said("status --no-block global.service")).match(/Active: active/g)?.length, 3);
  await said("restart global.service");
  assert.equal((await active()).length, 5);
});

test("of two global units that exclude each other the first runs, everywhere", async () => {
  await said("start global-a.service");
  await cluster.waitFor("it runs everywhere", async () => (await active()).length === 3);
  await said("start global-b.service");
  await said("start hello.service");
  const running = await active();
  assert.deepEqual(
    running.filter((line) => line.startsWith("global")),
    ["global-a.service m1", "global-a.service m2", "global-a.service m3"].toSorted((a, b) => {
      const idOf = (line: string): string => cluster.machine(line.split(" ")[1] ?? "").id;
      return idOf(a) < idOf(b) ? -1 : 1;
    }),
  );
});

test("a unit with WantedBy= goes up and down with its parent, without a start of its own", async () => {
  await said("load hello.service discovery.service");
  assert.deepEqual(await active(), []);
  await said("start hello.service");
  await cluster.waitFor("both are active", async () => (await active()).length === 2);
  assert.deepEqual((await rows("list-unit-files --fields=unit,dstate"))[0], ["discovery.service", "loaded"]);
  await said("stop hello.service");
  await cluster.waitFor("both are down", async () => (await active()).length === 0);
});

test("a oneshot that succeeds is a success, one that fails is a failure, and stop waits for the process", async () => {
  await cluster.writeFile(
    "m1",
    "/root/units/good.service",
    "[Service]\nType=oneshot\nExecStart=/bin/sleep 0.2\n",
  );
  await cluster.writeFile(
    "m1",
    "/root/units/bad.service",
    "[Service]\nType=oneshot\nExecStart=/bin/ls /run/ok\n",
  );
  await cluster.writeFile(
    "m1",
    "/root/units/slow.service",
    `[Service]\nExecStart=/bin/sh -c 'trap "sleep 1; exit 0" TERM; while :; do sleep 0.1; done'\n`,
  );
  assert.match(await said("start good"), /^Unit good\.service launched on /m);
  const bad = await fleetctl("start bad");
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /Unit bad\.service failed on .*: result exit-code/);
  for (const { name } of cluster.machines) await cluster.shell(name, "touch /run/ok");
  assert.match(await said("restart bad"), /^Unit bad\.service launched on /);
  for (const verb of ["stop", "unload", "destroy"]) {
    await said("start slow");
    await said(`${verb} slow`);
    assert.deepEqual(await cluster.machinesRunning("slow.service"), [], verb);
  }
});

test("journal -f misses and doubles nothing while the API restarts, and follows the unit to another machine", async () => {
  const count = `[Service]\nExecStart=/bin/sh -c 'i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.1; done'\n`;
  await cluster.put("count.service", `${count}[X-Fleet]\nMachineMetadata=place=here\n`, "inactive");
  const place = async (machine: string, op: "add" | "remove"): Promise<void> => {
    const path = `/${cluster.machine(machine).id}/metadata/place`;
    const body = JSON.stringify([{ op, path, ...(op === "add" ? { value: "here" } : {}) }]);
    assert.equal((await cluster.ask("m1", "/fleet/v1/machines", { method: "PATCH", body })).status, 204);
  };
  await place("m2", "add");
  await said("start count");
  await cluster.shell(
    "m1",
    "systemd-run --quiet --unit=follow --property=StandardOutput=file:/root/followed --property=StandardError=file:/root/complaints fleetctl journal -f -n 1 -o cat count",
  );
  const ticks = async (): Promise<readonly number[]> => {
    const text = await cluster.shell("m1", "cd /root; touch followed complaints; cat followed");
    assert.equal(await cluster.shell("m1", "cat /root/complaints"), "");
    return Array.from(text.matchAll(/^tick (\d+)$/gm), ([, number]) => Number(number));
  };
  await cluster.waitFor("it follows", async () => (await ticks()).length > 5);
  await cluster.systemctl("m1", "restart", "fleet");
  const seen = (await ticks()).length;
  await cluster.waitFor("it goes on", async () => (await ticks()).length > seen + 20);
  const all = await ticks();
  const [first = 0] = all;
  assert.deepEqual(
    all,
    all.map((_, index) => first + index),
  );
  await place("m2", "remove");
  await place("m3", "add");
  await cluster.untilRunning(["count.service"]);
  // The last lines of the one machine may come behind the first ones of the other.
  let there: readonly number[] = [];
  await cluster.waitFor("it counts anew on the other machine", async () => {
    let last = all.at(-1) ?? 0;
    there = (await ticks()).slice(all.length).filter((number) => {
      if (number !== last + 1) return true;
      last = number;
      return false;
    });
    return there.length > 5;
  });
  assert.deepEqual(
    there,
    there.map((_, index) => index + 1),
  );
  await said("destroy count");
  await cluster.waitFor("it ends", async () => {
    const { stdout } = await cluster.machine("m1").exec(["systemctl", "is-active", "follow"]);
    return stdout.trim() === "inactive";
  });
  await place("m3", "remove");
});
