import { once } from "node:events";
import {
  Agent,
  request as httpRequest,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from "node:http";
import { filledIn, type Meaning } from "./compare.ts";
import type { RecordedForm, RecordedRequest, RecordedText } from "./transcript.ts";

/** How long a whole answer may take when the transcript does not say it, in ms. */
const answerLimitMs = 20_000;
/** A watch has its headers before its first event. */
const watchHeadLimitMs = 4_000;

export interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** When it was complete, in ms since 1970. */
  readonly atMs: number;
}

/** Sends what was recorded to one server. */
export class Client {
  readonly #origin: URL;
  readonly #agent = new Agent({ keepAlive: true });

  /** @param origin such as `http://127.0.0.1:4001` */
  constructor(origin: string) {
    this.#origin = new URL(origin);
  }

  async ask(recorded: RecordedRequest, meaning: Meaning, limitMs = answerLimitMs): Promise<Answer> {
    const request = this.#send(recorded, meaning);
    return within(limitMs, request, async () => {
      const response = await responseTo(request);
      let text = "";
      for await (const piece of response.setEncoding("utf8")) text += String(piece);
      return { status: response.statusCode, headers: response.headers, text, atMs: Date.now() };
    });
  }

  /** Resolves as soon as the headers are there. */
  async watch(recorded: RecordedRequest, meaning: Meaning): Promise<OpenWatch> {
    const request = this.#send(recorded, meaning);
    const response = await within(watchHeadLimitMs, request, async () => responseTo(request));
    return new OpenWatch(request, response);
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(recorded: RecordedRequest, meaning: Meaning): ClientRequest {
    const { method = "GET", query, form, headers } = recorded;
    const path =
      filledIn(recorded.path, meaning) + (query === undefined ? "" : `?${formText(query, meaning)}`);
    const body = form === undefined ? textOf(recorded.body ?? "", meaning) : formText(form, meaning);
    const { hostname, port } = this.#origin;
    const host = hostname.replace(/^\[(.*)\]$/, "$1");
    const request = httpRequest({ method, path, host, port: port || 80, agent: this.#agent });
    if (form !== undefined) request.setHeader("Content-Type", "application/x-www-form-urlencoded");
    for (const [name, value] of Object.entries(headers ?? {}))
      request.setHeader(name, filledIn(value, meaning));
    if (body !== "") request.setHeader("Content-Length", Buffer.byteLength(body));
    // Whoever waits for the answer hears of it as well.
    request.on("error", () => undefined);
    request.end(body);
    return request;
  }
}

async function responseTo(request: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return response;
}

/** Breaks the request off when the work with it takes longer, so that a server that hangs is a difference like others. */
async function within<Result>(
  limitMs: number,
  request: ClientRequest,
  work: () => Promise<Result>,
): Promise<Result> {
  const limit = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    limit.reject(new Error(`no whole answer came within ${limitMs} ms`));
    request.destroy();
  }, limitMs);
  try {
    return await Promise.race([work(), limit.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** An answer that is still coming, one line for each event. */
export class OpenWatch {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly #request: ClientRequest;
  readonly #lines: { readonly text: string; readonly atMs: number }[] = [];
  #rest = "";
  #ended = false;
  #changed = Promise.withResolvers<void>();

  constructor(request: ClientRequest, response: IncomingMessage) {
    this.#request = request;
    this.status = response.statusCode;
    this.headers = response.headers;
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    response.setEncoding("utf8").on("data", (piece: string) => this.#take(piece));
    response.on("close", () => {
      this.#ended = true;
      this.#tell();
    });
  }

  /** Whether the answer is over. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Events that have come and were not taken yet. */
  get waiting(): number {
    return this.#lines.length;
  }

  /** The oldest event that was not taken yet. */
  take(): { readonly text: string; readonly atMs: number } | undefined {
    return this.#lines.shift();
  }

  /** Waits until `holds`, at most `limitMs`. */
  async until(holds: () => boolean, limitMs: number): Promise<void> {
    const limit = Promise.withResolvers<"over">();
    const timer = setTimeout(() => limit.resolve("over"), limitMs);
    while (!holds()) {
      if ((await Promise.race([this.#changed.promise, limit.promise])) === "over") break;
    }
    clearTimeout(timer);
  }

  close(): void {
    this.#request.destroy();
  }

  #take(piece: string): void {
    const lines = (this.#rest + piece).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const text of lines) this.#lines.push({ text, atMs: Date.now() });
    this.#tell();
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

function formText(form: RecordedForm, meaning: Meaning): string {
  const pairs = Array.isArray(form)
    ? (form as readonly (readonly [string, RecordedText])[])
    : Object.entries(form);
  return pairs
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(textOf(value, meaning))}`)
    .join("&");
}

function textOf(text: RecordedText, meaning: Meaning): string {
  if (typeof text === "string") return filledIn(text, meaning);
  const [piece, times] = text.$repeat;
  return piece.repeat(times);
}
