import assert from "node:assert/strict";
import { test } from "node:test";
import { silentEnv } from "../../src/store/contract-tools.ts";
import { openMemberReader } from "../../src/store/etcd/cluster-members.ts";
import { startOver } from "../conformance/server-process.ts";
import { startEtcd } from "./etcd-process.ts";

test("the members of a cluster are told by any of them, also without a leader", async () => {
  await using etcd = await startEtcd(3);
  const reader = openMemberReader(silentEnv(), { endpoints: etcd.endpoints });
  try {
    const { members, leader, asked } = await reader.read();
    assert.deepEqual(members.map(({ name }) => name).sort(), ["member0", "member1", "member2"]);
    assert.equal(members.find(({ id }) => id === asked)?.name, "member0");
    assert.equal(members.find(({ id }) => id === leader)?.name, `member${await etcd.leader()}`);
    const addresses = members.flatMap(({ peerUrls }) => peerUrls);
    assert.equal(new Set(addresses).size, 3);
    assert.match(addresses[0] ?? "", /^http:\/\/127\.0\.0\.1:\d+$/);
    await etcd.kill(0);
    await etcd.kill(1);
    const alone = await reader.read();
    assert.equal(alone.members.length, 3);
    assert.equal(alone.members.find(({ id }) => id === alone.asked)?.name, "member2");
    await etcd.kill(2);
    await assert.rejects(reader.read(), { code: "store-unavailable" });
  } finally {
    reader.close();
  }
});

interface Shown {
  readonly id: string;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
}

test("members of an etcd are added, changed and removed over the v2 API", async () => {
  await using etcd = await startEtcd(3);
  await using gateway = await startOver(etcd.endpoints);
  const ask = async (method: string, path: string, peerUrls?: readonly string[]): Promise<Response> =>
    fetch(`${gateway.origin}/v2/members${path}`, {
      method,
      headers: { "Content-Type": "application/json" },
      ...(peerUrls !== undefined && { body: JSON.stringify({ peerURLs: peerUrls }) }),
    });
  const members = async (): Promise<readonly Shown[]> =>
    ((await (await ask("GET", "")).json()) as { members: readonly Shown[] }).members;
  const first = (await members())[0];
  assert.ok(first);
  // Members that have just come to know each other are not changed yet (etcd 3.4: for 5 s).
  await until(async () => ask("POST", "", first.peerURLs), 409);
  const added = await ask("POST", "", ["http://127.0.0.1:1"]);
  assert.equal(added.status, 201);
  const fourth = (await added.json()) as Shown;
  assert.deepEqual(fourth, { id: fourth.id, name: "", peerURLs: ["http://127.0.0.1:1"], clientURLs: [] });
  assert.equal((await ask("PUT", `/${fourth.id}`, first.peerURLs)).status, 409);
  assert.equal((await ask("PUT", `/${fourth.id}`, ["http://127.0.0.1:2"])).status, 204);
  assert.deepEqual((await members()).find(({ id }) => id === fourth.id)?.peerURLs, ["http://127.0.0.1:2"]);
  assert.equal((await ask("DELETE", `/${fourth.id}`)).status, 204);
  assert.equal((await members()).length, 3);
  assert.equal((await ask("DELETE", `/${fourth.id}`)).status, 410);
  assert.equal((await ask("PUT", `/${fourth.id}`, ["http://127.0.0.1:2"])).status, 404);
});

/** Asks again until the answer has this status, a limited number of times. */
async function until(ask: () => Promise<Response>, status: number): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const answer = await ask();
    if (answer.status === status || attempt === 40) {
      assert.equal(answer.status, status, await answer.text());
      return;
    }
    await answer.text();
    await silentEnv().clock.sleep(500);
  }
}
