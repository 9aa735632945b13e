import type { KeysServerOptions, KeysServerStore } from "../argosy/etcd-command.ts";
import { clusterNamed } from "../keys/cluster.ts";
import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import { serveKeys, type StoreBehindKeys } from "./keys-server.ts";
import { takeInheritedSockets, type ListenAddress } from "./listen-sockets.ts";
import { findAddress, readMachineId } from "./machine-facts.ts";
import { realInformants } from "./informants.ts";
import { realMemberMachine } from "./member-machine.ts";
import { runDaemon } from "./run-daemon.ts";
import { addresses, addressesIfAny, text } from "./setting-kinds.ts";
import { readSettings, type SettingTable } from "./settings.ts";

/** The settings of `etcd.service`, all from the environment. */
export const etcdSettings = {
  /** Client addresses of a store elsewhere; none on a machine that finds its cluster by itself. */
  storeEndpoints: addressesIfAny({ environment: "ARGOSY_STORE_ENDPOINTS", default: "" }),
  /** The address other machines reach this one at, where the cloud told it (CoreOS's /etc/environment). */
  privateAddress: text({ environment: "COREOS_PRIVATE_IPV4", default: "" }),
  /** Where to listen when systemd passes no socket; also what `/v2/machines` tells clients. */
  clientUrls: addresses({ environment: "ARGOSY_ETCD_CLIENT_URLS", default: "http://127.0.0.1:4001" }),
} satisfies SettingTable;

/** The program of `etcd.service`: the v2 keys API of one machine. Returns its exit code. */
export async function main(): Promise<number> {
  return runDaemon("etcd", async (env, signal, daemon) => {
    const { settings } = readSettings(etcdSettings, process.env);
    const inherited = takeInheritedSockets();
    const listenOn = inherited.length > 0 ? inherited : settings.clientUrls.map(addressOf);
    const { MachineStore } = await import("./machine-store.ts");
    const { privateAddress, storeEndpoints, clientUrls } = settings;
    const machine = realMemberMachine({
      id: await readMachineId(),
      address: privateAddress === "" ? await findAddress() : privateAddress,
      storeEndpoints,
      environment: process.env,
    });
    const behind = new MachineStore(env, machine, realInformants);
    const ending = new AbortController();
    const running = behind.run(AbortSignal.any([signal, ending.signal]));
    const ready = (): Promise<void> => daemon.notifier.ready();
    const service = { behind, listenOn, advertised: clientUrls, ready };
    const serving = serveKeys(env, AbortSignal.any([signal, ending.signal]), daemon, service);
    try {
      await Promise.all([running, serving]);
    } finally {
      ending.abort(new Fault("ending", "etcd ends"));
      await Promise.allSettled([running, serving]);
    }
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

/** The host and port of a client address; without a port the one of its scheme. */
function addressOf(clientUrl: string): ListenAddress {
  const { hostname, port, protocol } = new URL(clientUrl);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return { host, port: port === "" ? (protocol === "https:" ? 443 : 80) : Number(port) };
}
