import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { Fault } from "../lib/fault.ts";
import type { ClientRequest, ClientResponse, ClientTransport } from "./client.ts";
import { certificateTrouble, readTls, type TlsIdentity } from "./client-tls.ts";

/** Bytes of an answer that are read at most; a whole keyspace may come in one. */
const mostAnswerBytes = 512 * 1024 * 1024;
const mostConnections = 16;

/** Real sockets for a `ClusterClient`. Throws Fault `file-unreadable` for the files of TLS. */
export function clientTransport(tls: TlsIdentity): ClientTransport {
  const pool = { keepAlive: true, maxSockets: mostConnections };
  const plain = new HttpAgent(pool);
  const secure = new HttpsAgent({ ...pool, secureContext: readTls(tls) });
  return async (request) => {
    const url = splitUrl(request.url);
    const isSecure = url.scheme === "https";
    if (!isSecure && url.scheme !== "http") {
      throw new Fault("bad-endpoint", `unsupported protocol scheme "${url.scheme}"`);
    }
    const port = url.port === "" ? (isSecure ? 443 : 80) : Number(url.port);
    const { promise, resolve, reject } = Promise.withResolvers<ClientResponse>();
    const send = isSecure ? requestHttps : requestHttp;
    const outgoing = send({
      host: url.host,
      port,
      method: request.method,
      path: url.path,
      agent: isSecure ? secure : plain,
      ...serverNameFor(url.host, tls.serverName),
      signal: request.signal,
      headers: {
        ...request.headers,
        ...(request.body !== undefined && { "Content-Length": Buffer.byteLength(request.body) }),
      },
    });
    const limits = limitsOf(request, (fault) => outgoing.destroy(fault));
    outgoing.on("error", (error) => {
      if (request.signal.aborted) reject(request.signal.reason as Error);
      else reject(error instanceof Fault ? error : connectionFault(error, `${url.shownHost}:${port}`));
    });
    outgoing.on("response", (incoming) => {
      limits.headCame();
      readAnswer(incoming).then(resolve, (error: unknown) => outgoing.destroy(error as Error));
    });
    outgoing.end(request.body);
    try {
      return await promise;
    } finally {
      limits.end();
    }
  };
}

/** A name of TLS has no dot at its end (RFC 6066, 3), though DNS may give it one. */
function serverNameFor(host: string, wanted = ""): { servername?: string } {
  if (wanted !== "") return { servername: wanted };
  return host.endsWith(".") ? { servername: host.slice(0, -1) } : {};
}

function limitsOf(
  { headLimitMs, wholeLimitMs }: ClientRequest,
  stop: (fault: Fault) => void,
): { headCame(): void; end(): void } {
  const after = (ms: number | undefined, fault: Fault): NodeJS.Timeout | undefined =>
    ms === undefined ? undefined : setTimeout(() => stop(fault), ms);
  const head = after(headLimitMs, new Fault("head-late", "no answer in time"));
  const whole = after(wholeLimitMs, new Fault("answer-late", "no whole answer in time"));
  return {
    headCame: () => clearTimeout(head),
    end: () => {
      clearTimeout(head);
      clearTimeout(whole);
    },
  };
}

async function readAnswer(incoming: IncomingMessage): Promise<ClientResponse> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of incoming as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > mostAnswerBytes)
      throw new Fault("too-large", `the answer is longer than ${mostAnswerBytes} bytes`);
    pieces.push(piece);
  }
  return {
    status: incoming.statusCode ?? 0,
    header: (name) => String(incoming.headers[name] ?? ""),
    text: Buffer.concat(pieces).toString("utf8"),
  };
}

/** The parts of a URL, whose path goes out as it is: `URL` would resolve its dots, which is the server's to do. */
function splitUrl(text: string): {
  scheme: string;
  host: string;
  shownHost: string;
  port: string;
  path: string;
} {
  const [, scheme = "", name = "", port = "", path = ""] =
    /^([^:/]*):(?:\/\/)?(?:[^/@]*@)?(\[[^\]]*\]|[^:/?]*)(?::(\d*))?(.*)$/s.exec(text) ?? [];
  return {
    scheme: scheme.toLowerCase(),
    host: name.replace(/^\[|\]$/g, ""),
    shownHost: name,
    port,
    path: path.startsWith("/") ? path : `/${path}`,
  };
}

/** Trouble with a connection in the words of Go, which scripts look for. */
function connectionFault(error: Error, address: string): Fault {
  const code = "code" in error ? String(error.code) : "";
  const unconnected = dialTroubles.get(code);
  if (unconnected !== undefined) {
    return new Fault("not-connected", `dial tcp ${address}: ${unconnected}`, { cause: error });
  }
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    const host = address.replace(/:\d+$/, "");
    return new Fault("not-connected", `dial tcp: lookup ${host}: no such host`, { cause: error });
  }
  const certificate = certificateTrouble(error);
  if (certificate !== undefined) return new Fault("bad-certificate", certificate, { cause: error });
  // What Go tells of a server that closes without an answer, which is no trouble of the network.
  if (error.message === "socket hang up") return new Fault("connection-ended", "EOF", { cause: error });
  const lost = code === "ECONNRESET" ? "read: connection reset by peer" : error.message;
  return new Fault("broken-connection", lost, { cause: error });
}

const dialTroubles: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "connect: connection refused"],
  ["EHOSTUNREACH", "connect: no route to host"],
  ["ENETUNREACH", "connect: network is unreachable"],
  ["ETIMEDOUT", "i/o timeout"],
]);
