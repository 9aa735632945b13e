import { connect, type Socket } from "node:net";
import { type AnswerHead, AnswerReader, NoAnswer } from "./http-answer.ts";

/** Where a server listens. */
export type PlainEnd = { readonly path: string } | { readonly host: string; readonly port: number };

/** One request as it is sent: the method, what follows it in the first line, and the whole head and body. */
export interface PlainRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** An answer of which the head has come. */
export interface PlainAnswer extends AnswerHead {
  /** The body as it comes; rejects when it breaks off, or with the reason of the request's signal. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Bytes of a body that wait for their reader before the connection is told to wait as well. */
const mostWaitingBytes = 256 * 1024;

/**
 * Sends requests of HTTP/1.1 without TLS over a few connections that are used again and again. An idle one does not keep
 * the process.
 */
export class PlainHttp {
  readonly #end: PlainEnd;
  readonly #most: number;
  readonly #idle: Socket[] = [];
  readonly #waiting: (() => void)[] = [];
  #open = 0;

  /** @param most connections at a time; requests beyond wait for one */
  constructor(end: PlainEnd, most: number) {
    this.#end = end;
    this.#most = most;
  }

  /** Rejects with the error of the socket, with `NoAnswer`, or with the reason of the signal. */
  async send(request: PlainRequest, signal?: AbortSignal): Promise<PlainAnswer> {
    signal?.throwIfAborted();
    const text = textOf(request);
    while (this.#idle.length === 0 && this.#open >= this.#most) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      signal?.throwIfAborted();
    }
    const kept = this.#idle.pop();
    const socket = kept ?? this.#connect();
    try {
      return await this.#ask(socket, text, signal);
    } catch (error) {
      // A server may end a connection that rests, just when it is used again; to ask twice does no harm.
      if (kept === undefined || request.method !== "GET" || signal?.aborted === true) throw error;
      return await this.#ask(this.#connect(), text, signal);
    }
  }

  #connect(): Socket {
    const socket = connect(this.#end);
    this.#open += 1;
    socket.setNoDelay(true);
    socket.once("close", () => {
      this.#open -= 1;
      const at = this.#idle.indexOf(socket);
      if (at >= 0) this.#idle.splice(at, 1);
      this.#waiting.shift()?.();
    });
    // Each request hears of the error itself; one of an idle connection concerns nobody.
    socket.on("error", () => {});
    return socket;
  }

  #ask(socket: Socket, text: string, signal: AbortSignal | undefined): Promise<PlainAnswer> {
    const reader = new AnswerReader();
    const body = new Pieces(socket);
    socket.ref();
    return new Promise((resolve, reject) => {
      const done = (problem: unknown): void => {
        socket.off("data", take);
        socket.off("close", closed);
        socket.off("error", failed);
        signal?.removeEventListener("abort", abort);
        if (problem === undefined && reader.keepsConnection) {
          socket.unref();
          socket.resume();
          this.#idle.push(socket);
          this.#waiting.shift()?.();
        } else socket.destroy();
        if (problem !== undefined) reject(problem);
        body.end(problem);
      };
      const take = (piece: Buffer): void => {
        try {
          for (const part of reader.take(piece)) body.push(part);
        } catch (error) {
          done(error);
          return;
        }
        if (reader.head !== undefined) resolve({ ...reader.head, body });
        if (reader.ended) done(undefined);
      };
      const closed = (): void => {
        try {
          reader.finish();
          done(undefined);
        } catch (error) {
          done(error);
        }
      };
      const failed = (error: Error): void => done(error);
      const abort = (): void => done(signal?.reason);
      signal?.addEventListener("abort", abort, { once: true });
      socket.on("data", take);
      socket.once("close", closed);
      socket.once("error", failed);
      socket.write(text);
    });
  }
}

function textOf({ method, path, headers, body }: PlainRequest): string {
  let text = `${method} ${path} HTTP/1.1\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    // Node's own client refuses these as well: they would end the line.
    if (/[\r\n\0]/.test(value)) throw new NoAnswer(`the header ${name} has a line break in it`);
    text += `${name}: ${value}\r\n`;
  }
  if (/[\s\0]/.test(path)) throw new NoAnswer("the path has a blank in it");
  if (body !== undefined) text += `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  return `${text}\r\n${body ?? ""}`;
}

/** The pieces of a body between the connection and its reader. */
class Pieces implements AsyncIterable<Uint8Array> {
  readonly #socket: Socket;
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;
  #problem: unknown;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes > mostWaitingBytes) this.#socket.pause();
    this.#wake?.();
  }

  end(problem: unknown): void {
    this.#ended = true;
    this.#problem = problem;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const piece = this.#pieces.shift();
        if (piece !== undefined) {
          this.#bytes -= piece.length;
          if (this.#socket.isPaused() && this.#bytes <= mostWaitingBytes) this.#socket.resume();
          yield piece;
        } else if (this.#ended) {
          if (this.#problem !== undefined) throw this.#problem;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      // Whoever does not read to the end wants no more of it.
      if (!this.#ended) this.#socket.destroy();
    }
  }
}
