import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isFault } from "../../src/lib/fault.ts";
import { commit, drain, fault, put, silentEnv } from "../../src/store/contract-tools.ts";
import { openEtcdStore } from "../../src/store/etcd/etcd-store.ts";
import { openMirror } from "../../src/store/mirror.ts";
import { exactly, under } from "../../src/store/range.ts";
import type { Change, ChangeBatch, Revision, Store } from "../../src/store/store.ts";
import { startEtcd, type EtcdCluster } from "./etcd-process.ts";

test("a leader killed amid writes: nothing acknowledged is lost or seen twice, and work goes on", async () => {
  await using cluster = await startEtcd(3);
  const leader = await cluster.leader();
  const store = openStore(cluster, leader);
  const stop = new AbortController();
  const acknowledged = new Map<Revision, string>();
  const seen: Change[] = [];
  const start = (await store.read(under("/w/"))).revision;
  const following = follow(store, start, seen);
  const writers = Array.from({ length: 4 }, (_, i) => write(store, `/w/${i}`, stop.signal, acknowledged));

  await until(() => acknowledged.size >= 100);
  await cluster.kill(leader);
  const atKill = acknowledged.size;
  await until(() => acknowledged.size >= atKill + 100);
  stop.abort(done);
  await Promise.all(writers);
  const last = Math.max(...acknowledged.keys());
  await following(last);

  const lines = new Map<Revision, string>();
  for (const change of seen) {
    assert.ok(change.kind === "put");
    const { modRevision, key, value } = change.entry;
    assert.ok(!lines.has(modRevision), `revision ${modRevision} was seen once`);
    lines.set(modRevision, `${key}=${value}`);
  }
  for (const [revision, line] of acknowledged) assert.equal(lines.get(revision), line);
  await store.close();
});

test("two members of three dead: watches end, commits fail, and both work again after a restart", async () => {
  await using cluster = await startEtcd(3);
  const store = openStore(cluster, 0);
  const first = await commit(store, [put("/a", "1")]);
  const watch = watchNext(store, first);
  await cluster.kill(1);
  await cluster.kill(2);
  await assert.rejects(watch, fault("store-unavailable"));
  await assert.rejects(commit(store, [put("/a", "2")]), fault("store-unavailable"));
  await assert.rejects(store.read(exactly("/a")), fault("store-unavailable"));
  const local = await store.read(exactly("/a"), { consistency: "local" });
  assert.equal(local.entries[0]?.value, "1");

  await cluster.restart(1);
  const revision = await persist(() => commit(store, [put("/a", "3")]));
  const batch = await persist(() => watchNext(store, revision - 1));
  assert.equal(batch.revision, revision);
  await store.close();
});

test("a frozen member is noticed by its watches, and others take over", async () => {
  await using cluster = await startEtcd(3);
  const leader = await cluster.leader();
  // Not the leader, so that the others need no election.
  const frozen = (leader + 1) % 3;
  const store = openStore(cluster, frozen);
  const first = await commit(store, [put("/a", "1")]);
  const stop = new AbortController();
  const watch = store.watch(under("/"), first - 1, stop.signal)[Symbol.asyncIterator]();
  assert.equal((await watch.next()).value?.revision, first, "the watch is open");
  cluster.pause(frozen);
  await assert.rejects(async () => watch.next(), fault("store-unavailable"));
  const next = watchNext(store, first);
  const revision = await persist(() => commit(store, [put("/a", "2")]));
  assert.equal((await next).revision, revision);
  cluster.resume(frozen);
  await store.close();
});

test("a watch goes back to the preferred member when that is well again, and sees everything once", async () => {
  await using cluster = await startEtcd(3);
  await cluster.kill(0);
  const { endpoints } = cluster;
  const store = openEtcdStore(silentEnv(), { endpoints, returnAfterMs: 100 });
  const stop = new AbortController();
  const acknowledged = new Map<Revision, string>();
  const start = (await persist(() => store.read(under("/w/")))).revision;
  const seen: Change[] = [];
  const following = follow(store, start, seen);
  const writer = write(store, "/w/a", stop.signal, acknowledged);
  await until(() => seen.length >= 20);

  const returnTo = async (member: number): Promise<void> => {
    const elsewhere = [0, 1, 2].filter((each) => each !== member);
    while ((await watchersOf(cluster, member)) === 0) await sleep(100);
    for (const other of elsewhere) while ((await watchersOf(cluster, other)) > 0) await sleep(100);
    const atReturn = seen.length;
    await until(() => seen.length >= atReturn + 20);
  };
  await cluster.restart(0);
  await returnTo(0);
  store.useEndpoints([...endpoints].reverse());
  await returnTo(2);

  stop.abort(done);
  await writer;
  await following(Math.max(...acknowledged.keys()));
  const revisions = seen.map((change) => (change.kind === "put" ? change.entry.modRevision : 0));
  const all = Array.from({ length: seen.length }, (_, index) => start + 1 + index);
  assert.deepEqual(revisions, all, "each revision was seen once, in its order");
  await store.close();
});

test("a lease and its keys outlive the leader that granted it", async () => {
  await using cluster = await startEtcd(3);
  const leader = await cluster.leader();
  const store = openStore(cluster, leader);
  const lease = await store.grantLease(10_000);
  await commit(store, [put("/a", "1", lease.id)]);
  await cluster.kill(leader);
  assert.deepEqual(await persist(() => store.renewLease(lease.id)), lease);
  assert.equal((await store.read(exactly("/a"))).entries[0]?.lease, lease.id);
  await store.close();
});

test("a mirror catches up when the only member was away", async () => {
  await using cluster = await startEtcd(1);
  const store = openStore(cluster, 0);
  const stop = new AbortController();
  await commit(store, [put("/w/a", "1")]);
  const mirror = openMirror(silentEnv(), store, under("/w/"), stop.signal);
  await mirror.ready;
  const lost = Promise.withResolvers<void>();
  mirror.subscribe(() => {
    if (mirror.syncedSinceMs === undefined) lost.resolve();
  });
  await cluster.kill(0);
  await lost.promise;
  await cluster.restart(0);
  const revision = await persist(() => commit(store, [put("/w/b", "1")]));
  await mirror.reached(revision, stop.signal);
  assert.deepEqual([...mirror.entries.keys()], ["/w/a", "/w/b"]);
  assert.notEqual(mirror.syncedSinceMs, undefined);
  stop.abort(done);
  await store.close();
});

test("a full database and too large a request have names of their own", async () => {
  await using cluster = await startEtcd(1, ["--quota-backend-bytes", String(4 << 20)]);
  const store = openStore(cluster, 0);
  await assert.rejects(commit(store, [put("/a", "x".repeat(1_600_000))]), fault("store-too-large"));
  await assert.rejects(commit(store, [put("/a", "x".repeat(4_000_000))]), fault("store-too-large"));
  await assert.rejects(async () => {
    for (let i = 0; i < 20; i++) await commit(store, [put(`/a/${i}`, "x".repeat(1_000_000))]);
  }, fault("store-no-space"));
  await store.close();
});

test("nobody listening is said with the endpoint", async () => {
  const store = openEtcdStore(silentEnv(), { endpoints: ["http://127.0.0.1:1"], callTimeoutMs: 200 });
  await assert.rejects(store.read(exactly("/a")), fault("store-unavailable"));
  await assert.rejects(commit(store, []), /etcd at http:\/\/127\.0\.0\.1:1,/);
  const stop = new AbortController();
  await assert.rejects(drain(store.watch(under("/"), 1, stop.signal)), fault("store-unavailable"));
  await store.close();
  assert.throws(() => openEtcdStore(silentEnv(), { endpoints: ["nonsense"] }), fault("store-endpoint"));
});

const done = new Error("the test has seen enough");

async function watchersOf(cluster: EtcdCluster, member: number): Promise<number> {
  const metrics = await (await fetch(`${cluster.endpoints[member] ?? ""}/metrics`)).text();
  return Number(/^etcd_debugging_mvcc_watcher_total (\d+)/m.exec(metrics)?.[1]);
}

/** A store that prefers this member. */
function openStore(cluster: EtcdCluster, preferred: number): Store {
  const { endpoints } = cluster;
  const first = endpoints[preferred] ?? "";
  return openEtcdStore(silentEnv(), {
    endpoints: [first, ...endpoints.filter((endpoint) => endpoint !== first)],
  });
}

/** Counts a key up by compare-and-swap and notes what was acknowledged; after an unknown outcome it reads again. */
async function write(
  store: Store,
  key: string,
  stop: AbortSignal,
  acknowledged: Map<Revision, string>,
): Promise<void> {
  let count = 0;
  let modRevision: Revision = 0;
  while (!stop.aborted) {
    const value = String(count + 1);
    try {
      const outcome = await store.commit({ when: [{ key, modRevision }], then: [put(key, value)] });
      assert.ok(outcome.committed, "nobody else writes this key");
      acknowledged.set(outcome.revision, `${key}=${value}`);
      count += 1;
      modRevision = outcome.revision;
    } catch (error) {
      if (!isFault(error, "store-unavailable")) throw error;
      const [entry] = (await persist(() => store.read(exactly(key)))).entries;
      count = Number(entry?.value ?? 0);
      modRevision = entry?.modRevision ?? 0;
    }
  }
}

/** Follows all writes through outages; the returned function ends it when a revision was seen. */
function follow(store: Store, start: Revision, seen: Change[]): (last: Revision) => Promise<void> {
  let position = start;
  let wanted = Number.POSITIVE_INFINITY;
  const end = new AbortController();
  const check = (): void => {
    if (position >= wanted) end.abort(done);
  };
  const loop = async (): Promise<void> => {
    while (!end.signal.aborted) {
      try {
        for await (const batch of store.watch(under("/w/"), position, end.signal)) {
          seen.push(...batch.changes);
          position = batch.revision;
          check();
        }
      } catch (error) {
        if (error !== done && !isFault(error, "store-unavailable")) throw error;
      }
    }
  };
  const running = loop();
  return async (last) => {
    wanted = last;
    check();
    await running;
  };
}

/** The next batch of a watch on everything. */
async function watchNext(store: Store, after: Revision): Promise<ChangeBatch> {
  for await (const batch of store.watch(under("/"), after, new AbortController().signal)) return batch;
  throw new Error("A watch ends by throwing.");
}

/** Repeats what fails with `store-unavailable` until it works. */
async function persist<T>(action: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (!isFault(error, "store-unavailable")) throw error;
    }
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await silentEnv().clock.sleep(5);
}

test("a renewal waits only a moment for a member that hangs, and goes to the next", async () => {
  await using cluster = await startEtcd(1);
  const timeouts: string[] = [];
  // It takes calls and never answers, as etcd does with a renewal while the leader it knows is gone.
  const silent = createServer();
  silent.on("stream", (_, headers) => timeouts.push(String(headers["grpc-timeout"])));
  const sessions = new Set<ServerHttp2Session>();
  silent.on("session", (session) => sessions.add(session));
  await once(silent.listen(0, "127.0.0.1"), "listening");
  const { port } = silent.address() as AddressInfo;
  const endpoints = [`http://127.0.0.1:${port}`, ...cluster.endpoints];
  const direct = openEtcdStore(silentEnv(), { endpoints: cluster.endpoints });
  const store = openEtcdStore(silentEnv(), { endpoints, callTimeoutMs: 60_000 });
  try {
    const { id } = await direct.grantLease(60_000);
    assert.equal((await store.renewLease(id)).ttlMs, 60_000);
    const milliseconds = /^([0-9]+)m$/.exec(timeouts[0] ?? "");
    assert.ok(Number(milliseconds?.[1]) <= 250, `the silent member was given ${timeouts[0]}`);
  } finally {
    await Promise.all([store.close(), direct.close()]);
    for (const session of sessions) session.destroy();
    silent.close();
  }
});
