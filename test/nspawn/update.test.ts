import assert from "node:assert/strict";
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { ReleaseShelf } from "../../src/daemon/fake-release-shelf.ts";
import { labDown } from "../../src/lab/lab.ts";
import type { Finished } from "../../src/lab/programs.ts";
import { emptyMemory, parseMemory, type UpdateMemory } from "../../src/update/memory.ts";
import type { EngineReport } from "../../src/update/status.ts";
import { type FleetLab, openFleetLab } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";

// update-engine, the update server and locksmithd together on a real machine; its slots are folders, and the first look at
// them in a boot is the boot loader's.

const lab = testLab("fleet-updates");
let cluster: FleetLab;
let shelf: ReleaseShelf;

const dropIns: Readonly<Record<string, string>> = {
  "/etc/systemd/system/update-engine.service.d/lab.conf":
    "[Unit]\nConditionDirectoryNotEmpty=\nConditionPathExists=\n[Service]\n" +
    "Environment=ARGOSY_UPDATE_SLOTS=/var/lib/slots ARGOSY_UPDATE_HEALTH_LIMIT=90s\n",
  "/etc/systemd/system/locksmithd.service.d/lab.conf": "[Unit]\nConditionVirtualization=\n",
  "/etc/systemd/system/update-server.service":
    "[Unit]\nAfter=etcd.service\n[Service]\nExecStart=/usr/bin/argosy update-server --images /srv/images\nRestart=always\n" +
    "[Install]\nWantedBy=multi-user.target\n",
  // A check of the administrator's: version 4 is not well.
  "/etc/systemd/system/not-four.service":
    "[Unit]\nBefore=boot-complete.target\n[Service]\nType=oneshot\nRemainAfterExit=yes\n" +
    "ExecStart=/bin/sh -c '! grep -q version...4 /var/lib/slots/booted.json'\n" +
    "[Install]\nRequiredBy=boot-complete.target\n",
  "/etc/coreos/update.conf":
    "GROUP=stable\nSERVER=http://127.0.0.1:8088/v1/update/\nREBOOT_STRATEGY=etcd-lock\nMACHINE_ALIAS=first\n",
};

before(async () => {
  shelf = await ReleaseShelf.open();
  cluster = await openFleetLab(lab, 1);
  const root = cluster.machine("m1").rootDirectory;
  await cluster.shell("m1", "mkdir -p /srv/images /var/lib/slots/slot_1 /etc/systemd");
  await cp(shelf.keyring, join(root, "etc/systemd/import-pubring.gpg"));
  for (const [path, text] of Object.entries(dropIns)) await cluster.writeFile("m1", path, text);
  await cluster.systemctl("m1", "daemon-reload");
  await cluster.systemctl("m1", "enable", "update-server.service", "not-four.service");
  await cluster.systemctl("m1", "start", "update-server.service");
  await cluster.systemctl("m1", "restart", "update-engine.service");
  await cluster.waitFor(
    "the update server answers",
    async () => (await run("curl", "-sf", "http://127.0.0.1:8088/health")).code === 0,
  );
});

afterEach(async (context) => {
  if (!("passed" in context) || context.passed || !(await cluster.machine("m1").isRunning())) return;
  const units = ["update-engine", "update-server", "locksmithd", "not-four"].map((unit) => `--unit=${unit}`);
  process.stderr.write((await run("journalctl", "--no-pager", "--lines=80", ...units)).stdout);
});

after(async () => {
  await labDown(lab);
  await shelf?.close();
});

async function run(...words: readonly string[]): Promise<Finished> {
  return await cluster.machine("m1").exec(words);
}

async function done(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...words);
  assert.equal(code, 0, `${words.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

async function report(): Promise<EngineReport> {
  return JSON.parse(await done("argosy", "update", "status", "--json")) as EngineReport;
}

/** Makes a version known to the server, and the one of its channel. */
async function publish(version: string): Promise<void> {
  shelf.publish(version);
  const root = cluster.machine("m1").rootDirectory;
  await cp(join(shelf.folder, "releases", version), join(root, "srv/images", version), { recursive: true });
  await done("argosy", "update-server", "release", version, "--from", `/srv/images/${version}`);
  await done("argosy", "update-server", "channel", "stable", version);
}

/** What the slots and the engine's memory hold, read from outside: a command inside may be there when the machine goes down. */
async function seenFromOutside(): Promise<{
  readonly running: string;
  readonly slots: readonly string[];
  readonly memory: UpdateMemory;
}> {
  const root = cluster.machine("m1").rootDirectory;
  const booted = JSON.parse(await readFile(join(root, "var/lib/slots/booted.json"), "utf8")) as {
    version: string;
  };
  const memory = parseMemory(await readFile(join(root, "var/lib/update_engine/argosy.json"), "utf8"));
  return {
    running: booted.version,
    slots: await readdir(join(root, "var/lib/slots")),
    memory: memory ?? emptyMemory,
  };
}

/** Waits until a version runs, is blessed, and the engine is done with it. */
async function untilProven(version: string): Promise<void> {
  await cluster.waitFor(`${version} runs and is blessed`, async () => {
    const { running, slots, memory } = await seenFromOutside();
    return running === version && slots.includes(`slot_${version}`) && memory.pending === undefined;
  });
  await untilUp();
}

/** Waits until everything that the tests ask has begun, after a boot. */
async function untilUp(): Promise<void> {
  await cluster.waitFor("the machine has started", async () => await cluster.machine("m1").isRunning());
  await cluster.machine("m1").untilStarted();
  await cluster.waitFor(
    "the update server answers",
    async () => (await run("curl", "-sf", "http://127.0.0.1:8088/health")).code === 0,
  );
}

async function listed(): Promise<Record<string, unknown>> {
  const [first] = JSON.parse(await done("argosy", "update-server", "machines", "--json")) as Record<
    string,
    unknown
  >[];
  return first ?? assert.fail("the server knows no machine");
}

test("an update is installed, asks for a reboot as update_engine did, and runs blessed after locksmithd gave it", async () => {
  await publish("2");
  await done("argosy", "update-server", "group", "stable", "--most", "1", "--per", "1s");
  assert.equal((await run("systemctl", "is-active", "locksmithd.service")).stdout.trim(), "inactive");
  assert.equal(await done("argosy", "update", "check"), "2 is installed and waits for a reboot.\n");
  const status = await done("update_engine_client", "-status");
  assert.match(
    status,
    /^LAST_CHECKED_TIME=[1-9]\d+\nPROGRESS=1\.000000\nCURRENT_OP=UPDATE_STATUS_UPDATED_NEED_REBOOT\nNEW_VERSION=2\nNEW_SIZE=\d+\n$/,
  );
  await done("test", "-e", "/run/reboot-required");
  const busctl = [
    "--system",
    "call",
    "com.coreos.update1",
    "/com/coreos/update1",
    "com.coreos.update1.Manager",
  ];
  assert.match(
    await done("busctl", ...busctl, "GetStatus"),
    /^xdssx \d+ 1 "UPDATE_STATUS_UPDATED_NEED_REBOOT" "2" \d+\n$/,
  );
  assert.equal((await listed())["status"], "downloaded");
  await cluster.systemctl("m1", "start", "locksmithd.service");
  await untilProven("2");
  await cluster.waitFor("the server has heard of it", async () => (await listed())["status"] === "complete");
  const { alias, version } = await listed();
  assert.deepEqual([alias, version], ["first", "2"]);
  assert.equal((await run("test", "-e", "/run/reboot-required")).code, 1);
});

test("a file that was swapped on the server is refused and remembered until the release is published again", async () => {
  await publish("3");
  const image = join(cluster.machine("m1").rootDirectory, "srv/images/3/app_3.img");
  await writeFile(image, "something else\n");
  for (const times of [1, 2]) {
    const { code, stdout } = await run("argosy", "update", "check");
    assert.deepEqual([code, /it was cut short or swapped/.test(stdout)], [1, true], `${times}: ${stdout}`);
  }
  const { refused, phase, running } = await report();
  assert.deepEqual([phase, running], ["idle", "2"]);
  assert.deepEqual(
    refused.map(({ version, kind, times }) => [version, kind, times]),
    [["3", "wrong-file", 2]],
  );
});

test("held updates are not installed", async () => {
  await done("argosy", "update", "hold", "a test");
  const { code, stderr } = await run("argosy", "update", "check");
  assert.deepEqual([code, /updates are held \(a test\)/.test(stderr)], [1, true], stderr);
  assert.match(await done("argosy", "update", "status"), /^Held: +since .* a test$/m);
  await done("argosy", "update", "release");
});

test("a version that is not well is left at once for the one before, and never taken again", async () => {
  await publish("4");
  const engine = [
    "--system",
    "call",
    "com.coreos.update1",
    "/com/coreos/update1",
    "com.coreos.update1.Manager",
  ];
  await done("busctl", ...engine, "AttemptUpdate");
  await cluster.waitFor("version 4 failed and 2 runs again", async () => {
    const { running, memory } = await seenFromOutside();
    return (
      running === "2" &&
      memory.refusals.some(({ version, kind }) => version === "4" && kind === "failed-here") &&
      memory.pending === undefined
    );
  });
  await untilUp();
  assert.deepEqual((await report()).others, [{ version: "4", state: "bad" }]);
  await cluster.waitFor("the server has heard of it", async () => (await listed())["errorCode"] === 44);
  assert.equal((await listed())["refused"], "4");
  assert.equal(await done("argosy", "update", "check"), "Nothing newer than 2.\n");
  assert.equal((await report()).running, "2");
});

test("whoever wants a version again that failed here gets it, and drops it for good with a rollback", async () => {
  await cluster.systemctl("m1", "stop", "locksmithd.service");
  assert.equal(
    await done("argosy", "update", "check", "--again"),
    "4 is installed and waits for a reboot.\n",
  );
  assert.equal((await listed())["refused"], undefined);
  assert.equal(await done("argosy", "update", "rollback"), "4 is dropped; 2 stays.\n");
  const { phase, others, refused } = await report();
  assert.deepEqual(
    [phase, others, refused.map(({ version, kind }) => [version, kind])],
    ["idle", [{ version: "4", state: "bad" }], [["4", "rolled-back"]]],
  );
});

test("an engine that is killed in the middle of its work goes on where it was, and whoever waits for it is told", async () => {
  await publish("5");
  const dropIn = "/etc/systemd/system/update-engine.service.d/fast.conf";
  await cluster.writeFile("m1", dropIn, "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestartSec=100ms\n");
  await cluster.systemctl("m1", "daemon-reload");
  const root = cluster.machine("m1").rootDirectory;
  const answers = async (): Promise<boolean> => (await run("update_engine_client", "-status")).code === 0;
  for (let kill = 0; kill < 4; kill++) {
    await run("update_engine_client", "-check_for_update");
    await done("systemctl", "kill", "--signal=KILL", "update-engine.service");
    await cluster.waitFor("the engine answers again", answers);
    const text = await readFile(join(root, "var/lib/update_engine/argosy.json"), "utf8");
    const memory = parseMemory(text) ?? assert.fail(`the memory cannot be read: ${text}`);
    assert.ok(memory.refusals.some(({ version, kind }) => version === "4" && kind === "rolled-back"));
  }
  await run("argosy", "update", "check");
  assert.equal((await report()).phase, "reboot-wanted");
  const slots = (await readdir(join(root, "var/lib/slots"))).filter((name) => name.startsWith("slot_"));
  assert.deepEqual(slots.toSorted(), ["slot_2", "slot_5+3-0"]);
  const watching = run("update_engine_client", "-watch_for_updates");
  await cluster.systemctl("m1", "stop", "update-engine.service");
  const { code, stderr } = await watching;
  assert.deepEqual([code, /cannot reach update-engine/.test(stderr)], [1, true], stderr);
});
