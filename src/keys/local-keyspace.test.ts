import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../lib/fault.ts";
import { under } from "../store/range.ts";
import type { Operation } from "../store/store.ts";
import { readContent, writeContent } from "../store/transfer/content.ts";
import { applyWrite } from "./apply.ts";
import { isKeysError, type KeysError } from "./errors.ts";
import { goJson } from "./go-json.ts";
import type { Answer } from "./keyspace.ts";
import type { Gathering } from "./writer.ts";
import type { WriteOperation } from "./model.ts";
import { historyLength, historyStep } from "./records.ts";
import { Tree } from "./tree.ts";

import {
  Cluster,
  type Gateway,
  bound,
  done,
  next,
  open,
  read,
  set,
  swap,
  valueOf,
  watch,
} from "./local-keyspace-fixture.ts";

test("a client reads its own write, and the index goes on after a restart", async () => {
  const cluster = new Cluster();
  const first = cluster.gateway();
  const written = done(await first.keyspace.write(set("/a/b", "1"), open));
  assert.deepEqual([written.index, written.event.action], [1, "set"]);
  assert.equal(done(await read(first, "/a/b")).event.node.value, "1");
  first.end.abort();
  await first.keyspace.ended;
  const second = cluster.gateway();
  assert.equal(done(await read(second, "/a/b")).event.node.modifiedIndex, 1);
  assert.equal(done(await second.keyspace.write(set("/a/b", "2"), open)).index, 2);
  assert.equal(second.keyspace.status().clusterId, first.keyspace.status().clusterId);
  const past = await next(second, watch("/a", { recursive: true, waitIndex: 1 }));
  assert.equal(past?.node.value, "1");
  await cluster.stop(second);
});

test("three gateways that write at once lose nothing", async () => {
  const cluster: Cluster = new Cluster((store) => ({
    ...bound(store),
    commit: async (transaction) => {
      // Time to plan on what is about to change.
      await cluster.env.clock.sleep(1);
      return store.commit(transaction);
    },
  }));
  const gateways = [cluster.gateway(), cluster.gateway(), cluster.gateway()];
  const begun = (gateways[0] as Gateway).keyspace.write(set("/counter", "0"), open);
  await cluster.env.advance(100);
  done(await begun);
  let finished = 0;
  const increment = async (gateway: Gateway): Promise<void> => {
    for (;;) {
      const before = await valueOf(gateway, "/counter");
      const answer = await gateway.keyspace.write(
        swap("/counter", String(Number(before) + 1), String(before)),
        open,
      );
      if (!isKeysError(answer)) break;
      assert.equal(answer.errorCode, 101);
    }
    finished++;
  };
  const work = gateways.flatMap((gateway) => Array.from({ length: 10 }, async () => increment(gateway)));
  while (finished < work.length) await cluster.env.advance(20);
  await Promise.all(work);
  for (const gateway of gateways) assert.equal(await valueOf(gateway, "/counter"), "30");
  const { index } = done(await read(gateways[0] as Gateway, "/counter"));
  assert.equal(index, 31);
  await cluster.stop(...gateways);
});

test("a write that came too late is planned again, whatever else is written to the store", async () => {
  const cluster = new Cluster();
  const faster = cluster.gateway();
  let overtake = async (): Promise<void> => undefined;
  const slower = cluster.gateway({
    ...bound(cluster.store),
    commit: async (transaction) => {
      await overtake();
      return cluster.store.commit(transaction);
    },
  });
  await cluster.env.settle();
  overtake = async () => {
    overtake = async () => undefined;
    done(await faster.keyspace.write(set("/a", "1"), open));
    const other = { do: "put", key: "/argosy/fleet/x", value: "" } as const;
    await cluster.store.commit({ when: [], then: [other] });
  };
  const answer = slower.keyspace.write(set("/b", "1"), open);
  await cluster.env.advance(10_000);
  assert.equal(done(await answer).index, 2);
  await cluster.stop(faster, slower);
});

test("a refusal of a gateway that lags behind is checked against the store", async () => {
  const cluster = new Cluster();
  const ahead = cluster.gateway();
  const held = Promise.withResolvers<void>();
  const behind = cluster.gateway({
    ...bound(cluster.store),
    watch: async function* (range, after, signal) {
      for await (const batch of cluster.store.watch(range, after, signal)) {
        await held.promise;
        yield batch;
      }
    },
  });
  await cluster.env.settle();
  done(await ahead.keyspace.write(set("/k", "1"), open));
  const swapped = behind.keyspace.write(swap("/k", "2", "1"), open);
  await cluster.env.settle();
  const stale = await read(behind, "/k");
  assert.ok(isKeysError(stale), "reads are local and may show the past");
  held.resolve();
  await cluster.env.advance(100);
  assert.equal(done(await swapped).event.action, "compareAndSwap");
  await cluster.stop(ahead, behind);
});

test("a value too large for the store is an error that says so", async () => {
  const cluster = new Cluster((store) => ({
    ...bound(store),
    commit: async (transaction) => {
      if (JSON.stringify(transaction).length > 10_000) {
        throw new Fault("store-too-large", "Cannot commit, the request is too large.");
      }
      return store.commit(transaction);
    },
  }));
  const gateway = cluster.gateway();
  const answer = await gateway.keyspace.write(set("/k", "x".repeat(20_000)), open);
  assert.ok(isKeysError(answer));
  assert.deepEqual(
    [answer.errorCode, answer.cause],
    [300, "argosy: Cannot commit, the request is too large."],
  );
  done(await gateway.keyspace.write(set("/k", "small"), open));
  await cluster.stop(gateway);
});

test("a key of 1000 levels is made at once, and a deeper one is refused", async () => {
  const cluster = new Cluster();
  const gateway = cluster.gateway();
  done(await gateway.keyspace.write(set("/d".repeat(1_000), "1"), open));
  const answer = await gateway.keyspace.write(set("/e".repeat(1_001), "1"), open);
  assert.ok(isKeysError(answer));
  assert.equal(answer.errorCode, 209);
  assert.match(answer.cause, /at most 1000 levels/);
  await cluster.stop(gateway);
});

test("a thousand events are kept, and a watch from before them is told so", async () => {
  const cluster = new Cluster();
  const gateway = cluster.gateway();
  for (let i = 1; i <= historyLength + 5; i++) {
    done(await gateway.keyspace.write(set("/k", String(i)), open));
  }
  const stored = await cluster.store.read(under("/argosy/keys/events/"));
  assert.equal(stored.entries.length, historyLength + 5, "those before them go later, many at once");
  assert.deepEqual(await gateway.keyspace.watch(watch("/k", { waitIndex: 5, stream: true }), open), {
    errorCode: 401,
    message: "The event in requested index is outdated and cleared",
    cause: "the requested history has been cleared [6/5]",
    index: historyLength + 5,
  });
  assert.equal((await next(gateway, watch("/k", { waitIndex: 6 })))?.node.value, "6");
  for (let i = 6; i <= historyStep; i++) {
    done(await gateway.keyspace.write(set("/k", String(historyLength + i)), open));
  }
  const kept = await cluster.store.read(under("/argosy/keys/events/"));
  assert.equal(kept.entries.length, historyLength);
  const another = cluster.gateway();
  assert.equal((await next(another, watch("/k", { waitIndex: 251 })))?.node.value, "251");
  assert.equal(isKeysError(await another.keyspace.watch(watch("/k", { waitIndex: 250 }), open)), true);
  await cluster.stop(gateway, another);
});

test("what the store brings back is what the rules made", async () => {
  const path = fc
    .array(fc.constantFrom("a", "b"), { minLength: 1, maxLength: 3 })
    .map((parts) => `/${parts.join("/")}`);
  const operation: fc.Arbitrary<WriteOperation> = fc.oneof(
    fc.record({
      do: fc.constant("set" as const),
      path,
      value: fc.string({ unit: "grapheme", maxLength: 3 }),
      deadlineMs: fc.constant(undefined),
      directory: fc.boolean(),
      refresh: fc.constant(false),
    }),
    fc.record({
      do: fc.constant("delete" as const),
      path,
      directory: fc.boolean(),
      recursive: fc.boolean(),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 15 }), async (operations) => {
      const cluster = new Cluster();
      const [writer, reader] = [cluster.gateway(), cluster.gateway()];
      const tree = new Tree();
      let index = 0;
      for (const wanted of operations) {
        const plan = applyWrite(tree, wanted, index + 1, cluster.env.clock.now());
        const answer = await writer.keyspace.write(wanted, open);
        if (isKeysError(plan)) {
          assert.deepEqual(answer, plan);
          continue;
        }
        index++;
        assert.deepEqual(answer, { event: plan.event, index, text: goJson(plan.event) });
        for (const gone of plan.remove === undefined ? [] : tree.pathsWithin(plan.remove)) tree.remove(gone);
        for (const node of plan.put) tree.put(node);
      }
      assert.deepEqual(await read(reader, "/", true), await read(writer, "/"));
      assert.equal(done(await read(reader, "/")).index, index);
      await cluster.stop(writer, reader);
    }),
    { numRuns: 30 },
  );
});

test("a gateway whose store is filled with other keys shows those", async () => {
  const [from, to] = [new Cluster(), new Cluster()];
  const [writer, follower] = [from.gateway(), to.gateway()];
  for (let i = 1; i <= 300; i++) done(await writer.keyspace.write(set(`/k/${i % 40}`, String(i)), open));
  await writer.keyspace.write({ do: "delete", path: "/k/7", directory: false, recursive: false }, open);
  done(await follower.keyspace.write(set("/old", "1"), open));
  const { lasting } = await readContent(from.store);
  await writeContent(to.store, lasting, { replace: true, progress: () => undefined });
  assert.deepEqual(await read(follower, "/", true), await read(writer, "/"));
  assert.equal(done(await follower.keyspace.write(set("/k/7", "8"), open)).index, 302);
  await from.stop(writer);
  await to.stop(follower);
});

test("writers who were answered together are waited for, and go together again; but not for ever", async () => {
  const sizes: number[] = [];
  const cluster = new Cluster((store) => {
    const commit = store.commit.bind(store);
    store.commit = (transaction) => {
      if (transaction.then.length > 1) sizes.push(transaction.then.filter(isNode).length);
      return commit(transaction);
    };
    return store;
  });
  let later: () => void = () => undefined;
  const gathering: Gathering = { soon: (work) => void setImmediate(work), later: (work) => (later = work) };
  const { keyspace, end } = cluster.gateway(cluster.store, gathering);
  const write = (name: string): Promise<Answer | KeysError> => keyspace.write(set(`/${name}`, name));
  await Promise.all(["a", "b", "c"].map(write));
  assert.deepEqual(sizes, [3]);
  const early = write("a");
  // It would have gone by now.
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(sizes, [3]);
  await Promise.all([early, write("b"), write("c")]);
  assert.deepEqual(sizes, [3, 3]);
  const alone = write("a");
  await new Promise((resolve) => setImmediate(resolve));
  later();
  assert.equal(done(await alone).event.node.value, "a");
  assert.deepEqual(sizes, [3, 3, 1]);
  // Who writes alone waits for nobody.
  await write("a");
  assert.deepEqual(sizes, [3, 3, 1, 1]);
  await cluster.stop({ keyspace, end });
});

function isNode(operation: Operation): boolean {
  return operation.do === "put" && operation.key.startsWith("/argosy/keys/nodes/");
}
