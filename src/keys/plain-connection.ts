import { STATUS_CODES, type Server } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { assert } from "../lib/assert.ts";
import { readPlainRequest, type PlainRequest } from "./plain-request.ts";

/** How one request on a connection is answered. */
export interface PlainReply {
  /** Sends an answer, its head and its body in one piece. `headers` are lines that each end with CR LF. */
  send(status: number, headers: string, text: string): void;
  /**
   * Sends the head of an answer whose body comes later, in one piece, with the function that is returned; undefined: without one.
   * @param gone called when nobody waits for the body any more
   */
  begin(status: number, headers: string, gone: () => void): (chunk: Buffer | undefined) => void;
}

/** What connections are served with. */
export interface PlainService {
  /** Answers a request, now or later; false, having done nothing, when it is not for this way. */
  answer(request: PlainRequest, reply: PlainReply): boolean;
  /** The headers that tell the time and what becomes of the connection, as lines. */
  lastHeaders(closes: boolean): string;
  /** How long a connection may be silent between two requests, in ms. */
  readonly idleMs: number;
}

/** The end of a body in chunks (RFC 9112 7.1). */
const lastChunk = "0\r\n\r\n";

/** Takes over a connection on which something else came; what came can be read again. */
type HandOver = (socket: Duplex) => void;

/**
 * Has plain requests answered before the server sees them; a connection is the server's from the first other request on.
 * @param signal aborted: what is idle is closed, waits end, and each other connection is closed behind its answer
 */
export function servePlainFirst(server: Server, service: PlainService, signal: AbortSignal): void {
  const [byServer] = server.listeners("connection") as HandOver[];
  assert(byServer !== undefined, "a server of HTTP takes connections");
  const connections = new PlainConnections(service, (socket) => byServer.call(server, socket));
  server.removeAllListeners("connection");
  server.on("connection", (socket: Duplex) => {
    // Others are no sockets of the network, but carry what was read once already.
    if (socket instanceof Socket) connections.serve(socket);
    else byServer.call(server, socket);
  });
  signal.addEventListener("abort", () => connections.end(), { once: true });
  const closeOthers = server.closeAllConnections.bind(server);
  server.closeAllConnections = () => {
    closeOthers();
    connections.destroy();
  };
}

/** Serves connections for as long as plain requests come on them, one after the other. */
class PlainConnections {
  readonly #service: PlainService;
  readonly #open = new Set<PlainConnection>();
  readonly #handOver: HandOver;
  #ending = false;

  constructor(service: PlainService, handOver: HandOver) {
    this.#service = service;
    this.#handOver = handOver;
  }

  /** Serves a connection that has just been opened. */
  serve(socket: Socket): void {
    if (this.#ending) return this.#handOver(socket);
    const leave = (): void => void this.#open.delete(connection);
    const connection = new PlainConnection(socket, this.#service, this.#handOver, leave);
    this.#open.add(connection);
  }

  /** Closes what is idle, ends answers that wait for their body, and closes each other connection behind its answer. */
  end(): void {
    this.#ending = true;
    for (const connection of this.#open) connection.end();
  }

  /** Closes all at once. */
  destroy(): void {
    for (const connection of this.#open) connection.destroy();
  }
}

class PlainConnection implements PlainReply {
  readonly #socket: Socket;
  readonly #service: PlainService;
  readonly #toServer: HandOver;
  readonly #leave: () => void;
  /** Whether a request is being answered. */
  #busy = false;
  #ending = false;
  /** What came meanwhile. */
  #held: Buffer | undefined;
  /** Ends the answer under way whose body comes later. */
  #finish: ((chunk: Buffer | undefined) => void) | undefined;
  #gone: (() => void) | undefined;

  constructor(socket: Socket, service: PlainService, toServer: HandOver, leave: () => void) {
    this.#socket = socket;
    this.#service = service;
    this.#toServer = toServer;
    this.#leave = leave;
    socket.setTimeout(service.idleMs);
    socket.on("data", this.#take).on("end", this.#halfClosed).on("close", this.#closed);
    socket.on("timeout", this.#silent).on("drain", this.#drained).on("error", ignore);
  }

  send(status: number, headers: string, text: string): void {
    const length = Buffer.byteLength(text);
    const last = this.#service.lastHeaders(this.#ending);
    const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${headers}Content-Length: ${length}\r\n${last}\r\n`;
    // Each character is a byte then, which spares looking at each.
    this.#write(head + text, length === text.length ? "latin1" : "utf8");
    this.#answered();
  }

  begin(status: number, headers: string, gone: () => void): (chunk: Buffer | undefined) => void {
    this.#gone = gone;
    const last = this.#service.lastHeaders(this.#ending);
    this.#write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${headers}${last}Transfer-Encoding: chunked\r\n\r\n`,
      "latin1",
    );
    const finish = (chunk: Buffer | undefined): void => {
      if (this.#finish !== finish) return;
      this.#finish = undefined;
      this.#gone = undefined;
      this.#write(chunk ?? lastChunk, "latin1");
      this.#answered();
    };
    this.#finish = finish;
    return finish;
  }

  /** As `PlainConnections.end`. */
  end(): void {
    this.#ending = true;
    const gone = this.#gone;
    this.#finish?.(undefined);
    gone?.();
    if (!this.#busy) this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  readonly #take = (bytes: Buffer): void => {
    if (this.#busy) {
      if (this.#finish !== undefined && !mayBeRequest(bytes)) return void this.#socket.destroy();
      // It is looked at behind the answer; no more is read until then.
      this.#held = this.#held === undefined ? bytes : Buffer.concat([this.#held, bytes]);
      this.#socket.pause();
      return;
    }
    const request = readPlainRequest(bytes);
    if (request === undefined) return this.#handOver(bytes);
    this.#busy = true;
    // One after the other, as in etcd: what a request asks may depend on what the one before it did.
    if (request.bytes < bytes.length) this.#held = bytes.subarray(request.bytes);
    if (!this.#service.answer(request, this)) this.#handOver(bytes);
  };

  #write(content: string | Buffer, encoding: BufferEncoding): void {
    if (this.#socket.destroyed) return;
    // A client that does not read is not read either.
    if (!this.#socket.write(content, encoding)) this.#socket.pause();
  }

  #answered(): void {
    this.#busy = false;
    if (this.#ending || this.#socket.readableEnded) return void this.#socket.end();
    this.#goOn();
  }

  /** Looks at what came meanwhile, unless the client has to read first. */
  #goOn(): void {
    const held = this.#held;
    if (held === undefined || this.#socket.writableNeedDrain) return;
    this.#held = undefined;
    this.#socket.resume();
    this.#take(held);
  }

  #handOver(bytes: Buffer): void {
    const socket = this.#socket;
    this.#held = undefined;
    if (socket.destroyed) return;
    this.#leave();
    socket.off("data", this.#take).off("end", this.#halfClosed).off("close", this.#closed);
    socket.off("timeout", this.#silent).off("drain", this.#drained).off("error", ignore);
    socket.setTimeout(0);
    socket.pause();
    socket.unshift(bytes);
    this.#toServer(socket);
    socket.resume();
  }

  readonly #halfClosed = (): void => {
    if (!this.#busy) this.#socket.end();
    // Nobody waits for events on a connection that is half closed; other answers are still sent.
    else if (this.#finish !== undefined) this.#socket.destroy();
  };

  readonly #closed = (): void => {
    this.#leave();
    const gone = this.#gone;
    this.#finish = undefined;
    this.#gone = undefined;
    gone?.();
  };

  readonly #silent = (): void => {
    if (!this.#busy) this.#socket.destroy();
  };

  readonly #drained = (): void => {
    if (this.#held === undefined) this.#socket.resume();
    else if (!this.#busy) this.#goOn();
  };
}

/** Whether bytes begin as a request does: what else comes while an answer is awaited is a broken client's. */
function mayBeRequest(bytes: Buffer): boolean {
  return /^[A-Z]+ [!-~]+/.test(bytes.toString("latin1", 0, 100));
}

function ignore(): void {
  // What broke is told by the connection's end.
}
