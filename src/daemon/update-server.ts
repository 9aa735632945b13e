import { isUtf8 } from "node:buffer";
import { constants } from "node:fs";
import { type FileHandle, open, realpath, stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { join, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import type { ServeUpdates, UpdateServerOptions } from "../argosy/update-server-serve.ts";
import type { Env } from "../lib/env.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { parseRequest, plainAppId, printResponse } from "../update/omaha.ts";
import { isName } from "../update/server-records.ts";
import { UpdateRegistry } from "../update/update-registry.ts";
import { isVersion } from "../update/version-order.ts";
import { aborted, closeServer, httpAddressOf } from "./keys-server.ts";
import { listen } from "./listen-sockets.ts";
import { runDaemon } from "./run-daemon.ts";
import { openStore } from "./store-access.ts";

/** The longest request (the limit of CoreOS's servers). */
const mostBodyBytes = 1024 * 1024;
/** Apps that one request may ask about; real ones ask about one. */
const mostApps = 16;
const mostConnections = 10_000;
/** How long a client may take to send its request. */
const requestLimitMs = 30_000;
/** How long a connection may stand still, such as that of a client that does not read what it asked for. */
const idleLimitMs = 120_000;

interface Parts {
  readonly env: Env;
  readonly registry: UpdateRegistry;
  readonly options: UpdateServerOptions;
}

/** The program of `argosy update-server`. Returns its exit code. */
export const serveUpdates: ServeUpdates = async (options) =>
  await runDaemon("update-server", async (env, signal) => {
    await checkImages(options.images);
    const store = await openStore(env, options.store);
    const servers: Server[] = [];
    try {
      const registry = new UpdateRegistry(env, store);
      for (const address of options.listenOn) {
        const server = updateHttpServer({ env, registry, options });
        await listen(server, address);
        servers.push(server);
        for (const url of httpAddressOf(server))
          process.stdout.write(`serves updates on ${url}/v1/update/\n`);
      }
      await aborted(signal);
    } finally {
      await Promise.all(servers.map((server) => closeServer(env, server)));
      await store.close();
    }
  });

/** Throws Fault `no-images` when the folder for files is none. */
async function checkImages(images: string | undefined): Promise<void> {
  if (images === undefined) return;
  const found = await stat(images).catch(() => undefined);
  if (found?.isDirectory() !== true)
    throw new Fault(
      "no-images",
      `--images ${images} is no folder; make it, with one folder for each version`,
    );
}

/** The protocol and the files over HTTP. */
export function updateHttpServer(parts: Parts): Server {
  const limits = { requestTimeout: requestLimitMs, headersTimeout: requestLimitMs };
  const server = createServer(limits, (request, response) => {
    route(parts, request, response).catch((error: unknown) => {
      const sentence = sentenceOf(error);
      if (response.headersSent) {
        parts.env.log.debug(`an answer was cut short: ${sentence}`);
        response.destroy();
        return;
      }
      parts.env.log.warning(`cannot answer ${request.method} ${request.url}: ${sentence}`);
      // Machines wait twice as long after this, so that a store in trouble is left alone.
      plain(response, 503, "the update server cannot reach its store\n");
    });
  });
  server.maxConnections = mostConnections;
  server.timeout = idleLimitMs;
  return server;
}

async function route(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? "/").replace(/\?.*$/s, "");
  if (/^\/v1\/update\/?$/.test(path)) {
    if (request.method === "POST") return await answerOmaha(parts, request, response);
    response.setHeader("Allow", "POST");
    return plain(response, 405, "the Omaha protocol is spoken with POST\n");
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("Allow", "GET, HEAD");
    return plain(response, 405, "only GET and HEAD here\n");
  }
  if (path === "/health") return plain(response, 200, "OK\n");
  const file = await fileAt(parts, path);
  if (file === undefined) return plain(response, 404, "there is nothing here; machines ask /v1/update/\n");
  if ("elsewhere" in file) {
    response.setHeader("Location", file.elsewhere);
    return plain(response, 302, `it is at ${file.elsewhere}\n`);
  }
  await sendFile(file, request, response);
}

async function answerOmaha(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await limitedBody(request);
  if (body === undefined) return plain(response, 400, `a request is at most ${mostBodyBytes} bytes long\n`);
  const asked = parseRequest(textOf(body));
  // As CoreOS's servers do with what they cannot read.
  if (asked === undefined) return plain(response, 200, "");
  const address = request.socket.remoteAddress ?? "";
  const forwarded =
    String(request.headers["x-forwarded-for"] ?? "")
      .split(",")[0]
      ?.trim() ?? "";
  const own = ownAddress(parts.options, request);
  const when = {
    address: forwarded === "" ? address : forwarded.slice(0, 64),
    ownFolder: (version: string) => `${own}releases/${encodeURIComponent(version)}/`,
  };
  const apps = [];
  for (const app of asked.apps.slice(0, mostApps)) {
    if (plainAppId(app.appId) === parts.options.appId) apps.push(await parts.registry.answer(app, when));
    else {
      const check = app.updateCheck ? { updateCheck: { status: "error-internal", codebases: [] } } : {};
      apps.push({
        appId: app.appId,
        status: "error-failedToRetrieveUpdatePackageInfo",
        ping: app.ping,
        events: 0,
        ...check,
      });
    }
  }
  const text = printResponse({ apps });
  response.writeHead(200, { "Content-Type": "text/xml", "Content-Length": Buffer.byteLength(text) });
  response.end(text);
}

/** Where machines find this server: as they were told, or as they asked. With a final slash. */
function ownAddress({ url }: UpdateServerOptions, request: IncomingMessage): string {
  if (url !== undefined) return url.endsWith("/") ? url : `${url}/`;
  const host = request.headers.host ?? "";
  const known = /^[A-Za-z0-9.:[\]-]{1,255}$/.test(host)
    ? host
    : `127.0.0.1:${request.socket.localPort ?? 80}`;
  return `http://${known}/`;
}

/** The body's bytes; undefined when there are too many. */
async function limitedBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    length += piece.length;
    // The rest is read and dropped, so that the client gets to read the answer; one that goes on for ever does not.
    if (length > 16 * mostBodyBytes) break;
    if (length <= mostBodyBytes) pieces.push(piece);
  }
  return length > mostBodyBytes ? undefined : Buffer.concat(pieces);
}

/** Bytes as text; empty when they are no UTF-8, which the protocol is in. */
function textOf(body: Buffer): string {
  return isUtf8(body) ? body.toString("utf8") : "";
}

interface FileOfOurs {
  /** The folder that is served. */
  readonly images: string;
  readonly path: string;
}

/** The file behind `/releases/VERSION/NAME` or `/channels/NAME/FILE`: one of ours, or where the release says it is. */
async function fileAt(
  parts: Parts,
  path: string,
): Promise<FileOfOurs | { readonly elsewhere: string } | undefined> {
  const [, kind, first = "", name = "", ...more] = path.split("/").map(decoded);
  if (more.length > 0 || !/^[A-Za-z0-9][A-Za-z0-9._+~^-]*$/.test(name)) return undefined;
  const version =
    kind === "releases" ? first : kind === "channels" ? await versionOf(parts.registry, first) : undefined;
  if (version === undefined || !isVersion(version)) return undefined;
  const [folder] = (await parts.registry.release(version))?.urls ?? [];
  if (folder !== undefined) return { elsewhere: `${folder}${encodeURIComponent(name)}` };
  const { images } = parts.options;
  return images === undefined ? undefined : { images, path: join(images, version, name) };
}

/** What a channel stands for now. Machines that only fetch files are halted by finding none. */
async function versionOf(registry: UpdateRegistry, channel: string): Promise<string | undefined> {
  if (!isName(channel)) return undefined;
  const [found, halt] = await Promise.all([registry.channel(channel), registry.halted()]);
  return halt === undefined ? found?.version : undefined;
}

function decoded(piece: string): string {
  try {
    return decodeURIComponent(piece);
  } catch {
    return "";
  }
}

/**
 * Opens a file of the folder; undefined when there is none, or when its name is a link that leads out of the folder. What was
 * opened is looked at, and not the name once more, so that nothing can be put in its place in between.
 */
async function openWithin(folder: string, path: string): Promise<FileHandle | undefined> {
  // A pipe would keep whoever opens it.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
  if (file === undefined) return undefined;
  const [real, within] = await Promise.all([
    realpath(`/proc/self/fd/${file.fd}`).catch(() => ""),
    realpath(folder).catch(() => undefined),
  ]);
  if (within !== undefined && real.startsWith(within.endsWith(sep) ? within : `${within}${sep}`)) return file;
  await file.close();
  return undefined;
}

async function sendFile(
  { images, path }: FileOfOurs,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  await using file = await openWithin(images, path);
  const found = await file?.stat();
  if (file === undefined || found?.isFile() !== true) return plain(response, 404, "there is no such file\n");
  const range = rangeOf(request.headers.range ?? "", found.size);
  if (range === "bad") {
    response.setHeader("Content-Range", `bytes */${found.size}`);
    return plain(response, 416, "there are no such bytes\n");
  }
  const { start, end } = range ?? { start: 0, end: found.size - 1 };
  response.writeHead(range === undefined ? 200 : 206, {
    "Content-Type": "application/octet-stream",
    "Content-Length": Math.max(0, end - start + 1),
    "Accept-Ranges": "bytes",
    ...(range === undefined ? {} : { "Content-Range": `bytes ${start}-${end}/${found.size}` }),
  });
  if (request.method === "HEAD" || found.size === 0) {
    response.end();
    return;
  }
  const content = file.createReadStream({ start, end, autoClose: false });
  await pipeline(content, response, { end: false });
  // A file that became shorter meanwhile ends the connection, so that nobody waits for the rest.
  if (content.bytesRead === end - start + 1) response.end();
  else response.destroy();
}

/** One range of bytes, with both ends; undefined when none was asked for in a form we know. */
function rangeOf(
  header: string,
  size: number,
): { readonly start: number; readonly end: number } | "bad" | undefined {
  const [, from = "", to = ""] = /^bytes=(\d*)-(\d*)$/.exec(header) ?? [];
  if (from === "" && to === "") return undefined;
  const start = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  return start > end ? "bad" : { start, end };
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
  });
  response.end(text);
}
