import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Env } from "../lib/env.ts";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault } from "../lib/fault.ts";
import { openMemoryStore } from "../store/memory.ts";
import { exactly, under } from "../store/range.ts";
import type { Operation, Outcome, Store } from "../store/store.ts";
import { readContent, writeContent } from "../store/transfer/content.ts";
import { applyWrite } from "./apply.ts";
import { isKeysError, type KeysError } from "./errors.ts";
import { goJson } from "./go-json.ts";
import type { Answer, Watch } from "./keyspace.ts";
import { openLocalKeyspace, type LocalKeyspace } from "./local-keyspace.ts";
import type { Gathering } from "./writer.ts";
import type { KeysEvent, WatchOperation, WriteOperation } from "./model.ts";
import { expiryKey, historyLength, historyStep } from "./records.ts";
import { Tree } from "./tree.ts";

const open = new AbortController().signal;

interface Gateway {
  readonly keyspace: LocalKeyspace;
  readonly end: AbortController;
}

/** Gateways of one cluster: one time, chance of their own. */
class Cluster {
  readonly env = new FakeEnv();
  readonly store: Store;
  #chance = 0;

  constructor(change: (store: Store) => Store = (store) => store) {
    this.store = change(openMemoryStore(this.env));
  }

  gateway(store: Store = this.store, gathering?: Gathering): Gateway {
    const end = new AbortController();
    const { clock, log } = this.env;
    const env: Env = { clock, log, random: () => (this.#chance = (this.#chance + 0.37) % 1) };
    return { keyspace: openLocalKeyspace(env, store, end.signal, gathering), end };
  }

  async stop(...gateways: readonly Gateway[]): Promise<void> {
    for (const { end } of gateways) end.abort(new Error("the test is over"));
    await Promise.all(gateways.map(({ keyspace }) => keyspace.ended));
    await this.store.close();
  }
}

function set(path: string, value: string, deadlineMs?: number): WriteOperation {
  return { do: "set", path, value, deadlineMs, directory: false, refresh: false };
}

function swap(path: string, value: string, prevValue: string): WriteOperation {
  const condition = { value: prevValue, index: 0n };
  return { do: "compareAndSwap", path, value, deadlineMs: undefined, refresh: false, condition };
}

function watch(path: string, more: Partial<WatchOperation> = {}): WatchOperation {
  return { do: "watch", path, recursive: false, stream: false, waitIndex: 0, ...more };
}

function done<Good extends object>(answer: Good | KeysError): Good {
  assert.ok(!isKeysError(answer), JSON.stringify(answer));
  return answer;
}

async function read(gateway: Gateway, path: string, quorum = false): Promise<Answer | KeysError> {
  return gateway.keyspace.read({ do: "read", path, recursive: true, sorted: true, quorum }, open);
}

async function valueOf(gateway: Gateway, path: string): Promise<string | undefined> {
  const answer = await read(gateway, path, true);
  return isKeysError(answer) ? undefined : answer.event.node.value;
}

async function next(gateway: Gateway, operation: WatchOperation): Promise<KeysEvent | undefined> {
  return (done(await gateway.keyspace.watch(operation, open)) satisfies Watch).next(open);
}

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

function bound(store: Store): Store {
  return {
    read: async (range, options) => store.read(range, options),
    commit: async (transaction) => store.commit(transaction),
    watch: (range, after, signal) => store.watch(range, after, signal),
    grantLease: async (ttlMs) => store.grantLease(ttlMs),
    renewLease: async (id) => store.renewLease(id),
    revokeLease: async (id) => store.revokeLease(id),
    compact: async (revision) => store.compact(revision),
    close: async () => store.close(),
  };
}

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
