// A load on a v2 keys API, in a process of its own: `node keys-load.ts` takes one job after the other over its IPC
// channel and answers with what it counted. Bare sockets and the least of HTTP, so that what is measured is the server.

import { connect, type Socket } from "node:net";
import process from "node:process";

/** What the process is asked to do. */
export type Job =
  /** Each client asks again as soon as it is answered, for `ms`. */
  | {
      readonly kind: "get" | "put";
      readonly port: number;
      readonly clients: number;
      readonly keys: number;
      readonly ms: number;
    }
  /** Writes each key once. */
  | { readonly kind: "fill"; readonly port: number; readonly keys: number }
  /** That many waits for one key; `rounds` times it is written, and all are answered and wait again. */
  | { readonly kind: "fanOut"; readonly port: number; readonly waits: number; readonly rounds: number }
  /** Opens waits for one key each and leaves them open until the next job. */
  | { readonly kind: "hold"; readonly port: number; readonly waits: number };

/** What it counted. */
export interface Counted {
  /** Answers (get, put), rounds (fanOut) or open waits (hold). */
  readonly count: number;
  /** Milliseconds it took; of a fan-out the milliseconds of each round. */
  readonly ms: number;
  readonly roundsMs: readonly number[];
}

const value = "v".repeat(64);
let held: readonly Client[] = [];

process.on("message", (job: Job) => {
  run(job).then(
    (counted) => process.send?.(counted),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});

async function run(job: Job): Promise<Counted> {
  for (const client of held) client.close();
  held = [];
  switch (job.kind) {
    case "get":
    case "put":
      return await askAllTheTime(job);
    case "fill":
      return await fill(job);
    case "fanOut":
      return await fanOut(job);
    case "hold":
      held = await openWaits(job.port, job.waits, (wait) => `/v2/keys/held/${wait}?wait=true`);
      return { count: held.length, ms: 0, roundsMs: [] };
  }
}

async function askAllTheTime({
  kind,
  port,
  clients,
  keys,
  ms,
}: Job & { kind: "get" | "put" }): Promise<Counted> {
  const open = await Promise.all(Array.from({ length: clients }, () => Client.open(port)));
  // Made before the time begins, as what is measured is the server.
  const requests = Array.from({ length: keys }, (_, key) => {
    const path = `/v2/keys/bench/${key}`;
    return kind === "get" ? get(path) : put(path, value);
  });
  const anyRequest = (): string => requests[Math.floor(Math.random() * keys)] ?? "";
  const begun = performance.now();
  const end = begun + ms;
  let count = 0;
  await Promise.all(
    open.map(
      (client) =>
        new Promise<void>((resolve) => {
          const again = (): void => {
            count += 1;
            if (performance.now() < end) client.send(anyRequest(), again);
            else resolve();
          };
          client.send(anyRequest(), again);
        }),
    ),
  );
  const took = performance.now() - begun;
  for (const client of open) client.close();
  return { count, ms: took, roundsMs: [] };
}

async function fill({ port, keys }: Job & { kind: "fill" }): Promise<Counted> {
  const open = await Promise.all(Array.from({ length: 64 }, () => Client.open(port)));
  let next = 0;
  await Promise.all(
    open.map(async (client) => {
      for (let key = next++; key < keys; key = next++) await client.ask(put(`/v2/keys/bench/${key}`, value));
      client.close();
    }),
  );
  return { count: keys, ms: 0, roundsMs: [] };
}

async function fanOut({ port, waits, rounds }: Job & { kind: "fanOut" }): Promise<Counted> {
  const path = "/v2/keys/fan-out";
  const writer = await Client.open(port);
  const roundsMs: number[] = [];
  const clients = await Promise.all(Array.from({ length: waits }, () => Client.open(port)));
  for (let round = 0; round < rounds; round += 1) {
    const { promise: allAnswered, resolve } = Promise.withResolvers<void>();
    let open = waits;
    const answered = (): void => {
      open -= 1;
      if (open === 0) resolve();
    };
    for (const client of clients) client.send(get(`${path}?wait=true`), answered);
    await Promise.all(clients.map((client) => client.headersSeen()));
    const begun = performance.now();
    await Promise.all([writer.ask(put(path, `${round}`)), allAnswered]);
    roundsMs.push(performance.now() - begun);
  }
  for (const client of [writer, ...clients]) client.close();
  return { count: rounds, ms: roundsMs.reduce((sum, each) => sum + each, 0), roundsMs };
}

async function openWaits(port: number, waits: number, path: (wait: number) => string): Promise<Client[]> {
  const clients: Client[] = [];
  const batch = 250;
  for (let first = 0; first < waits; first += batch) {
    const more = await Promise.all(Array.from({ length: batch }, () => Client.open(port)));
    for (const [at, client] of more.entries()) void client.ask(get(path(first + at)));
    await Promise.all(more.map((client) => client.headersSeen()));
    clients.push(...more);
  }
  return clients;
}

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
}

function put(path: string, text: string): string {
  const body = `value=${text}`;
  return (
    `PUT ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n` +
    `Content-Length: ${body.length}\r\n\r\n${body}`
  );
}

/** What every connection reads into: each piece is looked at before the next is read. */
const readBytes = Buffer.alloc(64 * 1024);

const lastChunk = Buffer.from("0\r\n\r\n");

/** Whether what was read ends with the last chunk: no text of an event does, since its last character is a brace. */
function endsWithLastChunk(length: number): boolean {
  if (length < lastChunk.length) return false;
  const at = length - lastChunk.length;
  return readBytes[at] === 0x30 && readBytes[at + 1] === 0x0d && readBytes[at + 4] === 0x0a;
}

/** One connection with at most one request under way. */
class Client {
  readonly #socket: Socket;
  /** What came of an answer that was not whole yet. */
  #received: Buffer | undefined;
  #answered: (() => void) | undefined;
  #headers: (() => void) | undefined;
  #headersAreHere = false;
  /** The headers said that chunks follow: only how they end is of interest. */
  #chunksFollow = false;

  static async open(port: number): Promise<Client> {
    const take = (length: number): boolean => {
      client.#take(length);
      return true;
    };
    const socket = connect({
      port,
      host: "127.0.0.1",
      noDelay: true,
      onread: { buffer: readBytes, callback: take },
    });
    const client = new Client(socket);
    socket.on("close", () => client.#lose());
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return client;
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Calls `answered` when the whole answer is here. */
  send(request: string, answered: () => void): void {
    this.#headersAreHere = false;
    this.#chunksFollow = false;
    this.#answered = answered;
    this.#socket.write(request, "latin1");
  }

  /** Resolves when the whole answer is here. */
  ask(request: string): Promise<void> {
    return new Promise((resolve) => this.send(request, resolve));
  }

  /** Resolves when the header of the answer under way is here: from then on a wait is open. */
  async headersSeen(): Promise<void> {
    if (this.#headersAreHere) return;
    await new Promise<void>((resolve) => {
      this.#headers = resolve;
    });
  }

  close(): void {
    this.#answered = undefined;
    this.#socket.destroy();
  }

  #lose(): void {
    if (this.#answered !== undefined) throw new Error("the server closed a connection before it answered");
  }

  #take(length: number): void {
    // Waits of a thousand clients end so, at once; more work for each than this would be what is measured.
    if (this.#chunksFollow && this.#received === undefined && endsWithLastChunk(length))
      return this.#finish();
    const bytes = readBytes.subarray(0, length);
    const received = this.#received === undefined ? bytes : Buffer.concat([this.#received, bytes]);
    if (this.#chunksFollow) {
      const end = received.subarray(-lastChunk.length);
      const isLast = end.equals(lastChunk);
      this.#received = isLast ? undefined : Buffer.from(end);
      if (isLast) this.#finish();
      return;
    }
    const text = received.toString("latin1");
    const at = text.indexOf("\r\n\r\n");
    if (at >= 0 && !this.#headersAreHere) {
      this.#headersAreHere = true;
      this.#headers?.();
      this.#headers = undefined;
    }
    if (at < 0 || !isWhole(text, at)) {
      this.#chunksFollow = at >= 0 && text.length === at + 4 && text.includes("Transfer-Encoding: chunked");
      this.#received = this.#chunksFollow ? undefined : Buffer.from(received);
      return;
    }
    this.#received = undefined;
    this.#finish();
  }

  #finish(): void {
    const answered = this.#answered;
    this.#answered = undefined;
    answered?.();
  }
}

/**
 * RFC 9112 6: a body ends after its Content-Length, or with its last chunk.
 * @param received one character for each byte
 */
function isWhole(received: string, headersAt: number): boolean {
  if (!received.startsWith("200", 9) && !received.startsWith("201", 9))
    throw new Error(`the server answered: ${received}`);
  // Both servers write this name so; what the values hold is behind the headers.
  const lengthAt = received.indexOf("Content-Length: ");
  if (lengthAt >= 0 && lengthAt < headersAt)
    return (
      received.length >= headersAt + 4 + Number.parseInt(received.slice(lengthAt + 16, lengthAt + 26), 10)
    );
  return received.length > headersAt + 4 && received.endsWith("0\r\n\r\n");
}
