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

export interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** When it was complete, in ms since 1970. */
  readonly atMs: number;
}

/** Sends what was recorded to one server. */
export class Client {
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(port: number) {
    this.#port = port;
  }

  async ask(recorded: RecordedRequest, meaning: Meaning): Promise<Answer> {
    const { response } = await this.#begin(recorded, meaning);
    let text = "";
    for await (const piece of response.setEncoding("utf8")) text += String(piece);
    return { status: response.statusCode, headers: response.headers, text, atMs: Date.now() };
  }

  /** Resolves as soon as the headers are there. */
  async watch(recorded: RecordedRequest, meaning: Meaning): Promise<OpenWatch> {
    const { request, response } = await this.#begin(recorded, meaning);
    return new OpenWatch(request, response);
  }

  close(): void {
    this.#agent.destroy();
  }

  async #begin(
    recorded: RecordedRequest,
    meaning: Meaning,
  ): Promise<{ readonly request: ClientRequest; readonly response: IncomingMessage }> {
    const { method = "GET", query, form, headers } = recorded;
    const path =
      filledIn(recorded.path, meaning) + (query === undefined ? "" : `?${formText(query, meaning)}`);
    const body = form === undefined ? textOf(recorded.body ?? "", meaning) : formText(form, meaning);
    const request = httpRequest({ method, path, host: "127.0.0.1", port: this.#port, agent: this.#agent });
    if (form !== undefined) request.setHeader("Content-Type", "application/x-www-form-urlencoded");
    for (const [name, value] of Object.entries(headers ?? {}))
      request.setHeader(name, filledIn(value, meaning));
    if (body !== "") request.setHeader("Content-Length", Buffer.byteLength(body));
    request.end(body);
    const [response] = (await once(request, "response")) as [IncomingMessage];
    return { request, response };
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
