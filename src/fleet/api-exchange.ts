import type { IncomingMessage, ServerResponse } from "node:http";
import { Fault } from "../lib/fault.ts";
import { refuse } from "./api-answers.ts";
import { LightHeaders, LightResponse } from "./light-web.ts";

/** Answers a request; `remote` is the address that its connection comes from, undefined for a local socket. */
export type Handler = (request: Request, remote?: string) => Promise<Response>;

/** How long what a client still sends of a request that was answered is taken in, in ms, so that it hears the answer. */
const drainLimitMs = 500;

const clientLeft = new Fault("client-left", "the client does not wait for its answer any more");

/**
 * Has a handler answer one request of Node's server.
 * @param failed is told what a handler fails with, and gives the answer
 */
export async function exchange(
  handler: Handler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  failed: (error: unknown) => Response,
): Promise<void> {
  const ended = new AbortController();
  outgoing.once("close", () => {
    if (!outgoing.writableFinished) ended.abort(clientLeft);
  });
  let answer: Response;
  try {
    const request = requestOf(incoming, ended.signal);
    answer =
      request === undefined
        ? refuse(400, "the path or the Host header of the request is not valid")
        : await handler(request, incoming.socket.remoteAddress);
  } catch (error) {
    if (ended.signal.aborted) return;
    answer = failed(error);
  }
  // Of a body that nobody has begun to read Node itself throws away what comes.
  if (!incoming.complete && incoming.readableDidRead) endUnread(incoming, outgoing);
  try {
    await send(answer, outgoing);
  } catch {
    // Half an answer must not look like a whole one.
    outgoing.destroy();
  }
}

/** A request whose body was not read to its end: some of it is taken in and forgotten, then the connection ends. */
function endUnread(incoming: IncomingMessage, outgoing: ServerResponse): void {
  outgoing.setHeader("Connection", "close");
  outgoing.once("finish", () => {
    incoming.resume();
    const over = setTimeout(() => incoming.destroy(), drainLimitMs);
    incoming.once("close", () => clearTimeout(over));
  });
}

async function send(answer: Response, outgoing: ServerResponse): Promise<void> {
  outgoing.statusCode = answer.status;
  answer.headers.forEach((value, name) => outgoing.setHeader(name, value));
  const whole = answer instanceof LightResponse ? answer.whole : undefined;
  if (typeof whole === "string") {
    outgoing.end(whole);
    return;
  }
  const reader = answer.body?.getReader();
  if (reader === undefined) {
    outgoing.end();
    return;
  }
  outgoing.once("close", () => {
    reader.cancel(clientLeft).catch(() => undefined);
  });
  // What is there as a whole goes out as a whole, with its length.
  let reading = reader.read();
  const first = await atOnce(reading);
  if (first !== undefined && !first.done) reading = reader.read();
  const second = first?.done === false ? await atOnce(reading) : undefined;
  if (first?.done === true || second?.done === true) {
    outgoing.end(first?.value);
    return;
  }
  if (first === undefined) outgoing.flushHeaders();
  else if (!outgoing.write(first.value)) await drained(outgoing);
  for (;;) {
    const { done, value } = await reading;
    if (done || outgoing.destroyed) break;
    if (!outgoing.write(value)) await drained(outgoing);
    reading = reader.read();
  }
  outgoing.end();
}

/** What a promise gives if it has nothing left to wait for; undefined otherwise. */
async function atOnce<Value>(promise: Promise<Value>): Promise<Value | undefined> {
  return await Promise.race([promise, Promise.resolve().then(() => Promise.resolve(undefined))]);
}

async function drained(outgoing: ServerResponse): Promise<void> {
  if (outgoing.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      outgoing.off("drain", done);
      outgoing.off("close", done);
      resolve();
    };
    outgoing.on("drain", done);
    outgoing.on("close", done);
  });
}

/** As much of fetch's `Request` as the API and Hono use of it; undefined when path and host do not make a URL. */
function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request | undefined {
  const { method = "GET", rawHeaders } = incoming;
  const headers = new LightHeaders();
  // Not `incoming.headers`, which keeps one of two content types: that there are two is told.
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    headers.append(rawHeaders[at] ?? "", rawHeaders[at + 1] ?? "");
  // Some clients of a unix socket name no host at all.
  const { host: named = "" } = incoming.headers;
  const host = named === "" ? "localhost" : named;
  const path = incoming.url ?? "/";
  const url = URL.parse(path.startsWith("/") ? `http://${host}${path}` : path);
  if (url === null || url.username !== "" || !/^[^/?#\s\\@]+$/.test(host) || !/^https?:$/.test(url.protocol))
    return undefined;
  // Everything that is asked of a request here and in Hono is there; the rest of the type is not.
  return { method, url: url.href, headers, signal, ...bodyOf(incoming) } as unknown as Request;
}

interface Body {
  readonly body: { getReader(): { read(): Promise<{ done: boolean; value: Uint8Array | undefined }> } };
  text(): Promise<string>;
}

function bodyOf(incoming: IncomingMessage): Body {
  const pieces = (): AsyncIterator<Uint8Array> =>
    incoming.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
  return {
    body: {
      getReader: () => {
        const from = pieces();
        return {
          read: async () => {
            const next = await from.next();
            return next.done === true ? { done: true, value: undefined } : { done: false, value: next.value };
          },
        };
      },
    },
    text: async () => {
      const read: Uint8Array[] = [];
      for await (const piece of { [Symbol.asyncIterator]: pieces }) read.push(piece);
      return new TextDecoder().decode(Buffer.concat(read));
    },
  };
}
