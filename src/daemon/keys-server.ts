import type { Server } from "node:http";
import type { AddressInfo, Server as ListeningServer } from "node:net";
import { createServer as createSecureServer, type TlsOptions } from "node:tls";
import type { Cluster, MemberChanges } from "../keys/cluster.ts";
import { openLocalKeyspace } from "../keys/local-keyspace.ts";
import type { ProcessFacts } from "../keys/metrics.ts";
import { KeysApi } from "../keys/server.ts";
import type { Gathering } from "../keys/writer.ts";
import type { Env } from "../lib/env.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";
import type { Store } from "../store/store.ts";
import { addressText, listen, type ListenAddress } from "./listen-sockets.ts";
import type { DaemonProcess } from "./run-daemon.ts";

/** How long requests that are under way at the stop may take; the keyspace itself limits them to 7 s. */
const lastRequestsMs = 8_000;

/** How long writes that are expected are waited for, in ms. */
const gatherMs = 4;
const gathering: Gathering = {
  soon: (work) => void setImmediate(work),
  later: (work) => void setTimeout(work, gatherMs),
};

/** A store, and what is known of those that keep it. */
export interface StoreBehindKeys {
  readonly store: Store;
  /** Rejects with a Fault when nobody answers. */
  readonly cluster: () => Promise<Cluster>;
  /** Left out where the members cannot be changed over the v2 API. */
  readonly members?: MemberChanges;
  /** Frees what `cluster` holds; the store is closed by `serveKeys`. */
  readonly close: () => void;
}

/** An address for other machines. */
export interface KeysAddress {
  readonly host: string;
  readonly port: number;
  /** Undefined for http. */
  readonly tls: TlsOptions | undefined;
}

/** How the v2 keys are served. */
export interface KeysService {
  readonly behind: StoreBehindKeys;
  readonly listenOn: readonly ListenAddress[];
  /** Further addresses, where they can be had: one that is not this machine's yet keeps nothing else from being served. */
  readonly alsoOn?: readonly KeysAddress[];
  /** What `/v2/machines` tells clients; undefined: the addresses that are listened on. */
  readonly advertised: readonly string[] | undefined;
  /** Called once every address is listened on; with their http addresses where they have one. */
  readonly ready: (addresses: readonly string[]) => Promise<void> | void;
}

/**
 * Serves the v2 keys until the signal is aborted, then lets requests that are under way end, and closes the store.
 * Throws Fault `cannot-listen`.
 */
export async function serveKeys(
  env: Env,
  signal: AbortSignal,
  daemon: Pick<DaemonProcess, "setLogLevel">,
  service: KeysService,
): Promise<void> {
  const { behind, listenOn, ready } = service;
  const ending = new AbortController();
  const keyspace = openLocalKeyspace(env, behind.store, ending.signal, gathering);
  const clientUrls: string[] = [...(service.advertised ?? [])];
  const surroundings = {
    clientUrls,
    cluster: behind.cluster,
    members: behind.members,
    processFacts,
    setLogLevel: daemon.setLogLevel,
  };
  const api = new KeysApi(env, keyspace, surroundings, signal);
  const servers: { readonly server: Server; readonly outer: ListeningServer }[] = [];
  try {
    const addresses: string[] = [];
    for (const address of listenOn) {
      const server = api.createServer();
      await listen(server, address);
      servers.push({ server, outer: server });
      addresses.push(...httpAddressOf(server));
      env.log.info(`serves the v2 keys on ${addressText(address)}`);
    }
    for (const address of service.alsoOn ?? []) {
      const found = await listenAlso(env, api, address);
      if (found !== undefined) servers.push(found);
    }
    if (service.advertised === undefined) clientUrls.push(...addresses.map(reachable));
    // Clients may come now: without the store they are answered with error 300, and served as soon as it is there.
    await ready(addresses);
    await aborted(signal);
  } finally {
    await Promise.all(servers.map(({ server, outer }) => closeServer(env, server, outer)));
    ending.abort(new Fault("ending", "etcd ends"));
    await keyspace.ended;
    behind.close();
    await behind.store.close();
  }
}

/** The servers that serve this address; undefined when it cannot be had. */
async function listenAlso(env: Env, api: KeysApi, { host, port, tls }: KeysAddress) {
  const server = api.createServer();
  // Behind TLS the server gets connections that are decrypted already, and listens for none itself.
  const outer =
    tls === undefined
      ? server
      : createSecureServer(tls, (socket) => {
          server.emit("connection", socket);
        });
  const where = `${tls === undefined ? "http" : "https"}://${host}:${port}`;
  try {
    await listen(outer, { host, port });
  } catch (error) {
    const again = "systemctl restart etcd tries again";
    env.log.warning(`does not serve the v2 keys at ${where}: ${sentenceOf(error)}; ${again}`);
    return undefined;
  }
  outer.on("tlsClientError", (error: Error) =>
    env.log.debug("a client of the keys was not let in", { why: error.message }),
  );
  env.log.info(`serves the v2 keys on ${where}`);
  return { server, outer };
}

/** What `/debug/vars` and `/metrics` tell of this process. */
export function processFacts(): ProcessFacts {
  const { rss, heapUsed } = process.memoryUsage();
  return { commandLine: process.argv, residentBytes: rss, heapBytes: heapUsed };
}

/** Where a server that listens is reached; none for a socket that is a path. */
export function httpAddressOf(server: Server): readonly string[] {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === "string") return [];
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return [`http://${host}:${address.port}`];
}

/** An address that stands for all of this machine's is told as the one that clients on it can use. */
function reachable(address: string): string {
  return address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//127.0.0.1:");
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/**
 * Takes no more connections and lets the requests under way end; cuts those that do not.
 * @param outer what listens, where that is another
 */
export async function closeServer(env: Env, server: Server, outer: ListeningServer = server): Promise<void> {
  const done = new AbortController();
  const closed = new Promise<void>((resolve) => outer.close(() => resolve()));
  server.closeIdleConnections();
  const cut = env.clock.sleep(lastRequestsMs, done.signal).then(
    () => server.closeAllConnections(),
    () => undefined,
  );
  await closed;
  done.abort();
  await cut;
}
