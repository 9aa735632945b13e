import type { KeysServerOptions, KeysServerStore } from "../argosy/etcd-command.ts";
import type { Env } from "../lib/env.ts";
import { behindEmbedded, serveInForegroundOver } from "./embedded-foreground.ts";
import type { StoreBehindKeys } from "./keys-server.ts";

// Apart from etcd.service, whose part in a cluster takes longer to read than all that is needed here.

/** The program of `argosy etcd`: the v2 keys API as the command line says. Returns its exit code. */
export async function serveInForeground(options: KeysServerOptions): Promise<number> {
  return await serveInForegroundOver(options, (env) => storeBehind(env, options.store, options.name));
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
