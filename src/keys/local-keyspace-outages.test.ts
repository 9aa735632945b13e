import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../lib/fault.ts";
import type { Outcome } from "../store/store.ts";
import type { WriteOperation } from "./model.ts";
import { historyLength } from "./records.ts";

import { Cluster, type Gateway, bound, done, open, read, set, watch } from "./local-keyspace-fixture.ts";

test("a write whose answer is lost is carried out once", async () => {
  let lose = 0;
  const cluster = new Cluster((store) => ({
    ...bound(store),
    commit: async (transaction): Promise<Outcome> => {
      const outcome = await store.commit(transaction);
      if (lose-- > 0) throw new Fault("store-unavailable", "Cannot commit, the answer was lost.");
      return outcome;
    },
  }));
  const gateway = cluster.gateway();
  await cluster.env.settle();
  const queue: WriteOperation = {
    do: "create",
    path: "/queue",
    value: "job",
    deadlineMs: undefined,
    directory: false,
    inOrder: true,
  };
  lose = 1;
  const answer = gateway.keyspace.write(queue, open);
  await cluster.env.advance(1_000);
  assert.equal(done(await answer).event.node.key, "/queue/00000000000000000001");
  const { event, index } = done(await read(gateway, "/queue"));
  assert.deepEqual([event.node.nodes?.length, index], [1, 1]);
  await cluster.stop(gateway);
});

/** A gateway whose watch of the store can be cut. */
function cuttable(cluster: Cluster): { readonly gateway: Gateway; readonly cut: () => void } {
  let broken = new AbortController();
  const gateway = cluster.gateway({
    ...bound(cluster.store),
    watch: (range, after, signal) => {
      broken = new AbortController();
      return cluster.store.watch(range, after, AbortSignal.any([signal, broken.signal]));
    },
  });
  return { gateway, cut: () => broken.abort(new Fault("store-unavailable", "Cannot watch, it was cut.")) };
}

test("a stream that outlives an outage is told what happened meanwhile", async () => {
  const cluster = new Cluster();
  const [writer, { gateway, cut }] = [cluster.gateway(), cuttable(cluster)];
  await cluster.env.settle();
  const stream = done(await gateway.keyspace.watch(watch("/d", { recursive: true, stream: true }), open));
  done(await writer.keyspace.write(set("/d/a", "1"), open));
  assert.equal((await stream.next(open))?.node.key, "/d/a");
  cut();
  await cluster.env.settle();
  assert.equal(gateway.keyspace.status().connected, false);
  done(await writer.keyspace.write(set("/d/b", "1"), open));
  done(await writer.keyspace.write({ do: "delete", path: "/d", directory: true, recursive: true }, open));
  await cluster.env.advance(1_000);
  assert.equal((await stream.next(open))?.node.key, "/d/b");
  assert.equal((await stream.next(open))?.action, "delete");
  await cluster.stop(writer, gateway);
});

test("a stream ends when more happened in an outage than the history holds", async () => {
  const cluster = new Cluster();
  const [writer, { gateway, cut }] = [cluster.gateway(), cuttable(cluster)];
  done(await writer.keyspace.write(set("/k", "0"), open));
  const stream = done(await gateway.keyspace.watch(watch("/other", { stream: true }), open));
  cut();
  await cluster.env.settle();
  for (let i = 0; i <= historyLength; i++) done(await writer.keyspace.write(set("/k", String(i)), open));
  await cluster.env.advance(1_000);
  assert.equal(await stream.next(open), undefined);
  await cluster.stop(writer, gateway);
});

test("a store that is away makes error 300 in bounded time, and reads go on", async () => {
  let away = false;
  const cluster = new Cluster((store) => ({
    ...bound(store),
    commit: async (transaction) => {
      if (away) throw new Fault("store-unavailable", "Cannot commit, there is no store.");
      return store.commit(transaction);
    },
  }));
  const gateway = cluster.gateway();
  done(await gateway.keyspace.write(set("/k", "1"), open));
  away = true;
  const answer = gateway.keyspace.write(set("/k", "2"), open);
  await cluster.env.advance(7_000);
  assert.deepEqual(await answer, {
    errorCode: 300,
    message: "Raft Internal Error",
    cause: "etcdserver: request timed out",
    index: 0,
  });
  assert.equal(done(await read(gateway, "/k")).event.node.value, "1");
  await cluster.stop(gateway);
});
