import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../lib/fault.ts";
import { exactly } from "../store/range.ts";
import { expiryKey } from "./records.ts";

import { Cluster, bound, done, next, open, read, set, valueOf, watch } from "./local-keyspace-fixture.ts";

test("nodes expire in the order of their deadlines, each with its event", async () => {
  const cluster = new Cluster();
  const gateway = cluster.gateway();
  const now = cluster.env.clock.now();
  done(await gateway.keyspace.write(set("/d/late", "1", now + 3_000), open));
  done(await gateway.keyspace.write(set("/d/early", "1", now + 1_000), open));
  done(await gateway.keyspace.write(set("/d/kept", "1", now + 2_000), open));
  done(await gateway.keyspace.write(set("/d/kept", "2"), open));
  await cluster.env.advance(999);
  assert.equal(done(await read(gateway, "/d/early")).event.node.ttl, 1);
  await cluster.env.advance(2_001);
  const early = await next(gateway, watch("/d", { recursive: true, waitIndex: 5 }));
  assert.deepEqual(early, {
    action: "expire",
    node: { key: "/d/early", modifiedIndex: 5, createdIndex: 2 },
    prevNode: {
      key: "/d/early",
      value: "1",
      expiration: "2001-09-09T01:46:41Z",
      modifiedIndex: 2,
      createdIndex: 2,
    },
  });
  const late = await next(gateway, watch("/d", { recursive: true, waitIndex: 6 }));
  assert.deepEqual([late?.action, late?.node.key], ["expire", "/d/late"]);
  const { event, index } = done(await read(gateway, "/d"));
  assert.deepEqual([event.node.nodes?.map(({ key }) => key), index], [["/d/kept"], 6]);
  await cluster.stop(gateway);
});

test("when the gateway that expires nodes dies, another one takes over", async () => {
  const cluster = new Cluster();
  let dead = false;
  const mortal = bound(cluster.store);
  const dies = async (): Promise<never> => {
    throw new Fault("store-unavailable", "Cannot reach the store from here.");
  };
  const first = cluster.gateway({
    ...mortal,
    commit: async (transaction) => (dead ? dies() : mortal.commit(transaction)),
    renewLease: async (id) => (dead ? dies() : mortal.renewLease(id)),
    revokeLease: async (id) => (dead ? dies() : mortal.revokeLease(id)),
  });
  await cluster.env.settle();
  const holder = async (): Promise<string | undefined> =>
    (await cluster.store.read(exactly(expiryKey))).entries[0]?.value;
  const firstHolder = await holder();
  assert.ok(firstHolder);
  const second = cluster.gateway();
  const deadlineMs = cluster.env.clock.now() + 1_000;
  done(await second.keyspace.write(set("/k", "1", deadlineMs), open));
  dead = true;
  await cluster.env.advance(10_000);
  const secondHolder = await holder();
  assert.ok(secondHolder);
  assert.notEqual(secondHolder, firstHolder);
  assert.equal(await valueOf(second, "/k"), undefined);
  assert.equal(done(await read(second, "/")).index, 2);
  await cluster.stop(first, second);
});

test("a gateway that stops gives the expiry lease back at once", async () => {
  const cluster = new Cluster();
  const first = cluster.gateway();
  await cluster.env.settle();
  assert.equal((await cluster.store.read(exactly(expiryKey))).entries.length, 1);
  first.end.abort();
  await first.keyspace.ended;
  assert.deepEqual((await cluster.store.read(exactly(expiryKey))).entries, []);
  await cluster.store.close();
});
