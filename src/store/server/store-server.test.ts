import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { storeContract } from "../contract.ts";
import { commit, drain, fault, keysAndValues, put, silentEnv } from "../contract-tools.ts";
import { openEmbeddedStore, type EmbeddedStore } from "../embedded/embedded-store.ts";
import { openEtcdStore } from "../etcd/etcd-store.ts";
import { openMirror } from "../mirror.ts";
import { under } from "../range.ts";
import { serveStore, type StoreServer } from "./store-server.ts";

const env = silentEnv();
const folder = await mkdtemp(join(tmpdir(), "argosy-store-server-"));
let store: EmbeddedStore;
let server: StoreServer;

before(async () => {
  store = await openEmbeddedStore(folder, env);
  server = await serveStore(store, { address: "127.0.0.1:0" }, env);
});

after(async () => {
  await server.close();
  await store.close();
  await rm(folder, { recursive: true });
});

storeContract("embedded behind gRPC", async () => openEtcdStore(env, { endpoints: [server.endpoint] }), {
  modelRuns: 15,
});

test("a store that another one took the place of is read again whole, and nobody waits for its revisions", async () => {
  const old = await openEmbeddedStore(join(folder, "old"), env);
  const fresh = await openEmbeddedStore(join(folder, "fresh"), env);
  for (let i = 0; i < 20; i++) await commit(old, [put("/moved/a", String(i)), put("/moved/gone", "")]);
  await commit(fresh, [put("/moved/a", "19")]);
  const first = await serveStore(old, { address: "127.0.0.1:0" }, env);
  const client = openEtcdStore(env, { endpoints: [first.endpoint] });
  const stop = new AbortController();
  const mirror = openMirror(env, client, under("/moved/"), stop.signal);
  await mirror.ready;
  const seen = await client.read(under("/moved/"));
  // As a writer does whose answer came before the change, and the watch did not tell of it any more.
  const waiting = mirror.reached(seen.revision + 5, stop.signal);

  await first.close();
  const second = await serveStore(fresh, { address: first.endpoint.replace("http://", "") }, env);
  await waiting;
  assert.deepEqual(keysAndValues([...mirror.entries].map(([, entry]) => entry)), ["/moved/a=19"]);
  const revision = await commit(client, [put("/moved/b", "1")]);
  await mirror.reached(revision, stop.signal);
  assert.equal(mirror.entries.get("/moved/b")?.value, "1");
  assert.ok(revision < seen.revision);
  await assert.rejects(
    drain(client.watch(under("/moved/"), seen.revision, stop.signal, seen.storeId)),
    fault("store-compacted"),
  );
  await assert.rejects(
    drain(fresh.watch(under("/moved/"), seen.revision, stop.signal, seen.storeId)),
    fault("store-compacted"),
  );
  stop.abort();
  await client.close();
  await second.close();
  await Promise.all([old.close(), fresh.close()]);
});
