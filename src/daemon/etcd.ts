import type { KeysServerOptions, KeysServerStore } from "../argosy/etcd-command.ts";
import { clusterNamed } from "../keys/cluster.ts";
import type { Env } from "../lib/env.ts";
import { openMemoryStore } from "../store/memory.ts";
import { serveKeys, type StoreBehindKeys } from "./keys-server.ts";
import { takeInheritedSockets, type ListenAddress } from "./listen-sockets.ts";
import { runDaemon } from "./run-daemon.ts";
import { addresses } from "./setting-kinds.ts";
import { readSettings, type SettingTable } from "./settings.ts";

/** The settings of `etcd.service`, all from the environment. */
export const etcdSettings = {
  /** Client addresses of the store. */
  storeEndpoints: addresses({ environment: "ARGOSY_STORE_ENDPOINTS", default: "http://127.0.0.1:2379" }),
  /** Where to listen when systemd passes no socket; also what `/v2/machines` tells clients. */
  clientUrls: addresses({ environment: "ARGOSY_ETCD_CLIENT_URLS", default: "http://127.0.0.1:4001" }),
} satisfies SettingTable;

/** The program of `etcd.service`: the v2 keys API of one machine. Returns its exit code. */
export async function main(): Promise<number> {
  return runDaemon("etcd", async (env, signal, daemon) => {
    const { settings } = readSettings(etcdSettings, process.env);
    const inherited = takeInheritedSockets();
    const listenOn = inherited.length > 0 ? inherited : settings.clientUrls.map(addressOf);
    const behind = await behindEtcd(env, settings.storeEndpoints);
    const ready = (): Promise<void> => daemon.notifier.ready();
    await serveKeys(env, signal, daemon, { behind, listenOn, advertised: settings.clientUrls, ready });
  });
}

/** The program of `argosy etcd`: the same in the foreground, as the command line says. Returns its exit code. */
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
  return store.kind === "etcd" ? await behindEtcd(env, store.endpoints) : behindEmbedded(env, name);
}

/** Its library is read only where it is used, since that takes as long as everything else together. */
async function behindEtcd(env: Env, endpoints: readonly string[]): Promise<StoreBehindKeys> {
  const { openEtcdStore } = await import("../store/etcd/etcd-store.ts");
  const { openMemberReader } = await import("../store/etcd/cluster-members.ts");
  const reader = openMemberReader(env, { endpoints });
  return {
    store: openEtcdStore(env, { endpoints }),
    cluster: async () => {
      const { members, leader, asked } = await reader.read();
      return { members, leader, own: asked };
    },
    close: () => reader.close(),
  };
}

function behindEmbedded(env: Env, name: string): StoreBehindKeys {
  return {
    store: openMemoryStore(env),
    cluster: () => Promise.resolve(clusterNamed(name)),
    close: () => undefined,
  };
}

/** The host and port of a client address; without a port the one of its scheme. */
function addressOf(clientUrl: string): ListenAddress {
  const { hostname, port, protocol } = new URL(clientUrl);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return { host, port: port === "" ? (protocol === "https:" ? 443 : 80) : Number(port) };
}
