import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { storeContract } from "../contract.ts";
import { silentEnv } from "../contract-tools.ts";
import { openEmbeddedStore, type EmbeddedStore } from "../embedded/embedded-store.ts";
import { openEtcdStore } from "../etcd/etcd-store.ts";
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
