import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { CommandGroup } from "../cli/command.ts";
import { fakeSurroundings } from "../cli/fake-surroundings.ts";
import { runProgram } from "../cli/program.ts";
import { Fault } from "../lib/fault.ts";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import type { EngineReport } from "../update/status.ts";
import { UpdateRegistry } from "../update/update-registry.ts";
import { updateCommand } from "./update.ts";
import { updateEngineClient } from "./update-engine-client.ts";
import type { UpdateEngineAccess } from "./update-engine-access.ts";
import { updateServerCommand } from "./update-server.ts";

const idle: EngineReport = {
  lastCheckedTime: 0,
  progress: 0,
  operation: "UPDATE_STATUS_IDLE",
  newVersion: "0.0.0",
  newSize: 0,
  phase: "idle",
  running: "1",
  trial: false,
  others: [],
  group: "stable",
  server: "http://a/v1/update/",
  nextCheckMs: 1_800_000_000_000,
  hold: null,
  failure: null,
  refused: [],
};
const downloading: EngineReport = {
  ...idle,
  phase: "downloading",
  operation: "UPDATE_STATUS_DOWNLOADING",
  newVersion: "2",
  newSize: 10,
  progress: 0.5,
};
const waiting: EngineReport = {
  ...downloading,
  phase: "reboot-wanted",
  operation: "UPDATE_STATUS_UPDATED_NEED_REBOOT",
  progress: 1,
  others: [{ version: "2", state: "untried" }],
};
const broken: EngineReport = {
  ...idle,
  phase: "failed",
  failure: {
    code: 18,
    sentence: "the signature is wrong",
    atMs: 0,
    text: "the signature is wrong (the signature is wrong, 18)",
  },
  refused: [
    {
      version: "2",
      kind: "bad-signature",
      reason: "the signature is wrong",
      atMs: 1_800_000_000_000,
      times: 1,
    },
  ],
};

/** An engine that goes through these reports, one further at each change. */
class FakeEngine implements UpdateEngineAccess {
  readonly asked: string[] = [];
  readonly #reports: EngineReport[];

  constructor(...reports: readonly EngineReport[]) {
    this.#reports = [...reports];
  }

  get #now(): EngineReport {
    return this.#reports[0] ?? idle;
  }

  status = async (): Promise<EngineReport> => this.#now;
  report = async (): Promise<EngineReport> => this.#now;
  attempt = async (): Promise<void> => this.#ask("attempt");
  reset = async (): Promise<void> => this.#ask("reset");
  check = async (again: boolean): Promise<void> => this.#ask(again ? "check again" : "check");
  hold = async (reason: string): Promise<void> => this.#ask(`hold ${reason}`);
  release = async (): Promise<void> => this.#ask("release");
  rollback = async (): Promise<void> => this.#ask("rollback");
  changed = async (): Promise<void> => void this.#reports.shift();
  close = async (): Promise<void> => {};

  #ask(what: string): void {
    this.asked.push(what);
    if (this.#reports.length > 1) this.#reports.shift();
    if (this.#now.phase === "checking")
      throw new Fault("update-refused", "a check or an update is under way");
  }
}

async function run(
  engine: FakeEngine,
  ...words: readonly string[]
): Promise<{ code: number; out: string; err: string }> {
  const open = async (): Promise<UpdateEngineAccess> => engine;
  const program: CommandGroup = {
    name: "argosy",
    summary: "",
    description: "",
    commands: [updateCommand(open), updateEngineClient(open)],
  };
  const surroundings = fakeSurroundings({});
  const code = await runProgram(program, words, surroundings);
  return { code, out: surroundings.stdout.text(), err: surroundings.stderr.text() };
}

test("argosy update status shows what runs and what is refused", async () => {
  const { code, out } = await run(new FakeEngine(broken), "update", "status");
  assert.equal(code, 0);
  assert.match(out, /^Running: +1$/m);
  assert.match(out, /^Failed: +the signature is wrong/m);
  assert.match(out, /^2 +bad-signature +2027-01-15T08:00:00Z +1 +the signature is wrong$/m);
  const json = await run(new FakeEngine(waiting), "update", "status", "--json");
  assert.deepEqual(JSON.parse(json.out), waiting);
});

test("argosy update check follows the update to its end", async () => {
  const done = await run(new FakeEngine(idle, downloading, waiting), "update", "check");
  assert.deepEqual([done.code, done.out], [0, "2 is installed and waits for a reboot.\n"]);
  const nothing = await run(new FakeEngine(idle, idle), "update", "check");
  assert.deepEqual([nothing.code, nothing.out], [0, "Nothing newer than 1.\n"]);
  const failed = await run(new FakeEngine(idle, downloading, broken), "update", "check", "--again");
  assert.deepEqual(
    [failed.code, failed.out],
    [1, "Not updated: the signature is wrong (the signature is wrong, 18)\n"],
  );
  const already = new FakeEngine(waiting);
  assert.equal((await run(already, "update", "check")).out, "2 is installed and waits for a reboot.\n");
  assert.deepEqual(already.asked, []);
  const busy = await run(new FakeEngine(idle, { ...idle, phase: "checking" }), "update", "check");
  assert.equal(busy.code, 1);
  assert.match(busy.err, /a check or an update is under way/);
});

test("dry runs ask for nothing", async () => {
  for (const words of [["check"], ["rollback"], ["hold", "a", "reason"], ["release"]]) {
    const engine = new FakeEngine(waiting);
    const { code, out } = await run(engine, "update", ...words, "--dry-run");
    assert.deepEqual([code, engine.asked], [0, []]);
    assert.match(out, /^(Would|Updates are not held)/);
  }
});

test("hold, release and rollback say what they did", async () => {
  const engine = new FakeEngine(idle);
  assert.match((await run(engine, "update", "hold", "until", "Monday")).out, /^Updates are held/);
  assert.match((await run(engine, "update", "release")).out, /^Updates are not held any more/);
  assert.deepEqual(engine.asked, ["hold until Monday", "release"]);
  const dropped = await run(new FakeEngine(waiting, idle), "update", "rollback");
  assert.equal(dropped.out, "2 is dropped; 1 stays.\n");
  const back = await run(new FakeEngine(idle, { ...waiting, newVersion: "0" }), "update", "rollback");
  assert.equal(back.out, "0 runs after the next reboot.\n");
});

test("update_engine_client prints and exits as CoreOS's, but for a failure", async () => {
  const status = await run(new FakeEngine(downloading), "update_engine_client", "-status");
  assert.equal(
    status.out,
    "LAST_CHECKED_TIME=0\nPROGRESS=0.500000\nCURRENT_OP=UPDATE_STATUS_DOWNLOADING\nNEW_VERSION=2\nNEW_SIZE=10\n",
  );
  const update = await run(new FakeEngine(idle, downloading, waiting), "update_engine_client", "-update");
  assert.deepEqual([update.code, update.err.split("\n").at(-2)], [0, "Update succeeded -- reboot needed."]);
  const nothing = await run(new FakeEngine(idle, idle), "update_engine_client", "--update");
  assert.deepEqual([nothing.code, nothing.err.split("\n").at(-2)], [0, "No update available"]);
  const failed = await run(new FakeEngine(idle, broken), "update_engine_client", "-update");
  assert.equal(failed.code, 1);
  const reset = new FakeEngine(waiting, idle);
  assert.equal((await run(reset, "update_engine_client", "-reset_status")).code, 0);
  const started = new FakeEngine(idle);
  assert.equal((await run(started, "update_engine_client", "-check_for_update")).code, 0);
  assert.deepEqual([...reset.asked, ...started.asked], ["reset", "attempt"]);
  const nobody = async (): Promise<UpdateEngineAccess> => {
    throw new Error("the bus is not asked");
  };
  const surroundings = fakeSurroundings({});
  const program = { name: "argosy", summary: "", description: "", commands: [updateEngineClient(nobody)] };
  assert.equal(await runProgram(program, ["update_engine_client"], surroundings), 1);
  assert.match(surroundings.stderr.text(), /^No flags specified\. Exiting\.\n/);
});

test("the update server is steered through its store", async () => {
  const store = openMemoryStore(new FakeEnv());
  const registry = new UpdateRegistry(new FakeEnv(), store);
  const folder = await mkdtemp(join(tmpdir(), "argosy-release-"));
  const content = "version 2\n";
  await writeFile(join(folder, "app_2.img"), content);
  await writeFile(
    join(folder, "SHA256SUMS"),
    `${createHash("sha256").update(content).digest("hex")}  app_2.img\n`,
  );
  // Each command closes its store; this one goes on.
  const kept: Store = {
    read: async (...words) => await store.read(...words),
    commit: async (...words) => await store.commit(...words),
    watch: (...words) => store.watch(...words),
    grantLease: async (...words) => await store.grantLease(...words),
    renewLease: async (...words) => await store.renewLease(...words),
    revokeLease: async (...words) => await store.revokeLease(...words),
    compact: async (...words) => await store.compact(...words),
    close: async () => {},
  };
  const program: CommandGroup = {
    name: "argosy",
    summary: "",
    description: "",
    commands: [
      updateServerCommand(
        async () => 0,
        async () => kept,
      ),
    ],
  };
  const said = async (...words: readonly string[]): Promise<string> => {
    const surroundings = fakeSurroundings({});
    const code = await runProgram(program, ["update-server", ...words], surroundings);
    return `${code} ${surroundings.stdout.text()}${surroundings.stderr.text()}`;
  };
  try {
    assert.match(await said("release", "2", "--from", folder), /^1 .*is not signed/);
    await writeFile(join(folder, "SHA256SUMS.gpg"), "signature");
    assert.match(await said("release", "3", "--from", folder), /^1 .*has no files of version 3/);
    assert.match(await said("channel", "stable", "2"), /^1 .*there is no release 2/);
    assert.match(await said("release", "2", "--from", folder, "--url", "a/2"), /^1 .*"a\/2" is no address/);
    assert.match(
      await said("release", "2", "--from", join(folder, "no")),
      /^1 Error: there is no .*no\/SHA256SUMS;/,
    );
    assert.match(await said("serve", "--url", "nowhere"), /^1 .*"nowhere" is no address/);
    assert.match(
      await said("release", "2", "--from", folder, "--url", "http://a/2"),
      /^0 2 is known: 1 files/,
    );
    assert.deepEqual((await registry.releases())[0]?.urls, ["http://a/2/"]);
    await writeFile(join(folder, "app_2.img"), "something else");
    assert.match(await said("release", "2", "--from", folder), /^1 .*is not the file that SHA256SUMS names/);
    assert.equal(
      await said("channel", "stable", "2", "--dry-run"),
      "0 stable is not there yet, and would be 2.\n",
    );
    assert.match(
      await said("group", "stable", "--most", "7", "--dry-run"),
      /^stable +stable +100% +7 per 15m/m,
    );
    assert.match(await said("group", "stable", "--remove", "--dry-run"), /^1 .*there is no group stable/);
    assert.deepEqual([await registry.channels(), await registry.groups()], [[], []]);
    assert.equal(await said("channel", "stable", "2"), "0 stable is 2.\n");
    assert.match(
      await said(
        "group",
        "stable",
        "--most",
        "2",
        "--per",
        "1h",
        "--hours",
        "Mon-Fri 09:00-17:00",
        "--safe",
        "on",
      ),
      /^stable +stable +100% +2 per 1h +Mon-Fri 09:00-17:00 UTC +on +0$/m,
    );
    assert.match(
      await said("group", "stable", "--zone", "Europe/Berlin", "--pause"),
      /Europe\/Berlin +on +0 +off: paused$/m,
    );
    assert.match(
      await said("group", "stable", "--resume", "--hours", "always", "--percent", "10"),
      /^stable +stable +10% +2 per 1h +always +on +0$/m,
    );
    for (const words of [
      ["--percent", "101"],
      ["--safe", "maybe"],
      ["--hours", "noon"],
      ["--per", "0"],
      ["--zone", "Europe/Berlin"],
      ["--hours", "always", "--zone", "UTC"],
    ])
      assert.match(await said("group", "stable", ...words), /^1 /, words.join(" "));
    assert.match(await said("group", "stable", "--remove", "--dry-run"), /^0 .*would be forgotten/);
    for (const words of [
      ["group", "--pause"],
      ["group", "--remove"],
      ["group", "stable", "--pause", "--resume"],
      ["channel", "--remove"],
      ["channel", "stable", "--floor", "2"],
      ["release", "--from", folder],
      ["release", "2", "--url", "http://b/"],
    ])
      assert.match(await said(...words), /^1 Error: --[a-z]+ /, words.join(" "));
    assert.match(await said("halt", "too", "many"), /^0 Nobody is given updates/);
    assert.match(await said("group"), /halted since .*: too many/);
    assert.match(await said("resume"), /^0 Updates are given again/);
    assert.match(await said("resume"), /^0 Updates were not halted/);
    assert.match(await said("machines", "--json"), /^0 \[\]/);
    assert.match(await said("release", "2", "--remove"), /^1 .*the channel stable leads machines to 2/);
    assert.match(await said("channel", "stable", "--remove"), /^0 The channel stable is forgotten/);
    assert.match(await said("release", "2", "--remove"), /^0 The release 2 is forgotten/);
    assert.match(await said("release", "2", "--remove"), /^1 .*there is no release 2/);
  } finally {
    await rm(folder, { recursive: true });
    await store.close();
  }
});
