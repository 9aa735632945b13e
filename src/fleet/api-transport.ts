import { readFileSync } from "node:fs";
import {
  Agent as HttpAgent,
  type IncomingMessage,
  type RequestOptions,
  request as requestHttp,
} from "node:http";
import process from "node:process";
import { hostname, userInfo } from "node:os";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { productVersion } from "../lib/version.ts";
import { userHeader } from "./api-caller.ts";
import type { Transport } from "./api-client.ts";
import type { Answer } from "./client-answer.ts";

/** Where fleet's API is when nothing else is said. */
export const defaultEndpoint = "unix:///run/fleet.sock";

/** Files for TLS; all of them optional. Without `caFile` the system's authorities count. */
export interface TlsFiles {
  readonly keyFile: string;
  readonly certFile: string;
  readonly caFile: string;
}

/** Connections a client opens to one endpoint. */
const mostConnections = 16;
/** As many through a tunnel: a server of ssh takes no more than 10 sessions on one connection unless told otherwise. */
const mostThroughTunnel = 4;

/** Where an API listens: a socket in the file system, or an address. */
export type ListeningAt = { readonly socket: string } | { readonly host: string; readonly port: number };

/**
 * Opens the way to a fleet API; no connection is made yet.
 * @param endpoint `unix:///PATH`, `file:///PATH`, `http://ADDRESS:PORT` or `https://ADDRESS:PORT`
 * @param through gives a socket of this machine that leads to where the API listens, when it cannot be reached from here
 * Throws Fault `bad-endpoint`, or `file-unreadable` for the files of TLS.
 */
export function transportTo(
  endpoint: string,
  tls: TlsFiles,
  through?: (end: ListeningAt) => string,
): Transport {
  const target = readEndpoint(endpoint);
  const connect = connectOptions(target, through);
  const most = through === undefined ? mostConnections : mostThroughTunnel;
  const pool = { keepAlive: true, maxSockets: most };
  // Most endpoints are sockets; loading https for them would take a good part of a short command's time.
  const https = target.secure ? process.getBuiltinModule("node:https") : undefined;
  const agent = https === undefined ? new HttpAgent(pool) : new https.Agent({ ...pool, ...readTls(tls) });
  const sender = { "User-Agent": `argosy/${productVersion}`, [userHeader]: whoami() };
  return async (method, path, body, signal) =>
    await new Promise<Answer>((resolve, reject) => {
      const headers =
        body === undefined
          ? {}
          : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) };
      const options: RequestOptions = {
        ...connect,
        method,
        path,
        headers: { Host: target.hostHeader, ...sender, ...headers },
        agent,
        ...(signal === undefined ? {} : { signal }),
      };
      const request = https === undefined ? requestHttp(options) : https.request(options);
      const why = (error: Error): unknown =>
        signal?.aborted === true ? signal.reason : unreachable(endpoint, error);
      request.on("response", (incoming) => resolve(answerOf(incoming, why)));
      request.on("error", (error) => reject(why(error)));
      request.end(body);
    });
}

/** For whom this process acts, as the history of the cluster shows it: `core@laptop`. */
function whoami(): string {
  const host = hostname();
  try {
    return `${userInfo().username}@${host}`;
  } catch {
    // In a container a process may run as a user that has no name.
    return host;
  }
}

function answerOf(incoming: IncomingMessage, why: (error: Error) => unknown): Answer {
  const status = incoming.statusCode ?? 500;
  const body = piecesOf(incoming, why);
  return {
    ok: status >= 200 && status < 300,
    status,
    headers: {
      get: (name) => {
        const value = incoming.headers[name.toLowerCase()];
        return typeof value === "string" ? value : null;
      },
    },
    body,
    text: async () => {
      const pieces: Uint8Array[] = [];
      for await (const piece of body) pieces.push(piece);
      return Buffer.concat(pieces).toString("utf8");
    },
  };
}

/** The body as it comes; that it breaks off is told as that the endpoint cannot be reached. */
async function* piecesOf(
  incoming: IncomingMessage,
  why: (error: Error) => unknown,
): AsyncGenerator<Uint8Array> {
  try {
    yield* incoming as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw error instanceof Error ? why(error) : error;
  }
}

interface Target {
  readonly secure: boolean;
  readonly at: ListeningAt;
  readonly hostHeader: string;
}

function connectOptions({ at, secure }: Target, through?: (end: ListeningAt) => string): RequestOptions {
  // Without TLS no name is needed; an empty one spares Node the search for it.
  const servername = secure ? ("host" in at ? { servername: at.host } : {}) : { servername: "" };
  if (through !== undefined) return { socketPath: through(at), ...servername };
  return "socket" in at ? { socketPath: at.socket, ...servername } : { ...at, ...(secure ? {} : servername) };
}

function readEndpoint(endpoint: string): Target {
  if (!endpoint.includes(":")) throw new Fault("bad-endpoint", "URL scheme undefined");
  let url: URL;
  try {
    url = new URL(endpoint);
  } catch {
    throw new Fault(
      "bad-endpoint",
      `the endpoint "${endpoint}" is not a URL such as ${defaultEndpoint} or http://10.0.0.1:49153`,
    );
  }
  const scheme = url.protocol.slice(0, -1);
  if (scheme === "unix" || scheme === "file") {
    if (url.host !== "") {
      throw new Fault(
        "bad-endpoint",
        `unable to connect to host "${url.host}" with scheme "${scheme}"; write three slashes`,
      );
    }
    return {
      secure: false,
      at: { socket: decodeURIComponent(url.pathname) },
      hostHeader: "domain-sock",
    };
  }
  if (scheme !== "http" && scheme !== "https") {
    throw new Fault("bad-endpoint", `URL scheme "${scheme}" is not one of unix, file, http and https`);
  }
  const secure = scheme === "https";
  const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
  return { secure, at: { host: url.hostname.replace(/^\[|\]$/g, ""), port }, hostHeader: url.host };
}

function readTls(tls: TlsFiles): { key?: string; cert?: string; ca?: string } {
  return {
    ...(tls.keyFile === "" ? {} : { key: readText(tls.keyFile) }),
    ...(tls.certFile === "" ? {} : { cert: readText(tls.certFile) }),
    ...(tls.caFile === "" ? {} : { ca: readText(tls.caFile) }),
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Fault("file-unreadable", `cannot read ${path}: ${sentenceOf(error)}`, { cause: error });
  }
}

function unreachable(endpoint: string, error: Error): Fault {
  const code = "code" in error ? String(error.code) : "";
  const why = causes.get(code) ?? error.message;
  return new Fault(
    "endpoint-unreachable",
    `Cannot reach the fleet API at ${endpoint}: ${why}. ` +
      "Check fleet.socket and fleet.service there, or name another endpoint with --endpoint or FLEETCTL_ENDPOINT.",
    { cause: error },
  );
}

const causes: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "there is no such socket"],
  ["ECONNREFUSED", "nothing listens there"],
  ["EACCES", "permission denied"],
  ["ECONNRESET", "the connection was cut off"],
  ["EHOSTUNREACH", "there is no route to it"],
  ["ENOTFOUND", "the name is not known"],
  ["ETIMEDOUT", "it does not answer"],
]);
