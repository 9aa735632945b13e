/** What was sent is no answer of HTTP/1.1, or more than a client takes. */
export class NoAnswer extends Error {}

/** The line of the status and the headers of an answer. */
export interface AnswerHead {
  readonly status: number;
  /** By lower-case name; the last one of several with one name. */
  readonly headers: ReadonlyMap<string, string>;
}

/** Bytes of an answer's head, and of a line between chunks, that a client takes. */
const mostHeadBytes = 64 * 1024;

/** Where in an answer its bytes are. */
type Place =
  | { readonly in: "head" }
  | { readonly in: "counted"; left: number }
  | { readonly in: "chunk"; left: number }
  | { readonly in: "chunk-end" }
  | { readonly in: "chunk-size" }
  | { readonly in: "trailer" }
  | { readonly in: "rest" }
  | { readonly in: "end" };

/**
 * Reads one answer of HTTP/1.1 (RFC 9112) out of the pieces in which it comes. Node's own client does the same and far more;
 * to load it and run it for the first time takes a short command longer than everything else it does.
 */
export class AnswerReader {
  head: AnswerHead | undefined;
  #place: Place = { in: "head" };
  #line: Buffer = Buffer.alloc(0);
  /** The end of the connection is the end of the answer. */
  #untilEnd = false;

  /** Whether the answer is complete. */
  get ended(): boolean {
    return this.#place.in === "end";
  }

  /** Whether the connection can carry another request once the answer has ended. */
  get keepsConnection(): boolean {
    return this.ended && !/\bclose\b/i.test(this.head?.headers.get("connection") ?? "") && !this.#untilEnd;
  }

  /** Takes the next piece; gives what of it belongs to the body. Throws `NoAnswer`. */
  take(piece: Buffer): Buffer[] {
    const body: Buffer[] = [];
    let rest = piece;
    while (rest.length > 0) {
      const place = this.#place;
      if (place.in === "end") throw new NoAnswer("more came than the answer");
      if (place.in === "rest") {
        body.push(rest);
        break;
      }
      if (place.in === "counted" || place.in === "chunk") {
        const part = rest.subarray(0, place.left);
        body.push(part);
        place.left -= part.length;
        rest = rest.subarray(part.length);
        if (place.left === 0) this.#place = place.in === "counted" ? { in: "end" } : { in: "chunk-end" };
        continue;
      }
      rest = this.#takeLines(rest, place.in === "head" ? "\r\n\r\n" : "\r\n");
    }
    return body;
  }

  /** The connection has ended. Throws `NoAnswer` if that cuts the answer off. */
  finish(): void {
    if (this.#place.in === "rest") this.#place = { in: "end" };
    if (!this.ended) throw new NoAnswer("the connection was cut off");
  }

  /** Collects up to `end`, understands what was collected, and gives what is behind it. */
  #takeLines(piece: Buffer, end: string): Buffer {
    const all = this.#line.length === 0 ? piece : Buffer.concat([this.#line, piece]);
    const at = all.indexOf(end);
    if ((at < 0 ? all.length : at) > mostHeadBytes) throw new NoAnswer("its head is too long");
    if (at < 0) {
      this.#line = all;
      return Buffer.alloc(0);
    }
    this.#line = Buffer.alloc(0);
    this.#understand(all.toString("latin1", 0, at));
    return all.subarray(at + end.length);
  }

  #understand(text: string): void {
    switch (this.#place.in) {
      case "head":
        this.#begin(readHead(text));
        return;
      case "chunk-size": {
        const size = /^[0-9a-fA-F]{1,12}/.exec(text)?.[0];
        if (size === undefined) throw new NoAnswer("a chunk of it has no size");
        const left = Number.parseInt(size, 16);
        this.#place = left === 0 ? { in: "trailer" } : { in: "chunk", left };
        return;
      }
      case "chunk-end":
        if (text !== "") throw new NoAnswer("a chunk of it is longer than it says");
        this.#place = { in: "chunk-size" };
        return;
      default:
        // Trailers say nothing to us; an empty line ends them.
        if (text === "") this.#place = { in: "end" };
    }
  }

  #begin(head: AnswerHead): void {
    // What comes before the answer itself, such as 100 Continue.
    if (head.status < 200) return;
    this.head = head;
    const length = head.headers.get("content-length");
    if (head.status === 204 || head.status === 304) this.#place = { in: "end" };
    else if (/\bchunked\b/i.test(head.headers.get("transfer-encoding") ?? ""))
      this.#place = { in: "chunk-size" };
    else if (length === undefined) {
      this.#untilEnd = true;
      this.#place = { in: "rest" };
    } else {
      if (!/^\d{1,15}$/.test(length)) throw new NoAnswer("its length is no number");
      this.#place = Number(length) === 0 ? { in: "end" } : { in: "counted", left: Number(length) };
    }
  }
}

function readHead(text: string): AnswerHead {
  const [first = "", ...lines] = text.split("\r\n");
  const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first)?.[1];
  if (status === undefined) throw new NoAnswer("what answers there does not speak HTTP");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return { status: Number(status), headers };
}
