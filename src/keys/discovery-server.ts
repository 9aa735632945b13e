import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Env } from "../lib/env.ts";
import { sentenceOf } from "../lib/fault.ts";
import {
  discoveryRequest,
  mostRegistrationBytes,
  mostRegistrations,
  mostTokens,
  namedSize,
  registryPath,
  sizeOf,
  sizeProblem,
  tokenPath,
} from "./discovery-rules.ts";
import { errorText, eventText } from "./encode.ts";
import { isKeysError, keysError, statusOfError, type KeysError } from "./errors.ts";
import { joinForms, parseForm } from "./form.ts";
import type { Answer, Keyspace } from "./keyspace.ts";
import type { ShownNode, WriteOperation } from "./model.ts";
import type { KeysApi } from "./server.ts";

const mostConnections = 10_000;
const headersLimitMs = 30_000;

/** How a discovery service is run. */
export interface DiscoveryOptions {
  /** How long a token is kept after it was made, in ms. */
  readonly tokenTtlMs: number;
  /** What the addresses of tokens begin with, without a slash at the end; undefined: what the client has asked. */
  readonly url: string | undefined;
  /** Makes a name for a token that nobody can guess: 32 hexadecimal digits. */
  readonly newToken: () => string;
}

/**
 * The discovery service of etcd (discovery.etcd.io; etcd v2 discovery protocol) over a keyspace: machines that know one
 * address find each other and become a cluster. What lies below a token is read, awaited and written as any key, by the
 * API of the keys; this service makes the tokens, lets nothing else be made, and sees to the limits.
 */
export class DiscoveryServer {
  readonly #env: Env;
  readonly #keyspace: Keyspace;
  readonly #keys: Server;
  readonly #options: DiscoveryOptions;

  /** @param api over the same keyspace */
  constructor(env: Env, keyspace: Keyspace, api: KeysApi, options: DiscoveryOptions) {
    this.#env = env;
    this.#keyspace = keyspace;
    this.#keys = api.createServer();
    this.#options = options;
  }

  /** A server that answers; the caller makes it listen and closes it. */
  createServer(): Server {
    const server = createServer(
      { headersTimeout: headersLimitMs },
      (request, response) => void this.#serve(request, response),
    );
    server.maxConnections = mostConnections;
    return server;
  }

  /** Answers one request; never rejects. */
  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    try {
      await this.#answer(request, response);
    } catch (error) {
      if (response.destroyed || response.writableEnded) return;
      this.#env.log.error("A request to the discovery service failed.", { why: sentenceOf(error) });
      if (response.headersSent) response.destroy();
      else text(response, 500, "internal error, see the log of the discovery service");
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "GET", url = "/" } = request;
    const wanted = discoveryRequest(method, url);
    switch (wanted.to) {
      case "new":
        return this.#makeToken(request, response, wanted.query);
      case "health":
        request.resume();
        return this.#tellHealth(response);
      case "size":
        if (method === "PUT") return this.#putSize(request, response, wanted.token, wanted.query);
        return this.#passOn(request, response, tokenPath(wanted.token, "_config", "size"), wanted.query);
      case "token": {
        const { token, member, query } = wanted;
        const refusal = method === "PUT" ? await this.#refusalOf(request, token, member) : undefined;
        if (refusal !== undefined) {
          request.resume();
          if (typeof refusal === "string") return text(response, 403, refusal);
          return sendError(response, refusal);
        }
        return this.#passOn(
          request,
          response,
          member === undefined ? tokenPath(token) : tokenPath(token, member),
          query,
        );
      }
      case "wrong-method":
        request.resume();
        response.setHeader("Allow", wanted.allowed.join(","));
        return text(response, 405, "Method Not Allowed");
      case "nowhere":
        request.resume();
        return text(
          response,
          404,
          "there is no such path: GET /new?size=3 makes a token, and /TOKEN is what is registered below it",
        );
    }
  }

  /** Lets the API of the keys answer, which knows waits, streams and headers. */
  #passOn(request: IncomingMessage, response: ServerResponse, path: string, query: string): void {
    request.url = `/v2/keys${path}${query === "" ? "" : `?${query}`}`;
    this.#keys.emit("request", request, response);
  }

  async #makeToken(request: IncomingMessage, response: ServerResponse, query: string): Promise<void> {
    const body = await smallBody(request);
    if (body === undefined) return text(response, 413, tooLarge);
    const asked = namedSize(body, query);
    const size = sizeOf(asked);
    if (size === undefined) return text(response, 400, sizeProblem(asked));
    const token = this.#options.newToken();
    const refusal = (await this.#tooMany()) ?? (await this.#createToken(token, String(size)));
    if (typeof refusal === "string") return text(response, 503, refusal);
    if (isKeysError(refusal)) return text(response, 400, `Unable to generate token: ${refusal.cause}`);
    const { host } = request.headers;
    const base = this.#options.url ?? `http://${host ?? "localhost"}`;
    this.#env.log.info("made a token", { token, size });
    // Without a newline at the end, as discovery.etcd.io: scripts take the whole body for the address.
    response.setHeader("Content-Type", "text/plain; charset=utf-8");
    response.end(`${base}/${token}`);
  }

  async #tellHealth(response: ServerResponse): Promise<void> {
    const token = this.#options.newToken();
    const made = await this.#createToken(token, "1");
    if (isKeysError(made)) return text(response, 503, `Unable to generate token: ${made.cause}`);
    await this.#keyspace.write(
      { do: "delete", path: tokenPath(token), directory: true, recursive: true },
      toItsEnd,
    );
    response.setHeader("Content-Type", "text/plain; charset=utf-8");
    response.end("OK");
  }

  /** A size is given once: changing it later would make members wait for others that never come. */
  async #putSize(
    request: IncomingMessage,
    response: ServerResponse,
    token: string,
    query: string,
  ): Promise<void> {
    const body = await smallBody(request);
    if (body === undefined) return text(response, 413, tooLarge);
    const size = joinForms(parseForm(body), parseForm(query)).values.get("value") ?? "";
    if (sizeOf(size) === undefined) return text(response, 400, sizeProblem(size));
    const known = await this.#read(tokenPath(token));
    const many = known === undefined ? await this.#tooMany() : undefined;
    if (many !== undefined) return text(response, 503, many);
    const answer =
      known === undefined ? await this.#createToken(token, size) : await this.#createSize(token, size);
    if (isKeysError(answer)) return sendError(response, answer);
    response.setHeader("X-Etcd-Index", answer.index);
    response.setHeader("Content-Type", "application/json");
    response.statusCode = 201;
    response.end(eventText(answer.event));
  }

  /** Why a registration is not taken. Only `/new` and a size make tokens, so an unknown one is not made by writing to it. */
  async #refusalOf(
    request: IncomingMessage,
    token: string,
    member: string | undefined,
  ): Promise<KeysError | string | undefined> {
    const { "content-length": length, "transfer-encoding": encoding } = request.headers;
    if (encoding !== undefined || Number(length ?? 0) > mostRegistrationBytes) return tooLarge;
    const known = await this.#read(tokenPath(token));
    if (known === undefined) return keysError(100, tokenPath(token), this.#keyspace.status().index);
    const registered = known.nodes ?? [];
    const isThere = registered.some(({ key }) => key === tokenPath(token, member ?? ""));
    if (member === undefined || isThere || registered.length < mostRegistrations) return undefined;
    return `the token ${token} holds ${mostRegistrations} registrations and takes no more: ask for a new one`;
  }

  async #tooMany(): Promise<string | undefined> {
    const count = (await this.#read(registryPath))?.nodes?.length ?? 0;
    if (count < mostTokens) return undefined;
    return `this service holds ${mostTokens} tokens and takes no more: ask again when some have expired`;
  }

  /** The directory carries the time to live: everything below it expires with it, in one event. */
  async #createToken(token: string, size: string): Promise<Answer | KeysError> {
    const deadlineMs = this.#env.clock.now() + this.#options.tokenTtlMs;
    const made = await this.#write(tokenPath(token), "", deadlineMs);
    return isKeysError(made) ? made : await this.#createSize(token, size);
  }

  async #createSize(token: string, size: string): Promise<Answer | KeysError> {
    return await this.#write(tokenPath(token, "_config", "size"), size, undefined);
  }

  async #write(path: string, value: string, deadlineMs: number | undefined): Promise<Answer | KeysError> {
    const operation: WriteOperation = {
      do: "create",
      path,
      value,
      deadlineMs,
      directory: deadlineMs !== undefined,
      inOrder: false,
    };
    return await this.#keyspace.write(operation, toItsEnd);
  }

  async #read(path: string): Promise<ShownNode | undefined> {
    const answer = await this.#keyspace.read(
      { do: "read", path, recursive: false, sorted: false, quorum: true },
      toItsEnd,
    );
    return isKeysError(answer) ? undefined : answer.event.node;
  }
}

/** The keyspace itself limits how long a request may take. */
const toItsEnd = new AbortController().signal;

const tooLarge = `a registration has at most ${mostRegistrationBytes} bytes, and says in Content-Length how many`;

/** A body, one character for each byte; undefined when it is too large. */
async function smallBody(request: IncomingMessage): Promise<string | undefined> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > mostRegistrationBytes) {
      request.resume();
      return undefined;
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("latin1");
}

function text(response: ServerResponse, status: number, sentence: string): void {
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.statusCode = status;
  response.end(`${sentence}\n`);
}

function sendError(response: ServerResponse, error: KeysError): void {
  response.setHeader("Content-Type", "application/json");
  response.setHeader("X-Etcd-Index", error.index);
  response.statusCode = statusOfError(error);
  response.end(errorText(error));
}
