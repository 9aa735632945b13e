import type { EtcdVariables } from "./environment.ts";
import { urlsIn } from "./environment.ts";

/** Variables of old etcds in the words of the etcd of today, and what of them means nothing any more. */
export interface ModernSettings {
  readonly variables: EtcdVariables;
  /** One sentence for each variable that has no effect. */
  readonly problems: readonly string[];
}

/** Where etcd 0.4 let its peers listen when nobody said it. */
const oldPeerPort = "7001";
const clientPort = "2379";
/** The timeout that etcd 2 had when nobody said another. */
const usualElectionMs = 1_000;

/** Variables that have another name by now, with the same meaning. */
const renamed: Readonly<Record<string, string>> = {
  ETCD_SNAPSHOTCOUNT: "ETCD_SNAPSHOT_COUNT",
  ETCD_PEER_HEARTBEAT_INTERVAL: "ETCD_HEARTBEAT_INTERVAL",
  ETCD_PEER_ELECTION_TIMEOUT: "ETCD_ELECTION_TIMEOUT",
};

/** Files of an authority: naming one asked clients for certificates, too (etcd 2.3, "--ca-file is deprecated"). */
const authorities: readonly (readonly [string, string, string])[] = [
  ["ETCD_CA_FILE", "ETCD_TRUSTED_CA_FILE", "ETCD_CLIENT_CERT_AUTH"],
  ["ETCD_PEER_CA_FILE", "ETCD_PEER_TRUSTED_CA_FILE", "ETCD_PEER_CLIENT_CERT_AUTH"],
];

/** What etcd 0.4 and 2 could be told and etcd 3 does not know. */
const withoutEffect: readonly string[] = [
  "ETCD_CLUSTER_ACTIVE_SIZE",
  "ETCD_CLUSTER_REMOVE_DELAY",
  "ETCD_CLUSTER_SYNC_INTERVAL",
  "ETCD_GRAPHITE_HOST",
  "ETCD_HTTP_READ_TIMEOUT",
  "ETCD_HTTP_WRITE_TIMEOUT",
  "ETCD_LOG_PACKAGE_LEVELS",
  "ETCD_MAX_RESULT_BUFFER",
  "ETCD_MAX_RETRY_ATTEMPTS",
  "ETCD_PEERS_FILE",
  "ETCD_PROXY_DIAL_TIMEOUT",
  "ETCD_PROXY_FAILURE_WAIT",
  "ETCD_PROXY_READ_TIMEOUT",
  "ETCD_PROXY_REFRESH_INTERVAL",
  "ETCD_PROXY_WRITE_TIMEOUT",
  "ETCD_RETRY_INTERVAL",
  "ETCD_SNAPSHOT",
  "ETCD_TRACE",
];

/** Variables that only asked for more words in the log. */
const talkative: readonly string[] = [
  "ETCD_DEBUG",
  "ETCD_VERBOSE",
  "ETCD_VERY_VERBOSE",
  "ETCD_VERY_VERY_VERBOSE",
];

/** Addresses of etcd 0.4, without a scheme; they become URLs. */
const oldAddresses: readonly string[] = [
  "ETCD_ADDR",
  "ETCD_BIND_ADDR",
  "ETCD_PEER_ADDR",
  "ETCD_PEER_BIND_ADDR",
  "ETCD_PEERS",
];

/**
 * Settings of etcd 0.4 and etcd 2, as old cloud-configs have them, in the words of today's etcd. What is set in those words
 * already wins. The port of the v2 keys (`addr`) is not etcd's: `keysListeners` says what becomes of it.
 * @param address this machine's own; stands for one that was left empty
 */
export function modernSettings(given: EtcdVariables, address: string): ModernSettings {
  const made: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    const isGone = [...withoutEffect, ...talkative, ...oldAddresses].includes(name);
    if (renamed[name] !== undefined) made[renamed[name]] ??= value;
    else if (!isGone && !authorities.some(([old]) => old === name)) made[name] = value;
  }
  for (const [old, file, demand] of authorities) {
    const path = given[old] ?? "";
    if (path === "" || (given[file] ?? "") !== "") continue;
    made[file] = path;
    made[demand] ??= "true";
  }
  // etcd wants at least five heartbeats within the timeout, and its usual one is short here.
  const heartbeatMs = Number(made["ETCD_HEARTBEAT_INTERVAL"] ?? "");
  if (heartbeatMs > 0 && (made["ETCD_ELECTION_TIMEOUT"] ?? "") === "")
    made["ETCD_ELECTION_TIMEOUT"] = String(Math.max(usualElectionMs, heartbeatMs * 10));
  if (talkative.some((name) => given[name] === "true")) made["ETCD_LOG_LEVEL"] ??= "debug";
  // Today's etcd has no proxies, and does not start with a word of theirs.
  if (made["ETCD_PROXY"] === "off") delete made["ETCD_PROXY"];
  for (const [name, value] of Object.entries(oldAddressVariables(given, address))) made[name] ??= value;
  return {
    variables: made,
    problems: withoutEffect
      .filter((name) => (given[name] ?? "") !== "")
      .map((name) => `${name} has no effect: today's etcd has no such setting`),
  };
}

function oldAddressVariables(given: EtcdVariables, own: string): EtcdVariables {
  const peerScheme = (given["ETCD_PEER_CERT_FILE"] ?? "") === "" ? "http" : "https";
  const scheme = (given["ETCD_CERT_FILE"] ?? "") === "" ? "http" : "https";
  const made: Record<string, string> = {};
  const told = given["ETCD_ADDR"] ?? given["ETCD_BIND_ADDR"];
  const client = hostOf(told, own);
  if (client !== "" && told !== undefined) {
    const url = `${scheme}://${client}:${clientPort}`;
    made["ETCD_ADVERTISE_CLIENT_URLS"] = url;
    made["ETCD_LISTEN_CLIENT_URLS"] =
      `http://127.0.0.1:${clientPort},${isAddress(client) ? url : `${scheme}://${own}:${clientPort}`}`;
  }
  const peer = hostOf(given["ETCD_PEER_ADDR"] ?? (told === undefined ? undefined : client), own);
  if (peer !== "" && (given["ETCD_PEER_ADDR"] !== undefined || told !== undefined)) {
    const port = portOf(given["ETCD_PEER_ADDR"]) ?? oldPeerPort;
    const bound = hostOf(given["ETCD_PEER_BIND_ADDR"], "") || (isAddress(peer) ? peer : "0.0.0.0");
    made["ETCD_INITIAL_ADVERTISE_PEER_URLS"] = `${peerScheme}://${peer}:${port}`;
    made["ETCD_LISTEN_PEER_URLS"] =
      `${peerScheme}://${bound}:${portOf(given["ETCD_PEER_BIND_ADDR"]) ?? port}`;
  }
  return { ...made, ...oldPeers(given, made["ETCD_INITIAL_ADVERTISE_PEER_URLS"] ?? "", peerScheme) };
}

/** `peers` of etcd 0.4: a list with this machine in it is the members; without it they are those that it uses. */
function oldPeers(given: EtcdVariables, ownUrl: string, scheme: string): EtcdVariables {
  const urls = urlsIn(given["ETCD_PEERS"]).map((peer) => {
    const host = hostOf(peer.replace(/^https?:\/\//, ""), "");
    return `${scheme}://${host}:${portOf(peer) ?? oldPeerPort}`;
  });
  if (urls.length === 0 || (given["ETCD_DISCOVERY"] ?? "") !== "") return {};
  const list = urls.map((url) => {
    const called = url === ownUrl ? (given["ETCD_NAME"] ?? "") : "";
    return `${called || url.replace(/^https?:\/\//, "").replaceAll(/[^\w.-]/g, "-")}=${url}`;
  });
  return {
    ETCD_INITIAL_CLUSTER: list.join(","),
    ...(urls.includes(ownUrl) ? {} : { ETCD_PROXY: "on" }),
  };
}

/** Where the v2 keys are served besides this machine's own addresses. */
export interface KeysListener {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
}

/**
 * Where old settings want the keys: at `addr` or `bind-addr` of etcd 0.4, and at the port 4001 among the addresses of etcd
 * 2. An address that stands for all becomes `own`: at the loopback interface the keys are served anyway.
 */
export function keysListeners(given: EtcdVariables, own: string): readonly KeysListener[] {
  const secure = (given["ETCD_CERT_FILE"] ?? "") !== "";
  const bound = given["ETCD_BIND_ADDR"];
  const told = given["ETCD_ADDR"] ?? bound;
  const wanted: KeysListener[] = [];
  if (told !== undefined) {
    const host = hostOf(bound, "") || hostOf(told, own);
    wanted.push({ host, port: Number(portOf(bound) ?? portOf(told) ?? 4001), secure });
  }
  for (const text of urlsIn(given["ETCD_LISTEN_CLIENT_URLS"])) {
    const url = URL.parse(text);
    if (url?.port === "4001")
      wanted.push({
        host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
        port: 4001,
        secure: url.protocol === "https:",
      });
  }
  const found = wanted
    .map(({ host, ...rest }) => ({ host: isEvery(host) || !isAddress(host) ? own : host, ...rest }))
    .filter(({ host, port }) => host !== "" && !isLoopback(host) && port > 0 && port !== 2379);
  return [...new Map(found.map((each) => [`${each.host} ${each.port}`, each])).values()];
}

/** What `/v2/machines` tells clients on a machine whose keys are served to others, as URLs. */
export function keysUrls(listeners: readonly KeysListener[]): readonly string[] {
  return listeners.map(({ host, port, secure }) => {
    const inUrl = host.includes(":") ? `[${host}]` : host;
    return `${secure ? "https" : "http"}://${inUrl}:${port}`;
  });
}

/** Files that secure connections to members, by their paths; empty text for none. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** The same for what members ask each other, which a machine that looks for them begins with. */
export function peerTlsFiles(modern: EtcdVariables): TlsFiles | undefined {
  const one = (name: string): string => modern[`ETCD_PEER_${name}`] || modern[`ETCD_${name}`] || "";
  const files = { ca: one("TRUSTED_CA_FILE"), cert: one("CERT_FILE"), key: one("KEY_FILE") };
  return files.ca === "" && files.cert === "" ? undefined : files;
}

/**
 * With which files this machine's daemons ask members over https: those of etcd's clients, or where a machine was only
 * given those between members, as a proxy of etcd 2, these. Undefined without an authority and a certificate.
 */
export function clientTlsFiles(modern: EtcdVariables): TlsFiles | undefined {
  const one = (name: string): string => modern[`ETCD_${name}`] || modern[`ETCD_PEER_${name}`] || "";
  const files = { ca: one("TRUSTED_CA_FILE"), cert: one("CERT_FILE"), key: one("KEY_FILE") };
  return files.ca === "" && files.cert === "" ? undefined : files;
}

function hostOf(address: string | undefined, otherwise: string): string {
  const host = (address ?? "").replace(/^https?:\/\//, "").replace(/:\d*$/, "");
  return host.replace(/^\[(.*)\]$/, "$1") || otherwise;
}

function portOf(address: string | undefined): string | undefined {
  return /:(\d+)$/.exec(address ?? "")?.[1];
}

function isAddress(host: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(host) || host.includes(":");
}

function isEvery(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

function isLoopback(host: string): boolean {
  return host.startsWith("127.") || host === "::1";
}
