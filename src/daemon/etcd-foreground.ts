import type { KeysServerOptions, KeysServerStore } from "../argosy/etcd-command.ts";
import { clusterNamed } from "../keys/cluster.ts";
import type { Env } from "../lib/env.ts";
import { serveKeys, type StoreBehindKeys } from "./keys-server.ts";
import { runDaemon } from "./run-daemon.ts";

// Apart from etcd.service, whose part in a cluster takes longer to read than all that is needed here.

/** The program of `argosy etcd`: the v2 keys API as the command line says. Returns its exit code. */
export async function serveInForeground(options: KeysServerOptions): Promise<number> {
  return runDaemon("etcd", async (env, signal, daemon) => {
    const { store, name, listenOn, advertised } = options;
    const behind = await storeBehind(env, store, name);
    await serveKeys(env, signal, daemon, {
      behind,
      listenOn,
      advertised: advertised.length > 0 ? advertised : undefined,
      ready: (where) => {
        for (const address of where) process.stdout.write(`serves the v2 keys on ${address}\n`);
      },
    });
  });
}

/** The store that a command line names; `name` is that of an embedded store's one member. */
export async function storeBehind(env: Env, store: KeysServerStore, name: string): Promise<StoreBehindKeys> {
  return store.kind === "etcd"
    ? await behindEtcd(env, store.endpoints)
    : await behindEmbedded(env, store.folder, name);
}

/** Its library is read only where it is used, since that takes as long as everything else together. */
async function behindEtcd(env: Env, endpoints: readonly string[]): Promise<StoreBehindKeys> {
  const { openEtcdStore } = await import("../store/etcd/etcd-store.ts");
  const { openClusterAdmin } = await import("../store/etcd/cluster-admin.ts");
  const admin = openClusterAdmin(env, { endpoints });
  return {
    store: openEtcdStore(env, { endpoints }),
    cluster: async () => {
      const { members, leader, asked } = await admin.read();
      return { members, leader, own: asked };
    },
    members: {
      add: async (peerUrls) => admin.addVoter(peerUrls),
      update: async (id, peerUrls) => admin.update(id, peerUrls),
      remove: async (id) => admin.remove(id),
    },
    close: () => admin.close(),
  };
}

async function behindEmbedded(env: Env, folder: string, name: string): Promise<StoreBehindKeys> {
  const { openEmbeddedStore } = await import("../store/embedded/embedded-store.ts");
  const store = await openEmbeddedStore(folder, env);
  const cluster = clusterNamed(name, BigInt(store.names.memberId).toString(16));
  return {
    store,
    cluster: () => Promise.resolve(cluster),
    close: () => undefined,
  };
}
