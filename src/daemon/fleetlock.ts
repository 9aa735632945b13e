import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { FleetLockOptions } from "../argosy/fleetlock.ts";
import { ClusterClient } from "../keys/client.ts";
import { KeysClient } from "../keys/client-keys.ts";
import { clientTransport } from "../keys/client-transport.ts";
import type { Env } from "../lib/env.ts";
import { sentenceOf } from "../lib/fault.ts";
import { answerFleetLock, type FleetLockParts } from "../locksmith/fleet-lock.ts";
import { denied, type FleetLockAnswer, mostBodyBytes } from "../locksmith/fleet-lock-rules.ts";
import { RebootLock } from "../locksmith/reboot-lock.ts";
import { aborted, closeServer, httpAddressOf } from "./keys-server.ts";
import { listen } from "./listen-sockets.ts";
import { runDaemon } from "./run-daemon.ts";

const mostConnections = 1_000;
/** How long a client may take to send its request. */
const requestLimitMs = 10_000;
/** How long one request to the keys API may take to begin its answer, and all of one answer of ours together. */
const headLimitMs = 5_000;
const answerLimitMs = 30_000;

/** The program of `argosy fleetlock`. Returns its exit code. */
export async function serveFleetLock(options: FleetLockOptions): Promise<number> {
  return await runDaemon("fleetlock", async (env, signal) => {
    const parts = partsOf(env, options, signal);
    const servers: Server[] = [];
    try {
      for (const address of options.listenOn) {
        const server = fleetLockServer(parts);
        await listen(server, address);
        servers.push(server);
        for (const url of httpAddressOf(server)) process.stdout.write(`serves the reboot lock on ${url}\n`);
      }
      await aborted(signal);
    } finally {
      await Promise.all(servers.map((server) => closeServer(env, server)));
    }
  });
}

function partsOf(
  env: Env,
  { endpoints, groups, leaseMs }: FleetLockOptions,
  signal: AbortSignal,
): FleetLockParts {
  const transport = clientTransport({ keyFile: "", certFile: "", caFile: "" });
  const lockOf = (group: string): RebootLock => {
    const begin = env.clock.monotonic();
    const client = new ClusterClient({
      transport,
      endpoints,
      authorization: "",
      headLimitMs,
      leftMs: () => answerLimitMs - (env.clock.monotonic() - begin),
      onRequest: () => {},
      signal,
    });
    return new RebootLock(env, new KeysClient(client), group);
  };
  return { log: env.log, lockOf, groups, leaseMs, now: () => env.clock.now() };
}

/** The protocol over HTTP. */
function fleetLockServer(parts: FleetLockParts): Server {
  const limits = { requestTimeout: requestLimitMs, headersTimeout: requestLimitMs };
  const server = createServer(limits, (request, response) => {
    answer(parts, request).then(
      (given) => send(response, given),
      (error: unknown) => {
        parts.log.debug(`a client went away: ${sentenceOf(error)}`);
        response.destroy();
      },
    );
  });
  server.maxConnections = mostConnections;
  return server;
}

async function answer(parts: FleetLockParts, request: IncomingMessage): Promise<FleetLockAnswer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    length += piece.length;
    // The rest is read and dropped, so that the client gets to read the answer.
    if (length <= mostBodyBytes) pieces.push(piece);
  }
  if (length > mostBodyBytes)
    return denied(413, "too_large", `the body is longer than ${mostBodyBytes} bytes`);
  const protocol = request.headers["fleet-lock-protocol"];
  return await answerFleetLock(parts, {
    method: request.method ?? "",
    path: (request.url ?? "").replace(/\?.*$/s, ""),
    protocol: typeof protocol === "string" ? protocol : undefined,
    body: Buffer.concat(pieces).toString("utf8"),
  });
}

function send(response: ServerResponse, { status, body }: FleetLockAnswer): void {
  const type = body === "" ? {} : { "Content-Type": "application/json" };
  const head = { ...type, "Content-Length": Buffer.byteLength(body) };
  response.writeHead(status, status === 405 ? { ...head, Allow: "POST" } : head);
  response.end(body);
}
