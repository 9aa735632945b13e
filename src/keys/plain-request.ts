/** A request to a key in the form that clients usually send: whole, and with nothing in it that needs a second look. */
export interface PlainRequest {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** The key, clean and without escapes. */
  readonly path: string;
  /** What follows the `?`, without escapes; empty when there is none. */
  readonly query: string;
  /** The form, one character for each byte; empty when there is none. */
  readonly body: string;
  /** How many bytes it takes; others may follow. */
  readonly bytes: number;
}

/** A first line that means what it says: no escapes, nothing to clean, no slash at the end. */
const firstLine = /^(GET|PUT|POST|DELETE) \/v2\/keys((?:\/[\w-][\w.-]*)+)(?:\?([\w=&.-]*))? HTTP\/1\.1\r\n/;
/** Longer paths are looked at more slowly, elsewhere. */
const mostPathCharacters = 1000;

/**
 * Reads the first request when it is of the plain form from its first to its last byte; undefined for everything else, right or wrong, which is
 * left to a whole HTTP parser (RFC 9112). What this takes that parser would take as well, and read in the same way.
 * @param received what came on a connection
 */
export function readPlainRequest(received: Buffer): PlainRequest | undefined {
  const text = received.toString("latin1");
  const found = firstLine.exec(text);
  if (found === null) return undefined;
  const [line, method = "", path = "", query = ""] = found;
  if (path.length > mostPathCharacters) return undefined;
  const headersEnd = text.indexOf("\r\n\r\n", line.length);
  if (headersEnd < 0) return undefined;
  const headers = readHeaders(text.slice(line.length, headersEnd));
  if (headers === undefined) return undefined;
  const { bodyBytes, isForm } = headers;
  const takesForm = method === "PUT" || method === "POST";
  if (takesForm ? !isForm || bodyBytes === undefined : bodyBytes !== undefined) return undefined;
  const bodyAt = headersEnd + 4;
  const bytes = bodyAt + (bodyBytes ?? 0);
  if (text.length < bytes) return undefined;
  const pathAt = method.length + " /v2/keys".length;
  return {
    method: method as PlainRequest["method"],
    // What is kept is read anew: a part of a text keeps the whole of it in memory.
    path: received.toString("latin1", pathAt, pathAt + path.length),
    query,
    body: received.toString("latin1", bodyAt, bytes),
    bytes,
  };
}

/** What the headers say of the body. */
interface PlainHeaders {
  /** Undefined: there is none. */
  readonly bodyBytes: number | undefined;
  readonly isForm: boolean;
}

/** Clients send the same headers again and again. */
const known = new Map<string, PlainHeaders | undefined>();
/** So many are remembered; then all are forgotten. */
const mostKnown = 500;
const mostKnownCharacters = 1000;

function readHeaders(block: string): PlainHeaders | undefined {
  const before = known.get(block);
  if (before !== undefined) return before;
  const headers = judgeHeaders(block);
  if (headers !== undefined && block.length <= mostKnownCharacters) {
    if (known.size >= mostKnown) known.clear();
    // A copy: a part of a text keeps the whole of it in memory.
    known.set(Array.from(block).join(""), headers);
  }
  return headers;
}

/** Headers that change nothing here, whatever they say. */
const harmless: ReadonlySet<string> = new Set(["host", "user-agent", "accept", "accept-encoding"]);
const header = /^([A-Za-z-]+): ?([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)$/;

/** Only headers that are known here, each of them once, with values that need no reading. */
function judgeHeaders(block: string): PlainHeaders | undefined {
  const values = new Map<string, string>();
  for (const line of block.split("\r\n")) {
    const [, written = "", value = ""] = header.exec(line) ?? [];
    const name = written.toLowerCase();
    if (name === "" || values.has(name)) return undefined;
    values.set(name, value);
    if (harmless.has(name)) continue;
    if (name === "connection" && value.toLowerCase() === "keep-alive") continue;
    if (name === "content-type" && value === "application/x-www-form-urlencoded") continue;
    if (name === "content-length" && /^\d{1,6}$/.test(value)) continue;
    return undefined;
  }
  if (!values.has("host")) return undefined;
  const length = values.get("content-length");
  return { bodyBytes: length === undefined ? undefined : Number(length), isForm: values.has("content-type") };
}
