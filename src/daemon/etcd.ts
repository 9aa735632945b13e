import type { Server } from "node:http";
import { openLocalKeyspace } from "../keys/local-keyspace.ts";
import type { ProcessFacts } from "../keys/metrics.ts";
import type { Surroundings } from "../keys/other-endpoints.ts";
import { KeysApi } from "../keys/server.ts";
import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import { openMemberReader } from "../store/etcd/cluster-members.ts";
import { openEtcdStore } from "../store/etcd/etcd-store.ts";
import { addressText, listen, takeInheritedSockets, type ListenAddress } from "./listen-sockets.ts";
import { runDaemon, type DaemonProcess } from "./run-daemon.ts";
import { addresses } from "./setting-kinds.ts";
import { readSettings, type SettingTable } from "./settings.ts";

/** How long requests that are under way at the stop may take; the keyspace itself limits them to 7 s. */
const lastRequestsMs = 8_000;

/** The settings of `etcd.service`, all from the environment. */
export const etcdSettings = {
  /** Client addresses of the store. */
  storeEndpoints: addresses({ environment: "ARGOSY_STORE_ENDPOINTS", default: "http://127.0.0.1:2379" }),
  /** Where to listen when systemd passes no socket; also what `/v2/machines` tells clients. */
  clientUrls: addresses({ environment: "ARGOSY_ETCD_CLIENT_URLS", default: "http://127.0.0.1:4001" }),
} satisfies SettingTable;

/** The program of `etcd.service`: the v2 keys API of one machine. Returns its exit code. */
export async function main(): Promise<number> {
  return runDaemon("etcd", run);
}

async function run(env: Env, signal: AbortSignal, daemon: DaemonProcess): Promise<void> {
  const { settings } = readSettings(etcdSettings, process.env);
  const inherited = takeInheritedSockets();
  const listenOn = inherited.length > 0 ? inherited : settings.clientUrls.map(addressOf);
  const store = openEtcdStore(env, { endpoints: settings.storeEndpoints });
  const ending = new AbortController();
  const keyspace = openLocalKeyspace(env, store, ending.signal);
  const memberReader = openMemberReader(env, { endpoints: settings.storeEndpoints });
  const surroundings: Surroundings = {
    clientUrls: settings.clientUrls,
    cluster: async () => {
      const { members, leader, asked } = await memberReader.read();
      return { members, leader, own: asked };
    },
    processFacts,
    setLogLevel: (level) => daemon.setLogLevel(level),
  };
  const api = new KeysApi(env, keyspace, surroundings, signal);
  const servers: Server[] = [];
  try {
    for (const address of listenOn) {
      const server = api.createServer();
      await listen(server, address);
      servers.push(server);
      env.log.info(`serves the v2 keys on ${addressText(address)}`);
    }
    // Clients may come now: without the store they are answered with error 300, and served as soon as it is there.
    await daemon.notifier.ready();
    await aborted(signal);
  } finally {
    await Promise.all(servers.map((server) => closeServer(env, server)));
    ending.abort(new Fault("ending", "etcd ends"));
    await keyspace.ended;
    memberReader.close();
    await store.close();
  }
}

/** What `/debug/vars` and `/metrics` tell of this process. */
function processFacts(): ProcessFacts {
  const { rss, heapUsed } = process.memoryUsage();
  return { commandLine: process.argv, residentBytes: rss, heapBytes: heapUsed };
}

/** The host and port of a client address; without a port the one of its scheme. */
function addressOf(clientUrl: string): ListenAddress {
  const { hostname, port, protocol } = new URL(clientUrl);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return { host, port: port === "" ? (protocol === "https:" ? 443 : 80) : Number(port) };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Takes no more connections and lets the requests under way end; cuts those that do not. */
async function closeServer(env: Env, server: Server): Promise<void> {
  const done = new AbortController();
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cut = env.clock.sleep(lastRequestsMs, done.signal).then(
    () => server.closeAllConnections(),
    () => undefined,
  );
  await closed;
  done.abort();
  await cut;
}
