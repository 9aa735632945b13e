import { lstat, unlink } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { Log } from "../lib/env.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { refuse } from "./api-answers.ts";
import { exchange, type Handler } from "./api-exchange.ts";

/** Where the API listens: a socket handed over by systemd, a unix socket, or an address. */
export type ListenOn =
  | { readonly fd: number }
  | { readonly path: string }
  | { readonly host: string; readonly port: number };

/** An API that is being served. */
export interface Serving {
  /** As clients write them: `unix:///run/fleet.sock`, `http://10.0.0.1:49153`; `fd:3` for a unix socket that systemd handed over. */
  readonly endpoints: readonly string[];
  /** Resolves when the last connection is gone after the signal was aborted. */
  readonly ended: Promise<void>;
}

/** Time to send a whole request, and its headers, in ms; after that the connection is closed with status 408. */
const requestLimitMs = 30_000;
const headersLimitMs = 10_000;
/** How long a connection may be idle between two requests, in ms. */
const idleLimitMs = 60_000;
/** Connections of one socket at a time; more are closed at once. */
const mostConnections = 1024;
/** How long requests that are being answered may still take after the signal was aborted, in ms. */
const farewellMs = 1000;

/**
 * Serves an API on all these sockets until `signal` is aborted. Resolves once all of them listen.
 * Throws Fault `cannot-listen`; then none listens.
 */
export async function serveFleetApi(
  handler: Handler,
  sockets: readonly ListenOn[],
  log: Log,
  signal: AbortSignal,
): Promise<Serving> {
  const failed = (error: unknown): Response => {
    log.error(`a request of the fleet API failed: ${sentenceOf(error)}`);
    return refuse(500, "the request failed; the journal of fleet.service on this machine says why");
  };
  const servers: Server[] = [];
  try {
    const endpoints: string[] = [];
    for (const socket of sockets) {
      const server = createServer(
        { requestTimeout: requestLimitMs, headersTimeout: headersLimitMs },
        (incoming, outgoing) => {
          // Names that systemd escaped hold backslashes (`a\\x2db.service`), and clients send them as they are.
          log.debug(`HTTP ${incoming.method ?? ""} ${incoming.url ?? ""}`);
          incoming.url = incoming.url?.replaceAll("\\", "%5C");
          void exchange(handler, incoming, outgoing, failed);
        },
      );
      server.keepAliveTimeout = idleLimitMs;
      server.maxConnections = mostConnections;
      server.on("error", (error) => {
        if (server.listening) log.error(`the fleet API on ${nameOf(socket)} has a problem: ${error.message}`);
      });
      servers.push(server);
      await listen(server, socket);
      endpoints.push(endpointOf(server, socket));
    }
    return { endpoints, ended: endWith(servers, signal) };
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
}

async function listen(server: Server, socket: ListenOn): Promise<void> {
  if ("path" in socket) await removeStale(socket.path);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => {
      reject(
        new Fault(
          "cannot-listen",
          `Cannot listen on ${nameOf(socket)}: ${sentenceOf(error)}. Free it or set another one.`,
          {
            cause: error,
          },
        ),
      );
    });
    server.listen(socket, () => resolve());
  });
}

/** A socket file outlives the process that made it; whoever starts anew takes its place. */
async function removeStale(path: string): Promise<void> {
  const present = await lstat(path).catch(() => undefined);
  if (present?.isSocket() === true) await unlink(path);
}

function nameOf(socket: ListenOn): string {
  if ("fd" in socket) return `fd:${socket.fd}`;
  return "path" in socket ? `unix://${socket.path}` : `http://${withPort(socket.host, socket.port)}`;
}

function endpointOf(server: Server, socket: ListenOn): string {
  const address = server.address();
  if ("path" in socket || address === null || typeof address === "string") return nameOf(socket);
  return `http://${withPort(address.address, address.port)}`;
}

function withPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

async function endWith(servers: readonly Server[], signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  const closed = servers.map(async (server) => {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
  });
  const farewell = setTimeout(() => {
    for (const server of servers) server.closeAllConnections();
  }, farewellMs);
  await Promise.all(closed);
  clearTimeout(farewell);
}
