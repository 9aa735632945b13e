import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Env } from "../lib/env.ts";
import { sentenceOf } from "../lib/fault.ts";
import { actionText, errorText, eventText } from "./encode.ts";
import { isKeysError, keysError, statusOfError, type KeysError } from "./errors.ts";
import { joinForms, parseForm, withProblem } from "./form.ts";
import { Gate } from "./gate.ts";
import type { Answer, Keyspace, Watch } from "./keyspace.ts";
import type { KeysEvent } from "./model.ts";
import { readMediaType } from "./media-type.ts";
import { OtherEndpoints, type Surroundings } from "./other-endpoints.ts";
import { Passwords } from "./passwords.ts";
import { plainText } from "./plain-answer.ts";
import { movedPage } from "./redirect.ts";
import { readRequest } from "./request.ts";
import { routeOf, type OtherRoute, type Route } from "./route.ts";
import { handleUnreadable } from "./unreadable-connection.ts";

/** The largest form that is read (etcd v2 API: 10 MiB). */
const mostFormBytes = 10 * 1024 * 1024;
/** Forms that are read at the same time may hold this much together; more are refused until some are done. */
const mostFormBytesTogether = 8 * mostFormBytes;
/** Long keys are part of the first line; Go takes headers of 1 MiB. */
const mostHeaderBytes = 1024 * 1024;
const headersLimitMs = 30_000;
const formLimitMs = 300_000;
const idleConnectionMs = 60_000;
/** A connection on which nothing came for so long is probed by the kernel. */
const silentConnectionMs = 30_000;
const mostConnections = 10_000;

/** The API is open to pages of every origin, as etcd 3 is by default. */
const originHeaders = {
  "Access-Control-Allow-Headers": "accept, content-type, authorization",
  "Access-Control-Allow-Methods": "POST, GET, OPTIONS, PUT, DELETE",
  "Access-Control-Allow-Origin": "*",
};

/**
 * The etcd v2 HTTP API over a keyspace. The caller makes the servers listen and closes them; as soon as `signal` is
 * aborted watches end and answers ask for the connection to be closed.
 */
export class KeysApi {
  readonly #env: Env;
  readonly #keyspace: Keyspace;
  readonly #others: OtherEndpoints;
  readonly #gate: Gate;
  readonly #signal: AbortSignal;
  /** The last answer on each connection: what comes after it is no part of it. */
  readonly #answering = new WeakMap<Duplex, ServerResponse>();
  #formBytes = 0;

  constructor(env: Env, keyspace: Keyspace, surroundings: Surroundings, signal: AbortSignal) {
    this.#env = env;
    this.#keyspace = keyspace;
    const passwords = new Passwords();
    this.#others = new OtherEndpoints(env, keyspace, surroundings, passwords);
    this.#gate = new Gate(keyspace, passwords);
    this.#signal = signal;
  }

  /** A server that answers with this API; one for each address, since a server listens only once. */
  createServer(): Server {
    const server = createServer(
      {
        maxHeaderSize: mostHeaderBytes,
        headersTimeout: headersLimitMs,
        requestTimeout: formLimitMs,
        keepAliveTimeout: idleConnectionMs,
        // A client whose machine is gone frees its watch, as the kernel finds out.
        keepAlive: true,
        keepAliveInitialDelay: silentConnectionMs,
      },
      (request, response) => {
        this.#answering.set(request.socket, response);
        void this.#serve(request, response);
      },
    );
    server.maxConnections = mostConnections;
    handleUnreadable(server, originHeaders, (socket) => {
      const answer = this.#answering.get(socket);
      return answer !== undefined && !answer.writableFinished;
    });
    return server;
  }

  /** Answers one request; never rejects. */
  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A connection that breaks is its client's business.
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    try {
      await this.#answer(request, response);
    } catch (error) {
      if (response.destroyed || response.writableEnded) return;
      this.#env.log.error("A request to the v2 keys failed.", { why: sentenceOf(error) });
      if (response.headersSent) response.destroy();
      else this.#sendError(response, keysError(300, "argosy: internal error, see the log of etcd.service"));
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const route = routeOf(request.method ?? "GET", request.url ?? "/");
    if (route.to !== "bad-escape") {
      for (const [name, value] of Object.entries(originHeaders)) response.setHeader(name, value);
    }
    if (this.#signal.aborted) response.setHeader("Connection", "close");
    if (route.to === "keys") return this.#answerKeys(route, request, response);
    if ("below" in route) return this.#answerOther(route, request, response);
    // A body that nobody wants is read to its end, so that the connection can be used again.
    request.resume();
    switch (route.to) {
      case "options":
        return send(response, 200, undefined, "");
      case "nowhere":
        return send(response, 404, plainText, "404 page not found\n");
      case "wrong-method":
        response.setHeader("Allow", route.allowed.join(","));
        return send(response, 405, plainText, "Method Not Allowed\n");
      case "elsewhere":
        return redirect(request, response, route.location);
      case "bad-escape":
        response.setHeader("Connection", "close");
        return send(response, 400, plainText, "400 Bad Request");
    }
  }

  async #answerOther(route: OtherRoute, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await this.#readBody(request);
    if (typeof body !== "string") {
      request.resume();
      return this.#sendError(response, body);
    }
    const { method = "GET", headers } = request;
    const wanted = {
      method,
      below: route.below,
      contentType: headers["content-type"] ?? "",
      body: Buffer.from(body, "latin1").toString("utf8"),
      authorization: headers.authorization,
    };
    const answer = await this.#others.answer(route, wanted, toItsEnd);
    // Members and users are told of with the name of their cluster, as keys are.
    if (answer.namesCluster) {
      response.setHeader("X-Etcd-Cluster-Id", this.#keyspace.status().clusterId);
    }
    send(response, answer.status, answer.type, answer.text);
  }

  async #answerKeys(
    route: Extract<Route, { to: "keys" }>,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { method, path, asked, query } = route;
    const takesForm = method === "PUT" || method === "POST";
    const media = readMediaType(takesForm ? request.headers["content-type"] : undefined);
    // Other kinds of bodies are ignored, as in etcd.
    const hasForm = media.type === "application/x-www-form-urlencoded";
    const body = hasForm ? await this.#readBody(request) : "";
    if (!hasForm) request.resume();
    if (typeof body !== "string") {
      // What is left of the form is let through, so that the client comes to read the answer.
      request.resume();
      return this.#sendError(response, body);
    }
    const form = joinForms(withProblem(parseForm(body), media.problem), parseForm(query));
    const wanted = readRequest(method, path, form, this.#env.clock.now());
    if (isKeysError(wanted)) return this.#sendError(response, wanted);
    const { operation, actionOnly, recursive } = wanted;
    const use = { key: asked, write: method !== "GET" && method !== "HEAD", recursive };
    const coming = this.#gate.mayUse(request.headers.authorization, use, toItsEnd);
    const allowed = typeof coming === "boolean" ? coming : await coming;
    if (allowed !== true) {
      return this.#sendError(response, allowed || keysError(110, "Insufficient credentials"));
    }
    if (operation.do === "watch") {
      await this.#withClient(response, async (gone) => {
        const watch = await this.#keyspace.watch(operation, gone);
        if (isKeysError(watch)) return this.#sendError(response, watch);
        await this.#sendWatch(response, watch, operation.stream, gone);
      });
      return;
    }
    const answer =
      operation.do === "read"
        ? await this.#keyspace.read(operation, toItsEnd)
        : await this.#keyspace.write(operation, toItsEnd);
    if (isKeysError(answer)) return this.#sendError(response, answer);
    this.#setKeysHeaders(response, answer.index);
    const isWrite = operation.do !== "read";
    const shortened = actionOnly && isWrite;
    const text = shortened ? actionText(answer.event) : eventText(answer.event);
    send(response, statusOf(answer), "application/json", text);
  }

  /** A body, one character for each byte; the error when it is too large, or too many others are being read. */
  async #readBody(request: IncomingMessage): Promise<string | KeysError> {
    const pieces: Buffer[] = [];
    let length = 0;
    try {
      for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        length += piece.length;
        this.#formBytes += piece.length;
        if (length > mostFormBytes) return keysError(210, "http: POST too large");
        if (this.#formBytes > mostFormBytesTogether) {
          return keysError(300, "argosy: too many large values at once, try again later");
        }
        pieces.push(piece);
      }
    } finally {
      this.#formBytes -= length;
    }
    return Buffer.concat(pieces).toString("latin1");
  }

  /** Runs `work` with a signal that is aborted when the client goes away or this API ends. */
  async #withClient(response: ServerResponse, work: (gone: AbortSignal) => Promise<void>): Promise<void> {
    const gone = new AbortController();
    const end = (): void => gone.abort(this.#signal.reason);
    response.on("close", end);
    this.#signal.addEventListener("abort", end, { once: true });
    if (this.#signal.aborted || response.destroyed) end();
    try {
      await work(gone.signal);
    } catch (error) {
      if (!gone.signal.aborted) throw error;
      // An ended watch without an event tells clients to ask again.
      if (response.headersSent) response.end();
      else this.#sendError(response, keysError(300, "etcdserver: server stopped"));
    } finally {
      response.removeListener("close", end);
      this.#signal.removeEventListener("abort", end);
    }
  }

  /** Sends the headers before the first event, and each event as soon as the client has taken the one before. */
  async #sendWatch(
    response: ServerResponse,
    watch: Watch,
    stream: boolean,
    gone: AbortSignal,
  ): Promise<void> {
    try {
      this.#setKeysHeaders(response, watch.index);
      response.writeHead(200, { "Content-Type": "application/json" });
      response.flushHeaders();
      for (;;) {
        const event: KeysEvent | undefined = await watch.next(gone);
        if (event === undefined) break;
        if (!stream) return void response.end(eventText(event));
        if (!response.write(eventText(event))) await drained(response, gone);
      }
      response.end();
    } finally {
      watch.close();
    }
  }

  #setKeysHeaders(response: ServerResponse, index: number): void {
    const { clusterId, storeRevision, storeTerm } = this.#keyspace.status();
    response.setHeader("X-Etcd-Cluster-Id", clusterId);
    response.setHeader("X-Etcd-Index", index);
    // There is no raft of our own: the store's revision grows as a raft index does.
    response.setHeader("X-Raft-Index", storeRevision);
    response.setHeader("X-Raft-Term", storeTerm);
  }

  #sendError(response: ServerResponse, error: KeysError): void {
    response.setHeader("X-Etcd-Cluster-Id", this.#keyspace.status().clusterId);
    response.setHeader("X-Etcd-Index", error.index);
    send(response, statusOfError(error), "application/json", errorText(error));
  }
}

/** Reads and writes are carried out even if their client goes away; the keyspace limits their time. */
const toItsEnd = new AbortController().signal;

function send(response: ServerResponse, status: number, type: string | undefined, text: string): void {
  const body = Buffer.from(text);
  if (type !== undefined) response.setHeader("Content-Type", type);
  if (status !== 204) response.setHeader("Content-Length", body.length);
  response.writeHead(status);
  response.end(body);
}

function redirect(request: IncomingMessage, response: ServerResponse, location: string): void {
  response.setHeader("Location", location);
  if (request.method !== "GET" && request.method !== "HEAD") return send(response, 301, undefined, "");
  const text = request.method === "GET" ? movedPage(location) : "";
  send(response, 301, "text/html; charset=utf-8", text);
}

/** 201 where something is there that was not there before. */
function statusOf(answer: Answer): number {
  const { action, prevNode } = answer.event;
  return action === "create" || (action === "set" && prevNode === undefined) ? 201 : 200;
}

async function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = (): void => reject(gone.reason);
  gone.throwIfAborted();
  response.once("drain", resolve);
  gone.addEventListener("abort", abort, { once: true });
  try {
    await promise;
  } finally {
    response.removeListener("drain", resolve);
    gone.removeEventListener("abort", abort);
  }
}
