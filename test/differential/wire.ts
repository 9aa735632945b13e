import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** The largest head of an answer that is taken for one, in bytes. */
const mostHeadBytes = 2 * 1024 * 1024;

const lineEnd = Buffer.from("\r\n");
const headEnd = Buffer.from("\r\n\r\n");

/** The first lines of an answer. */
export interface Head {
  readonly status: number;
  /** By name in small letters; values of repeated ones are joined with a comma. */
  readonly headers: ReadonlyMap<string, string>;
}

/** One answer, while it comes. */
export class Answer {
  head: Head | undefined;
  /** The body so far, one character for each byte. */
  body = "";
  /** Whether the whole of it is there. */
  complete = false;
  /** Why nothing more comes although it is not complete. */
  broken: string | undefined;
  readonly #isHead: boolean;
  #changed = Promise.withResolvers<void>();

  constructor(method: string) {
    this.#isHead = method === "HEAD";
  }

  get over(): boolean {
    return this.complete || this.broken !== undefined;
  }

  /** HEAD has the headers of a body and no body. */
  get withoutBody(): boolean {
    const status = this.head?.status ?? 0;
    return this.#isHead || status === 204 || status === 304 || status < 200;
  }

  tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  break(why: string): void {
    if (this.over) return;
    this.broken = why;
    this.tell();
  }

  /** Waits until `holds`; false when that took longer than `limitMs`. */
  async until(holds: () => boolean, limitMs: number): Promise<boolean> {
    const limit = Promise.withResolvers<"over">();
    const timer = setTimeout(() => limit.resolve("over"), limitMs);
    try {
      while (!holds()) {
        if ((await Promise.race([this.#changed.promise, limit.promise])) === "over") return holds();
      }
      return true;
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * A connection that sends bytes exactly as they are given and reads answers as HTTP/1.1 frames them. Node's own client
 * would refuse much of what a server has to be asked here.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #waiting: Answer[] = [];
  #buffer: Buffer = Buffer.alloc(0);
  #left: number | "chunked" | "to-the-end" | undefined;
  #inChunk = 0;
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (piece: Buffer) => this.#take(piece));
    socket.on("error", (error) => this.#end(error.message));
    socket.on("close", () => this.#end("the connection was closed"));
  }

  /** @param origin `http://HOST:PORT` */
  static async open(origin: string): Promise<Connection> {
    const { hostname, port } = new URL(origin);
    const socket = connect({ port: Number(port), host: hostname, noDelay: true });
    await once(socket, "connect");
    return new Connection(socket);
  }

  /** Whether nothing more can be sent. */
  get closed(): boolean {
    return this.#closed || this.#socket.destroyed || this.#socket.readableEnded;
  }

  /** Sends one request; answers come in the order of the requests. */
  send(bytes: Buffer, method: string): Answer {
    const answer = new Answer(method);
    this.#waiting.push(answer);
    if (this.closed) answer.break("the connection was closed");
    else this.#socket.write(bytes);
    return answer;
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(piece: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? piece : Buffer.concat([this.#buffer, piece]);
    while (this.#step()) {
      // Each step takes a part of the answer out of the buffer.
    }
    this.#waiting[0]?.tell();
  }

  /** Reads one part of the oldest answer; false when more bytes are needed. */
  #step(): boolean {
    const [answer] = this.#waiting;
    if (answer === undefined) return false;
    if (this.#left === undefined) return this.#readHead(answer);
    if (this.#left === "chunked") return this.#readChunk(answer);
    const wanted = this.#left === "to-the-end" ? this.#buffer.length : this.#left;
    const piece = this.#cut(Math.min(wanted, this.#buffer.length));
    answer.body += piece.toString("latin1");
    if (this.#left === "to-the-end") return false;
    this.#left -= piece.length;
    if (this.#left > 0) return false;
    return this.#finish(answer);
  }

  #readHead(answer: Answer): boolean {
    const end = this.#buffer.indexOf(headEnd);
    if (end < 0) {
      if (this.#buffer.length > mostHeadBytes) this.#socket.destroy(new Error("the head has no end"));
      return false;
    }
    const head = readHead(this.#cut(end + headEnd.length).toString("latin1"));
    // 100 only says that the body may come; the answer follows.
    if (head.status === 100) return true;
    answer.head = head;
    const length = head.headers.get("content-length");
    if (answer.withoutBody) this.#left = 0;
    else if (head.headers.get("transfer-encoding") === "chunked") this.#left = "chunked";
    else this.#left = length === undefined ? "to-the-end" : Number(length);
    return true;
  }

  #readChunk(answer: Answer): boolean {
    if (this.#inChunk === 0) {
      const end = this.#buffer.indexOf(lineEnd);
      if (end < 0) return false;
      const size = Number.parseInt(this.#buffer.toString("latin1", 0, end), 16);
      if (size === 0) {
        if (this.#buffer.length < end + 4) return false;
        this.#cut(end + 4);
        return this.#finish(answer);
      }
      this.#cut(end + 2);
      this.#inChunk = size + lineEnd.length;
    }
    if (this.#buffer.length < this.#inChunk) return false;
    answer.body += this.#cut(this.#inChunk).toString("latin1", 0, this.#inChunk - lineEnd.length);
    this.#inChunk = 0;
    return true;
  }

  #finish(answer: Answer): boolean {
    this.#left = undefined;
    this.#waiting.shift();
    answer.complete = true;
    answer.tell();
    return this.#waiting.length > 0;
  }

  #cut(length: number): Buffer {
    const piece = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return piece;
  }

  #end(why: string): void {
    this.#closed = true;
    const [first] = this.#waiting;
    if (this.#left === "to-the-end" && first !== undefined) this.#finish(first);
    for (const answer of this.#waiting.splice(0)) answer.break(why);
  }
}

function readHead(text: string): Head {
  const [first = "", ...lines] = text.split("\r\n");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return { status: Number(first.split(" ")[1] ?? "0"), headers };
}
