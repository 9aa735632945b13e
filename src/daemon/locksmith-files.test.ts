import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { isFault } from "../lib/fault.ts";
import { FakeEnv } from "../lib/fake-env.ts";
import type { RequiredSource } from "../locksmith/locksmith-parts.ts";
import { claimCoordinator } from "./coordinator-file.ts";
import { locksmithSettings } from "./locksmith-settings.ts";
import { watchRequired } from "./required-file.ts";
import { readSettings } from "./settings.ts";
import { turnFile } from "./turn-file.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "argosy-locksmith-"));
});
after(async () => await rm(folder, { recursive: true, force: true }));

test("a turn is found again by the next daemon, and gone once it is done", async () => {
  const env = new FakeEnv();
  const path = join(folder, "deep/turn.json");
  const file = turnFile(path, env.log);
  assert.equal(await file.read(), undefined);
  const turn = { boot: "b1", why: "a test", locks: true, rebooting: false };
  await file.write(turn);
  assert.deepEqual(await turnFile(path, env.log).read(), turn);
  await writeFile(path, '{"boot":');
  assert.equal(await file.read(), undefined);
  assert.match(env.lines.join(), /cannot read .*turn\.json: it is taken for absent/);
  await file.write(undefined);
  await file.write(undefined);
  assert.equal(await file.read(), undefined);
  assert.deepEqual(env.lines.length, 1);
});

test("one coordinator at a time says in its file what it does", async () => {
  const path = join(folder, "coordinator.conf");
  const first = await claimCoordinator("etcd-lock", path);
  await first.tell("starting");
  await first.tell("reboot-planned");
  assert.equal(await readFile(path, "utf8"), "NAME=locksmithd\nSTRATEGY=etcd-lock\nSTATE=reboot-planned\n");
  await assert.rejects(claimCoordinator("reboot", path), (error) => isFault(error, "coordinator-taken"));
  await first.close();
  await (await claimCoordinator("reboot", path)).close();
});

test("packages are heard that come to want a reboot, and that do not any more", async () => {
  const path = join(folder, "reboot-required");
  const ending = new AbortController();
  const source = await watchRequired(new FakeEnv(), ending.signal, path);
  assert.equal(source.packages, undefined);
  await writeFile(`${path}.pkgs`, "linux-image\nlibc6\nlinux-image\n");
  const heard = changeOf(source, (packages) => packages?.length === 2);
  await writeFile(path, "*** System restart required ***\n");
  await heard;
  assert.deepEqual(source.packages, ["linux-image", "libc6"]);
  const gone = changeOf(source, (packages) => packages === undefined);
  await rm(path);
  await gone;
  ending.abort();
});

async function changeOf(
  source: RequiredSource,
  done: (packages: readonly string[] | undefined) => boolean,
): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = source.subscribe(() => {
      if (!done(source.packages)) return;
      end();
      resolve();
    });
  });
}

test("settings are those of locksmith, and times can be off", () => {
  const { settings } = readSettings(locksmithSettings, {});
  assert.deepEqual(
    [settings.strategy, settings.leaseMs, settings.drainMs, settings.endpoints],
    ["", 3_600_000, 600_000, ["http://127.0.0.1:2379", "http://127.0.0.1:4001"]],
  );
  const given = readSettings(locksmithSettings, {
    REBOOT_STRATEGY: "etcd-lock",
    LOCKSMITHD_ENDPOINT: "https://a:4001, https://b:4001",
    LOCKSMITHD_LEASE: "off",
    LOCKSMITHD_DRAIN_TIMEOUT: "off",
  }).settings;
  assert.deepEqual(
    [given.strategy, given.leaseMs, given.drainMs, given.endpoints],
    ["etcd-lock", undefined, undefined, ["https://a:4001", "https://b:4001"]],
  );
  assert.throws(
    () => readSettings(locksmithSettings, { LOCKSMITHD_LEASE: "1s" }),
    (error) => isFault(error, "wrong-setting") && error.message.includes("must be off or at least 2s"),
  );
});
