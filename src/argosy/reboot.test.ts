import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeSurroundings } from "../cli/fake-surroundings.ts";
import { runProgram } from "../cli/program.ts";
import { FleetClient } from "../fleet/api-client.ts";
import type { KeysResponse } from "../keys/client-keys.ts";
import { FakeEnv } from "../lib/fake-env.ts";
import { FakeLockKeys } from "../locksmith/fake-lock-keys.ts";
import type { LockKeys } from "../locksmith/reboot-lock.ts";
import { type MachineRecord, RebootBoard } from "../locksmith/reboot-board.ts";
import { type ConnectKeys, rebootCommand } from "./reboot.ts";

const id = "4f9c21ab00000000000000000000aaaa";
const silent = "5f9c21ab00000000000000000000bbbb";
const record: MachineRecord = {
  id,
  group: "",
  strategy: "etcd-lock",
  phase: "steady",
  why: "",
  since: "2026-11-22T11:00:00.000Z",
  boot: "boot-1",
};

function atDesk() {
  const env = new FakeEnv();
  const store = new FakeLockKeys();
  let changed = Promise.withResolvers<void>();
  const keys: LockKeys & Pick<ReturnType<ConnectKeys>, "watch"> = {
    get: async (key) => store.get(key),
    put: async (key, options) => store.put(key, options),
    remove: async (key, options) => store.remove(key, options),
    async *watch() {
      for (;;) {
        await changed.promise;
        yield { action: "set", node: {}, index: 1 } satisfies KeysResponse;
      }
    },
  };
  const machines = [
    {
      id,
      address: "10.0.0.1",
      present: true,
      state: "ready",
      units: [
        { name: "all.service", state: "global" },
        { name: "db.service", state: "here", onlyHere: true },
        { name: "web.service", state: "here" },
      ],
    },
    { id: silent, address: "10.0.0.2", present: true, state: "ready", units: [] },
  ];
  const answer = JSON.stringify({ machines });
  const fleet = (): FleetClient => new FleetClient(async () => new Response(answer));
  const board = new RebootBoard(keys);
  return {
    env,
    board,
    /** Tells what a machine does now, to whoever watches. */
    async tell(change: Partial<MachineRecord>): Promise<void> {
      await board.tell({ ...record, ...change });
      changed.resolve();
      changed = Promise.withResolvers();
      await env.settle();
    },
    async run(...words: readonly string[]): Promise<readonly [number, string, string]> {
      const surroundings = fakeSurroundings({});
      const commands = [rebootCommand(fleet, () => keys)];
      const program = { name: "argosy", summary: "", description: "", commands };
      const code = await runProgram(program, ["reboot", ...words], { ...surroundings, env });
      return [code, surroundings.stdout.text(), surroundings.stderr.text()];
    },
  };
}

test("a machine that nobody knows, or whose locksmithd does not run, is refused", async () => {
  const desk = atDesk();
  const [unknown, , whyUnknown] = await desk.run("nowhere");
  assert.equal(unknown, 1);
  assert.match(whyUnknown, /There is no machine nowhere; fleetctl list-machines shows/);
  const [code, , why] = await desk.run("5f9c");
  assert.equal(code, 1);
  assert.match(
    why,
    /locksmithd does not run on 5f9c21ab\.\.\.\/10\.0\.0\.2: see "systemctl status locksmithd"/,
  );
  assert.deepEqual(await desk.board.wishes(), []);
});

test("--dry-run tells what would happen and asks for nothing", async () => {
  const desk = atDesk();
  await desk.tell({});
  const [code, out] = await desk.run("4f9c", "--dry-run");
  assert.equal(code, 0);
  assert.match(out, /lock: {4}1 of 1 slots free; held by nobody/);
  assert.match(out, /moves: {3}web\.service\n {2}stops: {3}all\.service, db\.service\n/);
  assert.deepEqual(await desk.board.wishes(), []);
  const [, json] = await desk.run("4f9c", "--dry-run", "--json");
  assert.deepEqual((JSON.parse(json) as { moving: unknown }).moving, ["web.service"]);
});

test("a reboot is asked for once, watched, and done when the wish is gone and the boot another one", async () => {
  const desk = atDesk();
  await desk.tell({});
  const running = desk.run("10.0.0.1", "--reason", "a new kernel");
  await desk.env.settle();
  const [wish] = await desk.board.wishes();
  assert.ok(wish);
  assert.deepEqual([wish.id, wish.boot, wish.reason], [id, "boot-1", "a new kernel"]);
  await desk.tell({ phase: "draining", why: "a new kernel" });
  await desk.tell({ phase: "recovering", boot: "boot-2" });
  await desk.board.withdraw(wish);
  await desk.tell({ boot: "boot-2" });
  const [code, out, err] = await running;
  assert.equal(code, 0, err);
  assert.match(out, /^Asked 4f9c21ab\.\.\.\/10\.0\.0\.1 to reboot \(it is steady\)\./);
  assert.match(
    out,
    /\ndraining \(a new kernel\)\nrecovering\nsteady\n.* has rebooted and is well again after /,
  );
});

test("a wish can be withdrawn, which whoever watches it is told", async () => {
  const desk = atDesk();
  await desk.tell({});
  const running = desk.run("4f9c");
  await desk.env.settle();
  assert.match((await desk.run("4f9c", "--withdraw"))[1], /does not reboot, if it has not begun to\.\n$/);
  await desk.tell({});
  const [code, , err] = await running;
  assert.equal(code, 1);
  assert.match(err, /somebody has taken back that 4f9c21ab/);
  assert.match((await desk.run("4f9c", "--withdraw"))[1], /^Nobody has asked/);
});

test("--timeout ends the command and not the reboot", async () => {
  const desk = atDesk();
  await desk.tell({});
  const running = desk.run("4f9c", "--timeout", "30s");
  await desk.env.advance(31_000);
  const [code, , err] = await running;
  assert.equal(code, 1);
  assert.match(err, /The reboot goes on without this command/);
  assert.equal((await desk.board.wishes()).length, 1);
});
