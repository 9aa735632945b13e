import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeSurroundings } from "../cli/fake-surroundings.ts";
import { runProgram } from "../cli/program.ts";
import { FakeEnv } from "../lib/fake-env.ts";
import { AllGroups } from "../locksmith/all-groups.ts";
import { FakeLockKeys } from "../locksmith/fake-lock-keys.ts";
import { type LockKeys, RebootLock } from "../locksmith/reboot-lock.ts";
import { RebootBoard } from "../locksmith/reboot-board.ts";
import { rebootsCommand } from "./reboots.ts";

const env = new FakeEnv();
const store = new FakeLockKeys();
const api: LockKeys = {
  get: async (key) => store.get(key),
  put: async (key, options) => store.put(key, options),
  remove: async (key, options) => store.remove(key, options),
};

async function run(...words: readonly string[]): Promise<readonly [number, string, string]> {
  const surroundings = fakeSurroundings({});
  const commands = [rebootsCommand(() => ({ groups: new AllGroups(env, api), board: new RebootBoard(api) }))];
  const program = { name: "argosy", summary: "", description: "", commands };
  const code = await runProgram(program, ["reboots", ...words], surroundings);
  return [code, surroundings.stdout.text(), surroundings.stderr.text()];
}

test("all groups are shown, and a halt refuses every lock until it ends", async () => {
  await new RebootLock(env, api, "db x").lock("a", 60_000);
  await new RebootLock(env, api, "").setMax(2);
  const table =
    "GROUP      FREE  MAX  HOLDERS       QUEUE\n(default)  2     2    -             -\ndb x       0     1    a (60s left)  -\n";
  assert.deepEqual(await run(), [0, table, ""]);

  const said = "Nobody begins to reboot any more; argosy reboots resume ends this.\n";
  assert.deepEqual(await run("halt", "a", "sale"), [0, said, ""]);
  const since = "2001-09-09T01:46:40.000Z";
  const refusal = { code: "lock-refused", message: `reboots are halted since ${since}: a sale` };
  await assert.rejects(new RebootLock(env, api, "").lock("b", undefined), refusal);
  await assert.rejects(new RebootLock(env, api, "new").lock("b", undefined), refusal);
  assert.match((await run())[1], /^Reboots are halted since .*: a sale\n\nGROUP/);
  const { halted, groups } = JSON.parse((await run("--json"))[1]) as { halted: unknown; groups: unknown[] };
  assert.deepEqual(halted, { since, reason: "a sale" });
  assert.deepEqual(groups[1], {
    group: "db x",
    available: 0,
    max: 1,
    holders: [{ id: "a", lease: { seconds: 60, leftSeconds: 60 } }],
    queue: [],
  });

  assert.deepEqual(await run("resume"), [0, "Machines may reboot again.\n", ""]);
  assert.deepEqual(await run("resume"), [0, "Reboots were not halted.\n", ""]);
  assert.equal((await new RebootLock(env, api, "").lock("b", undefined)).already, false);
  store.nowMs += 61_000;
  assert.match((await run())[1], /a \(lease ended\)/);
  assert.equal((await run("stop"))[0], 1);
});

test("a window is judged without any server", async () => {
  // The fake clock of commands stands at 1970-01-01T00:00:00Z, whatever the time zone of this machine.
  const midnight = new Date(0);
  const start = `${midnight.getHours()}:${midnight.getMinutes()}`;
  assert.deepEqual(JSON.parse((await run("window", start, "1h", "--json"))[1]), {
    open: true,
    closesAt: "1970-01-01T01:00:00.000Z",
  });
  const later = `${(midnight.getHours() + 2) % 24}:${midnight.getMinutes()}`;
  assert.match(
    (await run("window", later, "1h"))[1],
    /^Closed until \w{3} 19(69|70)-\d\d-\d\d \d\d:\d\d:00\n$/,
  );
  assert.deepEqual(await run("window", "noon", "1h"), [
    1,
    "",
    'Error: parsing reboot window: unable to parse start: invalid time of day "noon": it is not HH:MM\n',
  ]);
  assert.equal((await run("window", "4:00"))[0], 1);
});
