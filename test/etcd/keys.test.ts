import assert from "node:assert/strict";
import { test } from "node:test";
import { isKeysError } from "../../src/keys/errors.ts";
import type { Answer } from "../../src/keys/keyspace.ts";
import { openLocalKeyspace, type LocalKeyspace } from "../../src/keys/local-keyspace.ts";
import type { WriteOperation } from "../../src/keys/model.ts";
import { silentEnv } from "../../src/store/contract-tools.ts";
import { openEtcdStore } from "../../src/store/etcd/etcd-store.ts";
import { startEtcd } from "./etcd-process.ts";

const open = new AbortController().signal;

const increments = 150;
/** After so many the leader is killed. */
const calmIncrements = 50;

test("three gateways on three etcd members lose nothing when the leader is killed", async () => {
  await using etcd = await startEtcd(3);
  const env = silentEnv();
  const end = new AbortController();
  const gateways = etcd.endpoints.map((_, member) => {
    // Each gateway prefers the member on its own machine, as the service does.
    const endpoints = [...etcd.endpoints.slice(member), ...etcd.endpoints.slice(0, member)];
    const store = openEtcdStore(env, { endpoints });
    return { store, keyspace: openLocalKeyspace(env, store, end.signal) };
  });
  let finished = 0;
  /** Writes that ended with error 300: they may have been carried out all the same. */
  let unknown = 0;
  let killed: Promise<void> | undefined;
  const work = async (keyspace: LocalKeyspace): Promise<void> => {
    while (finished < increments) {
      if (await increment(keyspace)) finished++;
      else unknown++;
      if (finished === calmIncrements) killed = etcd.leader().then(async (leader) => etcd.kill(leader));
    }
  };
  await Promise.all(gateways.flatMap(({ keyspace }) => [work(keyspace), work(keyspace)]));
  await killed;
  const values = await Promise.all(gateways.map(async ({ keyspace }) => count(keyspace)));
  const [value = 0] = values;
  assert.deepEqual(values, [value, value, value]);
  assert.ok(value >= finished && value <= finished + unknown, `${value} of ${finished} and ${unknown}`);
  const queue = await Promise.all(gateways.map(async ({ keyspace }) => insist(keyspace, job)));
  const names = queue.map(({ event }) => event.node.key);
  assert.equal(new Set(names).size, 3, "in-order keys are different");
  end.abort(new Error("the test is over"));
  await Promise.all(gateways.map(async ({ keyspace }) => keyspace.ended));
  await Promise.all(gateways.map(async ({ store }) => store.close()));
});

const job: WriteOperation = {
  do: "create",
  path: "/queue",
  value: "job",
  deadlineMs: undefined,
  directory: false,
  inOrder: true,
};

/** Adds one, whatever the others do; false when it is not known whether it did. */
async function increment(keyspace: LocalKeyspace): Promise<boolean> {
  for (;;) {
    const answer = await keyspace.write(step(await count(keyspace)), open);
    if (!isKeysError(answer)) return true;
    if (answer.errorCode === 300) return false;
    assert.ok(answer.errorCode === 101 || answer.errorCode === 105, JSON.stringify(answer));
  }
}

function step(before: number): WriteOperation {
  const content = { path: "/counter", value: String(before + 1), deadlineMs: undefined };
  if (before === 0) return { do: "create", ...content, directory: false, inOrder: false };
  return {
    do: "compareAndSwap",
    ...content,
    refresh: false,
    condition: { value: String(before), index: 0n },
  };
}

/** Reads through the store; a read may be asked again until the new leader answers. */
async function count(keyspace: LocalKeyspace): Promise<number> {
  for (;;) {
    const answer = await keyspace.read(
      { do: "read", path: "/counter", recursive: false, sorted: false, quorum: true },
      open,
    );
    if (!isKeysError(answer)) return Number(answer.event.node.value);
    if (answer.errorCode === 100) return 0;
    assert.equal(answer.errorCode, 300, JSON.stringify(answer));
  }
}

/** Writes until it is known that it was carried out at least once. */
async function insist(keyspace: LocalKeyspace, operation: WriteOperation): Promise<Answer> {
  for (;;) {
    const answer = await keyspace.write(operation, open);
    if (!isKeysError(answer)) return answer;
    assert.equal(answer.errorCode, 300, JSON.stringify(answer));
  }
}
