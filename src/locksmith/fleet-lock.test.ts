import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault } from "../lib/fault.ts";
import { FakeLockKeys } from "./fake-lock-keys.ts";
import { answerFleetLock, type FleetLockParts } from "./fleet-lock.ts";
import { type LockKeys, RebootLock } from "./reboot-lock.ts";

function parts(more: Partial<FleetLockParts> = {}) {
  const env = new FakeEnv();
  const store = new FakeLockKeys();
  const api: LockKeys = {
    get: async (key) => store.get(key),
    put: async (key, options) => store.put(key, options),
    remove: async (key, options) => store.remove(key, options),
  };
  const lockOf = (group: string) => new RebootLock(env, api, group);
  return {
    store,
    env,
    log: env.log,
    lockOf,
    groups: [],
    leaseMs: 60_000,
    now: () => env.clock.now(),
    ...more,
  };
}

/** Asks and returns the status with the kind of refusal. */
async function ask(
  of: FleetLockParts,
  deed: string,
  id: unknown,
  group: unknown = "default",
  more: { readonly method?: string; readonly protocol?: string | undefined; readonly body?: string } = {},
): Promise<string> {
  const body = JSON.stringify({ client_params: { id, group } });
  const request = { method: "POST", path: `/v1/${deed}`, protocol: "true", body, ...more };
  const answer = await answerFleetLock(of, request);
  const { kind = "" } = (answer.body === "" ? {} : JSON.parse(answer.body)) as { kind?: string };
  return `${answer.status} ${kind}`.trim();
}

test("slots are taken and given back, as often as a machine likes", async () => {
  const of = parts();
  assert.equal(await ask(of, "pre-reboot", "a"), "200");
  assert.equal(await ask(of, "pre-reboot", "a"), "200");
  assert.equal(
    of.store.value("/coreos.com/updateengine/rebootlock/semaphore"),
    '{"semaphore":0,"max":1,"holders":["a"]}',
  );
  assert.equal(await ask(of, "pre-reboot", "b"), "500 failed_lock");
  assert.equal(await ask(of, "pre-reboot", "b", "workers"), "200");
  assert.equal(await ask(of, "steady-state", "b"), "200");
  assert.equal(await ask(of, "steady-state", "a"), "200");
  assert.equal(await ask(of, "steady-state", "a"), "200");
  assert.equal(await ask(of, "pre-reboot", "b"), "200");
  const key = "/coreos.com/updateengine/rebootlock/groups/workers/semaphore";
  assert.equal(of.store.value(key), '{"semaphore":0,"max":1,"holders":["b"]}');
});

test("the slot of a machine that is not heard of again is another's after the lease, which is logged", async () => {
  const of = parts();
  assert.equal(await ask(of, "pre-reboot", "dead"), "200");
  of.store.nowMs += 59_000;
  assert.equal(await ask(of, "pre-reboot", "b"), "500 failed_lock");
  of.store.nowMs += 2_000;
  assert.equal(await ask(of, "pre-reboot", "b"), "200");
  assert.ok(of.env.lines.some((line) => line.startsWith("warning: the lease of a machine had ended")));

  const forEver = parts({ leaseMs: undefined });
  assert.equal(await ask(forEver, "pre-reboot", "dead"), "200");
  forEver.store.nowMs += 1e12;
  assert.equal(await ask(forEver, "pre-reboot", "b"), "500 failed_lock");
});

test("what does not say who asks is refused", async () => {
  const of = parts();
  const who = "400 invalid_client_identity";
  assert.equal(await ask(of, "pre-reboot", "a", "default", { protocol: undefined }), who);
  assert.equal(await ask(of, "pre-reboot", "a", "default", { protocol: "1" }), who);
  for (const body of ["", "{", "null", "[]", "7", "{}", '{"client_params":null}', '{"client_params":"a"}']) {
    assert.equal(await ask(of, "pre-reboot", "a", "default", { body }), who, body);
  }
  for (const empty of ["", undefined, 7, null]) {
    assert.equal(await ask(of, "pre-reboot", empty), who);
    assert.equal(await ask(of, "steady-state", "a", empty ?? null), who);
  }
  for (const group of ["a/b", "..", ".", "a b", "ü"]) {
    assert.equal(await ask(of, "pre-reboot", "a", group), "400 unknown_group");
  }
  assert.equal(await ask(of, "pre-reboot", "a", "default", { method: "GET" }), "405 method_not_allowed");
  assert.equal(await ask(of, "reboot", "a"), "404 not_found");
  assert.equal(of.store.value("/coreos.com/updateengine/rebootlock/semaphore"), undefined);
});

test("only the groups that were named are served", async () => {
  const of = parts({ groups: ["workers"] });
  assert.equal(await ask(of, "pre-reboot", "a"), "400 unknown_group");
  assert.equal(await ask(of, "pre-reboot", "a", "workers"), "200");
});

test("a store that does not answer is said to be so", async () => {
  const lost = (): never => {
    throw new Fault("cluster-unavailable", "client: etcd cluster is unavailable or misconfigured");
  };
  const api: LockKeys = { get: async () => lost(), put: async () => lost(), remove: async () => lost() };
  const of = parts({ lockOf: (group) => new RebootLock(new FakeEnv(), api, group) });
  assert.equal(await ask(of, "pre-reboot", "a"), "500 failed_sem_init");
  assert.equal(await ask(of, "steady-state", "a"), "500 failed_sem_init");
});

test("machines get slots in the order in which they first asked, while they go on asking", async () => {
  const of = parts();
  assert.equal(await ask(of, "pre-reboot", "a"), "200");
  assert.equal(await ask(of, "pre-reboot", "b"), "500 failed_lock");
  assert.equal(await ask(of, "pre-reboot", "c"), "500 failed_lock");
  assert.equal(await ask(of, "pre-reboot", "b"), "500 failed_lock");
  assert.equal(await ask(of, "steady-state", "a"), "200");
  assert.equal(await ask(of, "pre-reboot", "c"), "500 failed_lock");
  assert.deepEqual(
    (await of.lockOf("").picture()).queue.map(({ id }) => id),
    ["b", "c"],
  );
  assert.equal(await ask(of, "steady-state", "b"), "200");
  assert.equal(await ask(of, "pre-reboot", "d"), "500 failed_lock");
  of.store.nowMs += 181_000;
  assert.equal(await ask(of, "pre-reboot", "d"), "200");
});
