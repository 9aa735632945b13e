import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { labDown } from "../../src/lab/lab.ts";
import { productVersion } from "../../src/lib/version.ts";
import { hashUnitText } from "../../src/unit/hash.ts";
import { parseUnitFile } from "../../src/unit/parse.ts";
import { printUnitFile } from "../../src/unit/print.ts";
import { activeOn, type FleetLab, openFleetLab, sleeper } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";

// fleetctl as people use it, on each of three machines, with the output of fleetctl v1.0.0.

const lab = testLab("fleet-commands");
const machines = ["m1", "m2", "m3"];
let cluster: FleetLab;

before(async () => {
  cluster = await openFleetLab(lab);
});
beforeEach(async () => await cluster.reset());
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster.printJournals();
});
after(async () => await labDown(lab));

/** What a command printed, when it succeeded and had nothing to complain of. */
async function said(machine: string, ...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.fleetctl(machine, ...words);
  assert.equal(code, 0, `fleetctl ${words.join(" ")} on ${machine}: ${stdout}${stderr}`);
  return stdout;
}

/** As `said`, when each of the machines prints the same. */
async function allSay(...words: readonly string[]): Promise<string> {
  const answers: string[] = [];
  for (const machine of machines) answers.push(await said(machine, ...words));
  assert.equal(new Set(answers).size, 1, answers.join("\n"));
  return answers[0] ?? "";
}

function legend(machine: string): string {
  const { id, address } = cluster.machine(machine);
  return `${id.slice(0, 8)}.../${address}`;
}

/** The words of each line, and how tables are laid out: cells filled up with tabs to multiples of 8, the last one not. */
function cellsOf(table: string): readonly (readonly string[])[] {
  assert.match(table, /\n$/);
  const rows = table
    .slice(0, -1)
    .split("\n")
    .map((line) => line.split(/\t+/));
  const [header = []] = rows;
  for (const [column] of header.slice(0, -1).entries()) {
    const widest = Math.max(...rows.map((row) => row[column]?.length ?? 0));
    const width = Math.ceil((widest + 1) / 8) * 8;
    for (const line of table.slice(0, -1).split("\n")) {
      const cell = line.split(/\t+/)[column] ?? "";
      const tabs = Math.ceil((width - cell.length) / 8);
      assert(
        line.includes(`${cell}${"\t".repeat(tabs)}`),
        `${tabs} tabs behind ${cell} in ${JSON.stringify(line)}`,
      );
    }
  }
  return rows;
}

const file = "# a comment\n[Unit]\nDescription=A page\n\n[Service]\nExecStart=/bin/sleep \\\n   100000\n";
const stored = printUnitFile(parseUnitFile(file).file);
const hash = hashUnitText(stored);

test("a unit's whole life, each step on another machine, as every machine shows it", async () => {
  await cluster.writeFile("m1", "/root/web.service", file);
  assert.equal(await said("m1", "submit", "/root/web.service"), "Unit web.service inactive\n");
  assert.equal(await allSay("cat", "web"), stored);
  assert.deepEqual(cellsOf(await allSay("list-unit-files")), [
    ["UNIT", "HASH", "DSTATE", "STATE", "TARGET"],
    ["web.service", hash.slice(0, 7), "inactive", "inactive", "-"],
  ]);
  assert.deepEqual(cellsOf(await allSay("list-units")), [["UNIT", "MACHINE", "ACTIVE", "SUB"]]);

  const loaded = await said("m2", "load", "web.service");
  const home = machines.find((machine) => loaded === `Unit web.service loaded on ${legend(machine)}\n`) ?? "";
  assert.notEqual(home, "", loaded);
  assert.deepEqual(cellsOf(await allSay("list-units")).slice(1), [
    ["web.service", legend(home), "inactive", "dead"],
  ]);

  assert.equal(await said("m3", "start", "web"), `Unit web.service launched on ${legend(home)}\n`);
  assert.deepEqual(cellsOf(await allSay("list-units")).slice(1), [
    ["web.service", legend(home), "active", "running"],
  ]);
  assert.deepEqual(cellsOf(await allSay("list-unit-files")).slice(1), [
    ["web.service", hash.slice(0, 7), "launched", "launched", legend(home)],
  ]);
  assert.deepEqual(await cluster.machinesRunning("web.service"), [home]);
  for (const machine of machines) {
    const status = await said(machine, "status", "web.service");
    assert.match(status, /^[^\n]*web\.service - A page\n/);
    assert.match(status, /Active: active \(running\)/);
    assert.match(status, /Main PID: \d+ \(sleep\)/);
  }

  const stopped = await cluster.fleetctl("m1", "stop", "web.service");
  assert.equal(stopped.stdout, `Unit web.service loaded on ${legend(home)}\n`);
  assert.equal(stopped.stderr, "Successfully stopped units [web.service].\n");
  assert.equal(stopped.code, 0);
  assert.deepEqual(await cluster.machinesRunning("web.service"), []);
  assert.equal((await cluster.fleetctl("m2", "status", "web.service")).code, 3);

  const unloaded = await cluster.fleetctl("m2", "unload", "web.service");
  assert.equal(unloaded.stderr, "Successfully unloaded units [web.service].\n");
  assert.deepEqual(cellsOf(await allSay("list-units")), [["UNIT", "MACHINE", "ACTIVE", "SUB"]]);
  const absent = await cluster.fleetctl("m3", "status", "web.service");
  assert.deepEqual([absent.code, absent.stderr], [1, "Unit web.service does not appear to be loaded.\n"]);

  await said("m3", "start", "web.service");
  assert.equal(await said("m1", "destroy", "web.service"), "Destroyed web.service\n");
  assert.deepEqual(await cluster.machinesRunning("web.service"), []);
  assert.deepEqual(cellsOf(await allSay("list-unit-files")), [["UNIT", "HASH", "DSTATE", "STATE", "TARGET"]]);
  for (const machine of machines) {
    const gone = await cluster.fleetctl(machine, "cat", "web.service");
    assert.deepEqual([gone.code, gone.stderr], [1, "Unit web.service not found\n"]);
    const nothing = await cluster.fleetctl(machine, "status", "web.service");
    assert.deepEqual([nothing.code, nothing.stderr], [1, "Unit web.service does not exist.\n"]);
  }
});

test("instances of a template file are started in one command, and listed in name order with their machines", async () => {
  await cluster.writeFile("m3", "/root/hello@.service", `${sleeper}[X-Fleet]\nConflicts=hello@*.service\n`);
  const started = await said("m3", "start", "/root/hello@2", "/root/hello@3", "/root/hello@1");
  const lines = started.trim().split("\n").sort();
  assert.deepEqual(
    lines.filter((line) => line.endsWith(" inactive")),
    [1, 2, 3].map((number) => `Unit hello@${number}.service inactive`),
  );
  const rows = cellsOf(await allSay("list-units")).slice(1);
  assert.deepEqual(
    rows.map(([unit]) => unit),
    ["hello@1.service", "hello@2.service", "hello@3.service"],
  );
  assert.deepEqual(rows.map(([, machine = ""]) => machine).sort(), machines.map(legend).sort());
  for (const [unit, machine] of rows) assert(lines.includes(`Unit ${unit} launched on ${machine}`), started);

  assert.equal(await said("m3", "submit", "/root/hello@.service"), "Unit hello@.service inactive\n");
  const template = await cluster.fleetctl("m2", "start", "hello@.service");
  assert.equal(template.code, 1);
  assert.match(template.stderr, /cannot activate template "hello@\.service"/);
});

test("a global unit is triggered, listed on every machine, and its status is that of all machines", async () => {
  await cluster.writeFile("m2", "/root/all.service", `${sleeper}[X-Fleet]\nGlobal=true\n`);
  assert.equal(
    await said("m2", "start", "/root/all.service"),
    "Unit all.service \nTriggered global unit all.service start\n",
  );
  await cluster.until(["all.service"], "it runs everywhere", (report) => activeOn(report).length === 3);
  for (const machine of machines) {
    await cluster.until(
      ["all.service"],
      "it runs everywhere",
      (report) => activeOn(report).length === 3,
      machine,
    );
  }
  const rows = cellsOf(await allSay("list-units")).slice(1);
  assert.deepEqual(rows.map(([, machine = ""]) => machine).sort(), machines.map(legend).sort());
  const short = hashUnitText(`${sleeper}\n[X-Fleet]\nGlobal=true\n`).slice(0, 7);
  assert.deepEqual(cellsOf(await allSay("list-unit-files")).slice(1), [
    ["all.service", short, "launched", "-", "global"],
  ]);
  const status = await said("m1", "status", "all.service");
  assert.equal(status.match(/Active: active \(running\)/g)?.length, 3, status);
});

test("machines are listed with their metadata, and IDs in full when asked", async () => {
  const byId = [...cluster.machines].sort((one, other) => (one.id < other.id ? -1 : 1));
  assert.deepEqual(cellsOf(await allSay("list-machines")), [
    ["MACHINE", "IP", "METADATA"],
    ...byId.map(({ id, address, name }) => [`${id.slice(0, 8)}...`, address, `machine=${name}`]),
  ]);
  const full = cellsOf(await allSay("list-machines", "--full", "--no-legend", "--fields=machine"));
  assert.deepEqual(
    full,
    byId.map(({ id }) => [id]),
  );
  const json = JSON.parse(await said("m1", "list-machines", "--json")) as readonly { id: string }[];
  assert.deepEqual(
    json.map(({ id }) => id),
    byId.map(({ id }) => id),
  );
  assert.equal(await allSay("version"), `fleetctl version ${productVersion}\n`);
});

test("the journal of a unit is read from any machine", async () => {
  const speaker = "[Service]\nExecStart=/bin/sh -c 'echo one; echo two; echo three; exec sleep infinity'\n";
  await cluster.writeFile("m1", "/root/speaker.service", speaker);
  await said("m1", "start", "/root/speaker.service");
  for (const machine of machines) {
    await cluster.waitFor(`${machine} shows what the unit said`, async () => {
      return /: one\n.*: two\n.*: three\n$/.test(await said(machine, "journal", "speaker.service"));
    });
    const last = await said(machine, "journal", "--lines=1", "speaker.service");
    assert.match(last, /^[^\n]*: three\n$/);
  }
});

test("other text under a known name is warned of, and brought into effect by --replace", async () => {
  await cluster.writeFile("m2", "/root/web.service", file);
  await said("m2", "start", "/root/web.service");
  const other = file.replace("100000", "100001");
  await cluster.writeFile("m2", "/root/web.service", other);
  const warned = await cluster.fleetctl("m2", "start", "/root/web.service");
  assert.match(
    warned.stderr,
    /WARNING: Unit web\.service in registry differs from local unit file .*web\.service\. Add --replace to override\./,
  );
  assert.equal(await said("m1", "cat", "web.service"), stored);
  await said("m2", "start", "--replace", "/root/web.service");
  assert.equal(await said("m1", "cat", "web.service"), stored.replace("100000", "100001"));
  const [home = ""] = await cluster.untilRunning(["web.service"]);
  const { mainPid } = await cluster.process(home, "web.service");
  assert.match(await cluster.shell(home, `cat /proc/${mainPid}/cmdline`), /100001/);
});
