import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import type { RequestOptions } from "node:https";
import { isIP } from "node:net";
import process from "node:process";
import { hostname, userInfo } from "node:os";
import { Fault, reasonOf, sentenceOf } from "../lib/fault.ts";
import { productVersion } from "../lib/version.ts";
import { userHeader } from "./api-caller.ts";
import type { Transport } from "./api-client.ts";
import { defaultEndpoint, defaultSocket, socketGroup } from "./api-socket.ts";
import { mostPageLimit, pageLimitHeader } from "./api-paging.ts";
import type { Answer } from "./client-answer.ts";
import { type PlainEnd, PlainHttp } from "./plain-http.ts";

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
  const most = through === undefined ? mostConnections : mostThroughTunnel;
  const sender = {
    Host: target.hostHeader,
    "User-Agent": `argosy/${productVersion}`,
    // Three hundred states in one page: to ask for pages one after the other takes longer than to read them.
    [pageLimitHeader]: String(mostPageLimit),
  };
  let user: string | undefined;
  const end = through === undefined ? endOf(target.at) : { path: through(target.at) };
  const send = target.secure ? overTls(target, end, most, tls) : plainly(end, most);
  return async (method, path, body, signal) => {
    const why = (error: unknown): unknown =>
      signal?.aborted === true ? signal.reason : unreachable(endpoint, error);
    const headers = {
      ...sender,
      // The history tells of changes only, and to find out who one is may take asking a directory.
      ...(method === "GET" ? {} : { [userHeader]: (user ??= whoami()) }),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    };
    try {
      const {
        status,
        headerOf,
        body: pieces,
      } = await send({
        method,
        path,
        headers,
        ...(body === undefined ? {} : { body }),
        ...(signal === undefined ? {} : { signal }),
      });
      return answerOf(status, headerOf, piecesOf(pieces, why));
    } catch (error) {
      throw why(error);
    }
  };
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

/** Sends one request; resolves when the head of the answer has come. */
type Send = (request: Sent) => Promise<{
  readonly status: number;
  readonly headerOf: (name: string) => string | null;
  readonly body: AsyncIterable<Uint8Array>;
}>;

function plainly(end: PlainEnd, most: number): Send {
  const http = new PlainHttp(end, most);
  return async ({ signal, ...request }) => {
    const { status, headers, body } = await http.send(request, signal);
    return { status, headerOf: (name) => headers.get(name.toLowerCase()) ?? null, body };
  };
}

/** Loaded when it is needed: most endpoints are sockets, and https alone takes longer than all else that a short command does. */
function overTls({ at }: Target, end: PlainEnd, most: number, tls: TlsFiles): Send {
  const https = process.getBuiltinModule("node:https");
  const agent = new https.Agent({ keepAlive: true, maxSockets: most, ...readTls(tls) });
  const server = "host" in at ? expectedServer(at.host) : {};
  const connect = "path" in end ? { socketPath: end.path } : end;
  return ({ method, path, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const length = body === undefined ? {} : { "Content-Length": Buffer.byteLength(body) };
      const request = https.request({
        ...connect,
        ...server,
        method,
        path,
        headers: { ...headers, ...length },
        agent,
        ...(signal === undefined ? {} : { signal }),
      });
      request.on("response", (incoming: IncomingMessage) => {
        const headerOf = (name: string): string | null => {
          const value = incoming.headers[name.toLowerCase()];
          return typeof value === "string" ? value : null;
        };
        resolve({
          status: incoming.statusCode ?? 500,
          headerOf,
          body: incoming as AsyncIterable<Uint8Array>,
        });
      });
      request.on("error", reject);
      request.end(body);
    });
}

/** Whom the certificate has to be for, whatever socket leads there. TLS sends names alone, no addresses (RFC 6066, section 3). */
function expectedServer(host: string): Pick<RequestOptions, "servername" | "checkServerIdentity"> {
  if (isIP(host) === 0) return { servername: host };
  const { checkServerIdentity } = process.getBuiltinModule("node:tls");
  return {
    servername: "",
    checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
  };
}

function endOf(at: ListeningAt): PlainEnd {
  return "socket" in at ? { path: at.socket } : at;
}

/** For whom this process acts, as the history of the cluster shows it: `core@laptop`. */
function whoami(): string {
  const name = userName();
  return name === undefined ? hostname() : `${name}@${hostname()}`;
}

/** In a container a process may run as a user that has no name. */
function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}

function answerOf(
  status: number,
  headerOf: (name: string) => string | null,
  body: AsyncIterable<Uint8Array>,
): Answer {
  return {
    ok: status >= 200 && status < 300,
    status,
    headers: { get: headerOf },
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
  body: AsyncIterable<Uint8Array>,
  why: (error: unknown) => unknown,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw why(error);
  }
}

interface Target {
  readonly secure: boolean;
  readonly at: ListeningAt;
  readonly hostHeader: string;
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

/** Those that Node brings along, and those that this system has. */
function trustedHere(): string[] {
  const { getCACertificates } = process.getBuiltinModule("node:tls");
  return [...getCACertificates("default"), ...getCACertificates("system")];
}

function readTls(tls: TlsFiles): { key?: string; cert?: string; ca: string | string[] } {
  return {
    ...(tls.keyFile === "" ? {} : { key: readText(tls.keyFile) }),
    ...(tls.certFile === "" ? {} : { cert: readText(tls.certFile) }),
    ca: tls.caFile === "" ? trustedHere() : readText(tls.caFile),
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Fault("file-unreadable", `cannot read ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

const unknownAuthority =
  "nobody who is trusted here has signed its certificate; --ca-file or FLEETCTL_CA_FILE names who has";

function unreachable(endpoint: string, error: unknown): Fault {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const why = causes.get(code) ?? sentenceOf(error);
  const notAdmitted = code === "EACCES" && endpoint.endsWith(defaultSocket);
  return new Fault(
    "endpoint-unreachable",
    `Cannot reach the fleet API at ${endpoint}: ${why}. ${notAdmitted ? howToBeAdmitted() : whatToCheck}`,
    { cause: error },
  );
}

const whatToCheck =
  "Check fleet.socket and fleet.service there, or name another endpoint with --endpoint or FLEETCTL_ENDPOINT.";

/** Who may not open a socket is told who may. */
function howToBeAdmitted(): string {
  return (
    `The socket is for root and the group ${socketGroup}: use sudo, ` +
    `or join with "sudo usermod --append --groups ${socketGroup} ${userName() ?? "USER"}" and log in again.`
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
  ["EAI_AGAIN", "the name cannot be looked up"],
  ["ENETUNREACH", "there is no network that leads to it"],
  ["EPROTO", "it does not speak TLS as https demands; fleet itself serves http"],
  ...[
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  ].map((code) => [code, unknownAuthority] as const),
  ["CERT_HAS_EXPIRED", "its certificate has expired"],
  ["ERR_OSSL_PEM_NO_START_LINE", "--cert-file or --key-file does not hold what its name says"],
]);
