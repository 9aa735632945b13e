import assert from "node:assert/strict";
import { test } from "node:test";
import { silentEnv } from "../../src/store/contract-tools.ts";
import { openMemberReader } from "../../src/store/etcd/cluster-members.ts";
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
