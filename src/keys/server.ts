import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Env } from "../lib/env.ts";
import { sentenceOf } from "../lib/fault.ts";
import { actionText, answerText, errorText, sharedEventText, statusOfAnswer } from "./encode.ts";
import { isKeysError, keysError, statusOfError, type KeysError } from "./errors.ts";
import { joinForms, parseForm, withProblem, type Form } from "./form.ts";
import { Gate } from "./gate.ts";
import type { Answer, Keyspace, Watch } from "./keyspace.ts";
import type { KeysEvent } from "./model.ts";
import { readMediaType } from "./media-type.ts";
import { OtherEndpoints, type Surroundings } from "./other-endpoints.ts";
import { Passwords } from "./passwords.ts";
import { plainText, unsniffed } from "./plain-answer.ts";
import { PlainAnswers } from "./plain-answers.ts";
import { servePlainFirst } from "./plain-connection.ts";
import { movedPage } from "./redirect.ts";
import { readRequest, type KeysRequest } from "./request.ts";
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
const originHeadersFlat = Object.entries(originHeaders).flat();

/** Names and values of headers in turn: the form that Node writes with the least work. */
type FlatHeaders = readonly string[];

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
        this.#serve(request, response);
      },
    );
    server.maxConnections = mostConnections;
    handleUnreadable(server, originHeaders, (socket) => {
      const answer = this.#answering.get(socket);
      if (answer === undefined || answer.writableFinished) return false;
      // Nothing was said yet to a request that breaks off within its body, if it is the next to be answered.
      return answer.headersSent || answer.req.complete || answer.socket === null;
    });
    const plain = new PlainAnswers(this.#env, this.#keyspace, this.#gate, originHeaders, idleConnectionMs);
    servePlainFirst(server, plain, this.#signal);
    return server;
  }

  /** Answers one request, at once where nothing has to be waited for. */
  #serve(request: IncomingMessage, response: ServerResponse): void {
    // A connection that breaks is its client's business.
    request.on("error", ignore);
    response.on("error", ignore);
    try {
      const coming = this.#answer(request, response);
      if (coming !== undefined) coming.catch((error: unknown) => this.#fail(response, error));
    } catch (error) {
      this.#fail(response, error);
    }
  }

  #fail(response: ServerResponse, error: unknown): void {
    if (response.destroyed || response.writableEnded) return;
    this.#env.log.error("A request to the v2 keys failed.", { why: sentenceOf(error) });
    if (response.headersSent) response.destroy();
    else this.#sendError(response, keysError(300, "argosy: internal error, see the log of etcd.service"));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void | Promise<void> {
    const route = routeOf(request.method ?? "GET", request.url ?? "/");
    if (route.to === "keys") return this.#answerKeys(route, request, response);
    if (route.to !== "bad-escape") {
      for (const [name, value] of Object.entries(originHeaders)) response.setHeader(name, value);
    }
    if (this.#signal.aborted) response.setHeader("Connection", "close");
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

  #answerKeys(route: KeysRoute, request: IncomingMessage, response: ServerResponse): void | Promise<void> {
    const { method } = route;
    const takesForm = method === "PUT" || method === "POST";
    const media = readMediaType(takesForm ? request.headers["content-type"] : undefined);
    // Other kinds of bodies are ignored, as in etcd.
    if (media.type !== "application/x-www-form-urlencoded") {
      request.resume();
      return this.#answerForm(route, withProblem(parseForm(""), media.problem), request, response);
    }
    return this.#readBody(request).then((body) => {
      if (typeof body === "string") {
        return this.#answerForm(route, withProblem(parseForm(body), media.problem), request, response);
      }
      // What is left of the form is let through, so that the client comes to read the answer.
      request.resume();
      return this.#sendError(response, body);
    });
  }

  #answerForm(
    route: KeysRoute,
    body: Form,
    request: IncomingMessage,
    response: ServerResponse,
  ): void | Promise<void> {
    const { method, path, asked, query } = route;
    const form = joinForms(body, parseForm(query));
    const wanted = readRequest(method, path, form, this.#env.clock.now());
    if (isKeysError(wanted)) return this.#sendError(response, wanted);
    const use = { key: asked, write: method !== "GET" && method !== "HEAD", recursive: wanted.recursive };
    const allowed = this.#gate.mayUse(request.headers.authorization, use, toItsEnd);
    if (allowed === true) return this.#answerAllowed(wanted, response);
    return Promise.resolve(allowed).then((decided) => {
      if (decided === true) return this.#answerAllowed(wanted, response);
      return this.#sendError(response, decided || keysError(110, "Insufficient credentials"));
    });
  }

  #answerAllowed({ operation, actionOnly }: KeysRequest, response: ServerResponse): void | Promise<void> {
    if (operation.do === "watch") {
      return this.#withClient(response, async (gone) => {
        const watch = await this.#keyspace.watch(operation, gone);
        if (isKeysError(watch)) return this.#sendError(response, watch);
        await this.#sendWatch(response, watch, operation.stream, gone);
      });
    }
    if (operation.do === "read") {
      const coming = this.#keyspace.read(operation, toItsEnd);
      return coming instanceof Promise
        ? coming.then((answer) => this.#sendAnswer(response, answer, answerText))
        : this.#sendAnswer(response, coming, answerText);
    }
    const textOf = actionOnly ? actionText : answerText;
    return this.#keyspace.write(operation).then((answer) => this.#sendAnswer(response, answer, textOf));
  }

  #sendAnswer(
    response: ServerResponse,
    answer: Answer | KeysError,
    textOf: (answer: Answer) => string,
  ): void {
    if (isKeysError(answer)) return this.#sendError(response, answer);
    sendText(response, statusOfAnswer(answer), this.#keysHeaders(answer.index), textOf(answer));
  }

  /** A body, one character for each byte; the error when it is too large, or too many others are being read. */
  #readBody(request: IncomingMessage): Promise<string | KeysError> {
    return new Promise((resolve, reject) => {
      const pieces: Buffer[] = [];
      let length = 0;
      const end = (body: string | KeysError): void => {
        leave();
        resolve(body);
      };
      const take = (piece: Buffer): void => {
        length += piece.length;
        this.#formBytes += piece.length;
        pieces.push(piece);
        if (length > mostFormBytes) end(keysError(210, "http: POST too large"));
        else if (this.#formBytes > mostFormBytesTogether) {
          end(keysError(300, "argosy: too many large values at once, try again later"));
        }
      };
      const finish = (): void => {
        const [first] = pieces;
        const whole = first !== undefined && pieces.length === 1 ? first : Buffer.concat(pieces);
        end(whole.toString("latin1"));
      };
      const breakOff = (): void => {
        leave();
        reject(new Error("the client went away before its request was whole"));
      };
      const leave = (): void => {
        request.off("data", take).off("end", finish).off("close", breakOff);
        this.#formBytes -= length;
        length = 0;
      };
      request.on("data", take).on("end", finish).on("close", breakOff);
    });
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
      response.writeHead(200, [...this.#keysHeaders(watch.index), "Content-Type", "application/json"]);
      response.flushHeaders();
      for (;;) {
        const event: KeysEvent | undefined = await watch.next(gone);
        if (event === undefined) break;
        if (!stream) return void response.end(sharedEventText(event));
        if (!response.write(sharedEventText(event))) await drained(response, gone);
      }
      response.end();
    } finally {
      watch.close();
    }
  }

  /** The headers of a success but for the body's own. */
  #keysHeaders(index: number): FlatHeaders {
    const { clusterId, storeRevision, storeTerm } = this.#keyspace.status();
    return [
      ...this.#commonHeaders(),
      "X-Etcd-Cluster-Id",
      clusterId,
      "X-Etcd-Index",
      String(index),
      // There is no raft of our own: the store's revision grows as a raft index does.
      "X-Raft-Index",
      String(storeRevision),
      "X-Raft-Term",
      String(storeTerm),
    ];
  }

  #commonHeaders(): FlatHeaders {
    return this.#signal.aborted ? [...originHeadersFlat, "Connection", "close"] : originHeadersFlat;
  }

  #sendError(response: ServerResponse, error: KeysError): void {
    // What was set is written with these; a header that is named twice would be sent twice.
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    const { clusterId } = this.#keyspace.status();
    const headers = [
      ...this.#commonHeaders(),
      "X-Etcd-Cluster-Id",
      clusterId,
      "X-Etcd-Index",
      String(error.index),
    ];
    sendText(response, statusOfError(error), headers, errorText(error));
  }
}

type KeysRoute = Extract<Route, { to: "keys" }>;

function ignore(): void {
  // What broke is told by the connection's end.
}

/** Reads and writes are carried out even if their client goes away; the keyspace limits their time. */
const toItsEnd = new AbortController().signal;

function send(response: ServerResponse, status: number, type: string | undefined, text: string): void {
  const body = Buffer.from(text);
  if (type !== undefined) response.setHeader("Content-Type", type);
  if (type === plainText && status >= 400 && text.endsWith("\n")) response.setHeader(...unsniffed);
  if (status !== 204) response.setHeader("Content-Length", body.length);
  response.writeHead(status);
  response.end(body);
}

/** Sends JSON, the head and the body in one piece. */
function sendText(response: ServerResponse, status: number, headers: FlatHeaders, text: string): void {
  const length = String(Buffer.byteLength(text));
  response.writeHead(status, [...headers, "Content-Type", "application/json", "Content-Length", length]);
  response.end(text);
}

function redirect(request: IncomingMessage, response: ServerResponse, location: string): void {
  response.setHeader("Location", location);
  if (request.method !== "GET" && request.method !== "HEAD") return send(response, 301, undefined, "");
  const text = request.method === "GET" ? movedPage(location) : "";
  send(response, 301, "text/html; charset=utf-8", text);
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
