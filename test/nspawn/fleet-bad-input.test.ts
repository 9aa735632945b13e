import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { labDown } from "../../src/lab/lab.ts";
import type { Finished } from "../../src/lab/programs.ts";
import { type FleetLab, messageOf, openFleetLab, type Process, sleeper } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";

// What people and programs get wrong: each thing is answered by one sentence, and nobody else notices.

const lab = testLab("fleet-bad-input");
const machines = ["m1", "m2", "m3"];
const daemons = ["fleet.service", "etcd.service", "etcd-member.service"];
const bystanders = ["bystander@m1.service", "bystander@m2.service", "bystander@m3.service"];
let cluster: FleetLab;
let undisturbed: Readonly<Record<string, Process>>;

before(async () => {
  cluster = await openFleetLab(lab);
});
beforeEach(async () => {
  await cluster.reset();
  for (const unit of bystanders) await cluster.put(unit, sleeperOn("%i"));
  await cluster.untilRunning(bystanders);
  undisturbed = await cluster.snapshot([...bystanders, ...daemons]);
  assert.equal(Object.keys(undisturbed).length, 3 + 3 * 3);
});
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster.printJournals();
});
after(async () => await labDown(lab));

function sleeperOn(machine: string): string {
  return `${sleeper}[X-Fleet]\nMachineMetadata=machine=${machine}\n`;
}

/** The daemons and the units beside are the same processes as before, and every machine does what it is told. */
async function nobodyNoticed(): Promise<void> {
  assert.deepEqual(await cluster.snapshot([...bystanders, ...daemons]), undisturbed);
  const units = machines.map((machine) => `afterwards@${machine}.service`);
  for (const unit of units) await cluster.put(unit, sleeperOn("%i"));
  assert.deepEqual(await cluster.untilRunning(units), machines);
}

/** The command failed with these words on standard error, and without a stack trace. */
function failedWith(finished: Finished, code: number, words: RegExp): void {
  assert.match(finished.stderr, words, `exit code ${finished.code}: ${finished.stdout}`);
  assert.doesNotMatch(finished.stderr, /^\s+at /m);
  assert.equal(finished.code, code, finished.stderr);
}

async function exists(unit: string): Promise<boolean> {
  return (await cluster.read("m1", `/fleet/v1/units/${encodeURIComponent(unit)}`)).status === 200;
}

test("a unit file that does not parse is refused with file and line, and nothing is created", async () => {
  await cluster.writeFile(
    "m2",
    "/root/torn.service",
    "[Unit]\nDescription=torn\n[Service\nExecStart=/bin/true\n",
  );
  await cluster.writeFile("m2", "/root/loose.service", "[Service]\nExecStart=/bin/true\nthis is no option\n");
  await cluster.writeFile("m2", "/root/long.service", `[Service]\nExecStart=/bin/echo ${"x".repeat(3000)}\n`);
  const cases: readonly (readonly [string, RegExp])[] = [
    ["torn", /^Error creating units: .*\/root\/torn\.service.*unable to find end of section.*line 3/],
    ["loose", /^Error creating units: .*\/root\/loose\.service.*unexpected newline.*option name.*line 3/],
    ["long", /^Error creating units: .*\/root\/long\.service.*line too long \(max 2048 bytes\).*line 2/],
  ];
  for (const [unit, words] of cases) {
    for (const verb of ["submit", "load", "start"]) {
      failedWith(await cluster.fleetctl("m2", verb, `/root/${unit}.service`), 1, words);
    }
    assert.equal(await exists(`${unit}.service`), false);
  }
  failedWith(
    await cluster.fleetctl("m2", "start", "/root/nowhere.service"),
    1,
    /unable to find Unit\(nowhere\.service\)/,
  );

  const injected = { section: "Service", name: "ExecStart", value: "/bin/true\nUser=root" };
  const answer = await cluster.ask("m2", "/fleet/v1/units/injected.service", {
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ desiredState: "launched", options: [injected] }),
  });
  assert.equal(answer.status, 400);
  assert.match(await messageOf(answer), /ExecStart/);
  assert.equal(await exists("injected.service"), false);
  await nobodyNoticed();
});

test("a name that cannot be a unit's is refused with the reason", async () => {
  const cases: readonly (readonly [string, string])[] = [
    ["no-suffix", 'unit name must contain "."'],
    ["ends.", 'unit name cannot end in "."'],
    ["web.serv", 'invalid unit type: "serv"'],
    ["a b.service", "invalid character ' ' in unit name"],
    ["@x.service", 'unit name cannot start in "@"'],
    [`${"x".repeat(300)}.service`, "unit name exceeds maximum length (256)"],
    ["home@x.mount", 'invalid unit type for template: "mount"'],
  ];
  for (const [unit, message] of cases) {
    const answer = await cluster.tryPut(unit, sleeper, "launched");
    assert.equal(answer.status, 400, unit);
    assert.equal(await messageOf(answer), message);
  }
  await cluster.writeFile("m1", "/root/a b.service", sleeper);
  failedWith(
    await cluster.fleetctl("m1", "start", "/root/a b.service"),
    1,
    /^Error creating units: .*invalid character ' ' in unit name/,
  );
  await nobodyNoticed();
});

test("options that contradict each other are refused; one that is unknown is warned of, and the unit runs", async () => {
  const contradiction = `${sleeper}[X-Fleet]\nGlobal=true\nMachineOf=other.service\n`;
  const answer = await cluster.tryPut("contradiction.service", contradiction, "launched");
  assert.equal(answer.status, 400);
  assert.equal(await messageOf(answer), "Global cannot be used with Peers");
  await cluster.writeFile("m3", "/root/contradiction.service", contradiction);
  const refused = await cluster.fleetctl("m3", "submit", "/root/contradiction.service");
  failedWith(refused, 1, /Global cannot be used with Peers/);

  await cluster.writeFile("m3", "/root/odd.service", `${sleeper}[X-Fleet]\nMachinePlanet=mars\n`);
  const warned = await cluster.fleetctl("m3", "start", "/root/odd.service");
  assert.equal(warned.code, 0, warned.stderr);
  assert.match(warned.stderr, /unrecognized requirement in \[X-Fleet\] section: "MachinePlanet"/);
  await cluster.untilRunning(["odd.service"]);

  failedWith(await cluster.fleetctl("m3", "start", "--wings", "odd.service"), 2, /--wings/);
  failedWith(await cluster.fleetctl("m3", "strat", "odd.service"), 2, /strat/);
  await nobodyNoticed();
});

test("a unit that no machine can take waits, and fleetctl says why", async () => {
  const unit = "mars.service";
  await cluster.writeFile("m1", `/root/${unit}`, `${sleeper}[X-Fleet]\nMachineMetadata=planet=mars\n`);
  const waits = await cluster.fleetctl("m1", "start", `/root/${unit}`);
  failedWith(waits, 3, /cannot be placed on any machine now:\n( {2}.*metadata.*\n){3}/);
  await cluster.fleetctl("m2", "unload", unit);
  const patient = await cluster.fleetctl("m2", "start", "--block-attempts=1", unit);
  failedWith(patient, 1, /timed out waiting for unit mars\.service to report state launched/);
  const fields = "--fields=unit,dstate,state,target";
  const listed = await cluster.fleetctl("m3", "list-unit-files", "--no-legend", fields);
  assert.match(listed.stdout, /^mars\.service\s+launched\s+inactive\s+-$/m);
  await nobodyNoticed();

  const path = `/${cluster.machine("m2").id}/metadata/planet`;
  for (const change of [
    { op: "add", path, value: "mars" },
    { op: "remove", path },
  ]) {
    const body = JSON.stringify([change]);
    const patched = await cluster.ask("m1", "/fleet/v1/machines", { method: "PATCH", body });
    assert.equal(patched.status, 204);
    if (change.op === "add") assert.deepEqual(await cluster.untilRunning([unit]), ["m2"]);
  }
  await cluster.until([unit], "it waits again", ({ waiting }) => waiting !== undefined);
});

test("an endpoint that nobody answers at is named", async () => {
  const nobody = await cluster.fleetctl("m1", "--endpoint=http://127.0.0.1:9", "list-units");
  failedWith(nobody, 1, /^Error retrieving list of units from repository: .*127\.0\.0\.1:9/);
  const noSocket = await cluster.fleetctl(
    "m1",
    "--endpoint=unix:///run/nothing.sock",
    "start",
    "web.service",
  );
  failedWith(noSocket, 1, /\/run\/nothing\.sock/);
  const noUrl = await cluster.fleetctl("m1", "--endpoint=nonsense", "list-machines");
  failedWith(noUrl, 1, /^(Error: )?Unable to initialize client: /);
  await nobodyNoticed();
});

test("a machine whose disk is full tells so, keeps what runs, and starts the unit when there is room", async () => {
  await cluster.writeFile("m1", "/root/swap.service", sleeperOn("m2"));
  const first = await cluster.fleetctl("m1", "start", "/root/swap.service");
  assert.equal(first.code, 0, first.stderr);
  const processId = async (): Promise<string> =>
    await cluster.shell("m2", "systemctl show --property=MainPID --value swap.service");
  const oldProcess = await processId();
  // A small file system over fleet's folder, with the same files in it, and then filled up.
  await cluster.shell(
    "m2",
    "mkdir /run/copy && cp -a /run/fleet/. /run/copy && mount -t tmpfs -o size=256k tmpfs /run/fleet &&" +
      " cp -a /run/copy/. /run/fleet && rm -r /run/copy && { cat /dev/zero > /run/fleet/filling 2>/dev/null; true; }",
  );
  try {
    await cluster.writeFile("m1", "/root/late.service", sleeperOn("m2"));
    const started = await cluster.fleetctl("m1", "start", "/root/late.service");
    failedWith(started, 1, /late\.service cannot be loaded on .*no space left/i);
    const { states } = await cluster.report("late.service");
    assert.match(states[0]?.problem ?? "", /no space left/i);
    assert.deepEqual(await cluster.snapshot([...bystanders, ...daemons]), undisturbed);

    // What is on the machine already can be stopped and started.
    const unit = "bystander@m2.service";
    const stopped = await cluster.fleetctl("m3", "stop", unit);
    assert.equal(stopped.code, 0, stopped.stderr);
    assert.deepEqual(await cluster.machinesRunning(unit), []);
    const again = await cluster.fleetctl("m3", "start", unit);
    assert.equal(again.code, 0, again.stderr);
    assert.deepEqual(await cluster.machinesRunning(unit), ["m2"]);

    // What is to be replaced runs on until it can be.
    await cluster.writeFile(
      "m1",
      "/root/swap.service",
      `${sleeperOn("m2")}[Unit]\nDescription=another text\n`,
    );
    const replaced = await cluster.fleetctl("m1", "start", "--replace", "/root/swap.service");
    failedWith(replaced, 1, /swap\.service .*no space left/i);
    assert.equal(await processId(), oldProcess);

    await cluster.shell("m2", "rm /run/fleet/filling");
    assert.deepEqual(await cluster.untilRunning(["late.service"]), ["m2"]);
    await cluster.waitFor("the new text runs", async () => ![oldProcess, "0\n"].includes(await processId()));
    assert.deepEqual(await cluster.untilRunning(["swap.service"]), ["m2"]);
  } finally {
    await cluster.shell("m2", "rm -f /run/fleet/filling");
    for (const unit of ["late.service", "swap.service"]) await cluster.destroy(unit);
    await cluster.untilGone(["late.service", "swap.service"]);
    await cluster.shell(
      "m2",
      "mkdir /run/copy && cp -a /run/fleet/. /run/copy && umount /run/fleet && cp -a /run/copy/. /run/fleet && rm -r /run/copy",
    );
  }
});

test("a unit that fails to start says so once, stays as it is, and takes nothing with it", async () => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["false.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n", /false\.service.*fail.*exit-code/i],
    [
      "missing.service",
      "[Service]\nExecStart=/usr/bin/no-such-program\n",
      /missing\.service.*fail.*exit-code/i,
    ],
    [
      "empty.service",
      "[Service]\nExecStart=\n",
      /empty\.service.*bad-setting|empty\.service.*cannot be loaded/i,
    ],
    [
      "loop.service",
      "[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=1h\n",
      /loop\.service.*keeps failing/,
    ],
  ];
  for (const [unit, text, words] of cases) {
    await cluster.writeFile("m1", `/root/${unit}`, text);
    failedWith(await cluster.fleetctl("m1", "start", `/root/${unit}`), 1, words);
  }
  const placed = await cluster.report("false.service");
  const there = cluster.nameOf(placed.machine?.id);
  const { invocation } = await cluster.process(there, "false.service");
  await nobodyNoticed();
  assert.equal(
    (await cluster.process(there, "false.service")).invocation,
    invocation,
    "it is not tried again",
  );
  const destroyed = await cluster.fleetctl("m2", "destroy", ...cases.map(([unit]) => unit));
  assert.equal(destroyed.code, 0, destroyed.stderr);
  await cluster.untilGone(cases.map(([unit]) => unit));
});

test("a body of 10 MB is refused, by fleet and by the keys API, whether its size is told or not", async () => {
  const text = "x".repeat(10 * 1024 * 1024);
  const option = { section: "Service", name: "ExecStart", value: text };
  const body = JSON.stringify({ desiredState: "launched", options: [option] });
  await cluster.writeFile("m2", "/root/body", body);
  await cluster.writeFile("m2", "/root/value", `value=${text}`);
  const put = ["curl", "--silent", "--show-error", "--request", "PUT", "--write-out", "\n%{http_code}"];
  const fleet = [...put, "--unix-socket", "/run/fleet.sock", "--header", "Content-Type: application/json"];
  const unit = "http://localhost/fleet/v1/units/big.service";
  for (const sized of [[], ["--header", "Transfer-Encoding: chunked"]]) {
    const answer = await cluster
      .machine("m2")
      .exec([...fleet, ...sized, "--data-binary", "@/root/body", unit]);
    assert.match(
      answer.stdout,
      /"message":"the request body is larger than 1048576 bytes.*\n413$/,
      answer.stderr,
    );
    const key = "http://127.0.0.1:4001/v2/keys/big";
    const keys = await cluster.machine("m2").exec([...put, ...sized, "--data-binary", "@/root/value", key]);
    assert.match(keys.stdout, /\n4\d\d$/, keys.stderr);
  }
  assert.equal(await exists("big.service"), false);
  const announced = await cluster.ask("m3", "/fleet/v1/machines", { method: "PATCH", body });
  assert.equal(announced.status, 413);
  await nobodyNoticed();
});
