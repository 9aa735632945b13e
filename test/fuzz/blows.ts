import fc from "fast-check";
import { expiringRequest, requestBytes } from "../differential/step.ts";
import { requests } from "../differential/steps.ts";

/** What is sent over one connection, in pieces, each as a write of its own. */
export interface Blow {
  readonly pieces: readonly Buffer[];
  /** Whether the connection is then left open and silent for a while, instead of being closed from this end. */
  readonly lingers: boolean;
}

/** Bytes to put where nobody expects them. */
const oddBytes = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
  fc
    .constantFrom(
      "\0",
      "\r\n",
      "\n",
      "\r\n\r\n",
      " ",
      "\t",
      "%",
      "%00",
      "\u00ff\u00fe",
      "ffffffffffffffff\r\n",
      "-1",
      "99999999999999999999",
      ";".repeat(100),
      "Content-Length: 5\r\n",
      "Content-Length: 18446744073709551616\r\n",
      "Content-Length: -1\r\n",
      "Transfer-Encoding: chunked\r\n",
      "Transfer-Encoding: gzip, chunked\r\n",
      "Transfer-Encoding: identity\r\n",
      "Expect: 100-continue\r\n",
      "Expect: nonsense\r\n",
      "Connection: close\r\n",
      "Connection: Upgrade\r\nUpgrade: websocket\r\n",
      "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
      "Host: x\r\nHost: y\r\n",
      "Authorization: Basic ====\r\n",
      "Authorization: Basic OjpiYWQ=\r\n",
      "Content-Type: application/json\r\n",
      "Content-Encoding: gzip\r\n",
      " folded: line\r\n",
      ": no name\r\n",
    )
    .map((text) => Buffer.from(text, "latin1")),
);

type Change = (bytes: Buffer) => Buffer;

/** A place in the bytes, as a part of their length. */
const somePlace = fc.double({ min: 0, max: 1, noNaN: true });
const at = (bytes: Buffer, place: number): number => Math.floor(place * bytes.length);

const someChange: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(somePlace, oddBytes).map(([place, odd]): Change => {
    return (bytes) =>
      Buffer.concat([bytes.subarray(0, at(bytes, place)), odd, bytes.subarray(at(bytes, place))]);
  }),
  fc.tuple(somePlace, fc.integer({ min: 0, max: 255 })).map(([place, byte]): Change => {
    return (bytes) => {
      const changed = Buffer.from(bytes);
      if (changed.length > 0) changed[Math.min(at(bytes, place), changed.length - 1)] = byte;
      return changed;
    };
  }),
  fc.tuple(somePlace, somePlace).map(([from, to]): Change => {
    return (bytes) => Buffer.concat([bytes.subarray(0, at(bytes, from)), bytes.subarray(at(bytes, to))]);
  }),
  // A header or a form field more, at the end of a line.
  oddBytes.map((odd): Change => {
    return (bytes) => {
      const line = bytes.indexOf("\r\n") + 2;
      return Buffer.concat([bytes.subarray(0, line), odd, bytes.subarray(line)]);
    };
  }),
  somePlace.map(
    (place): Change =>
      (bytes) =>
        bytes.subarray(0, at(bytes, place)),
  ),
  fc.constantFrom("HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/9", "http/1.1", "").map((version): Change => {
    return (bytes) => Buffer.from(bytes.toString("latin1").replace("HTTP/1.1", version), "latin1");
  }),
  fc
    .constantFrom("CONNECT", "TRACE", "PRI", "G\0T", "PATCH", "M-SEARCH", "A".repeat(5000))
    .map((method): Change => {
      return (bytes) => Buffer.from(bytes.toString("latin1").replace(/^\w+/, method), "latin1");
    }),
);

const goodRequest = requests.map((step) => requestBytes(step.do === "ask" ? step : expiringRequest(step), 1));

/** The other endpoints, those with bodies in JSON among them. */
const otherRequest = fc
  .constantFrom(
    ["GET", "/version"],
    ["GET", "/health"],
    ["GET", "/metrics"],
    ["GET", "/debug/vars"],
    ["GET", "/v2/machines"],
    ["GET", "/v2/stats/self"],
    ["GET", "/v2/stats/leader"],
    ["GET", "/v2/members"],
    ["GET", "/v2/members/leader"],
    ["DELETE", "/v2/members/zz"],
    ["PUT", "/v2/members/1", '{"peerURLs":["http://10.0.0.1:2380/path"]}'],
    ["POST", "/v2/members", '{"peerURLs":["http://10.0.0.1"]}'],
    ["GET", "/v2/auth/users"],
    ["PUT", "/v2/auth/users/u", '{"user":"u","password":""}'],
    ["PUT", "/v2/auth/users/u", '{"user":"u","grant":["r"],"revoke":["q"]}'],
    ["GET", "/v2/auth/roles"],
    ["PUT", "/v2/auth/roles/r", '{"role":"r","permissions":{"kv":{"read":["/*"],"write":null}}}'],
    ["DELETE", "/v2/auth/roles/r"],
    ["PUT", "/config/local/log", '{"Level":"INFO"}'],
  )
  .map(([method, path, body = ""]) => {
    const head = `${method} ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n`;
    return Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
  });

const form = "Host: a\r\nContent-Type: application/x-www-form-urlencoded\r\n";

/** Requests that are large in one way or another. */
const largeRequest = fc
  .constantFrom<(() => string)[]>(
    () => `GET /v2/keys${"/a".repeat(10_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    () => `PUT /v2/keys${"/a".repeat(10_000)}?value=1 HTTP/1.1\r\nHost: a\r\n\r\n`,
    () => `DELETE /v2/keys/${"x".repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    () => `GET /v2/keys/${"../".repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    () => `GET /v2/keys/?${"a=1&".repeat(50_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    () => `GET /v2/keys/a HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(2_000_000)}\r\n\r\n`,
    () => `GET /v2/keys/a HTTP/1.1\r\nHost: a\r\n${"X: y\r\n".repeat(20_000)}\r\n`,
    () => `PUT /v2/keys/a HTTP/1.1\r\n${form}Content-Length: 11000000\r\n\r\nvalue=${"x".repeat(10_999_994)}`,
    () => `PUT /v2/keys/a HTTP/1.1\r\n${form}Content-Length: 200000\r\n\r\n${"a=1&".repeat(50_000)}`,
    () => `PUT /v2/keys/a HTTP/1.1\r\n${form}Content-Length: 90000\r\n\r\n${"%00%ff".repeat(15_000)}`,
    () => `PUT /v2/keys/a HTTP/1.1\r\n${form}Content-Length: 10000000000\r\n\r\nvalue=1`,
    () =>
      `PUT /v2/keys/a HTTP/1.1\r\n${form}Transfer-Encoding: chunked\r\n\r\n${"1\r\na\r\n".repeat(20_000)}`,
    () => `PUT /v2/auth/users/u HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n${"[".repeat(100_000)}`,
    () =>
      `POST /v2/members HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"peerUR`,
    () => "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003".repeat(50),
    () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0",
    () => "x".repeat(3_000_000),
    () => "\0".repeat(100_000),
    () => "\r\n".repeat(50_000),
  )
  .map((make) => Buffer.from(make(), "latin1"));

const badRequest = fc
  .tuple(
    fc.oneof({ weight: 5, arbitrary: goodRequest }, { weight: 1, arbitrary: otherRequest }),
    fc.array(someChange, { minLength: 1, maxLength: 4 }),
  )
  .map(([bytes, changes]) => changes.reduce((changed, change) => change(changed), bytes));

/** Mostly requests with some bytes wrong, now and then large ones, and several at once. */
export const blows: fc.Arbitrary<Blow> = fc
  .record({
    sent: fc.oneof(
      { weight: 60, arbitrary: badRequest.map((one) => [one]) },
      { weight: 20, arbitrary: fc.array(fc.oneof(goodRequest, badRequest), { minLength: 2, maxLength: 6 }) },
      { weight: 1, arbitrary: fc.array(goodRequest, { minLength: 100, maxLength: 100, size: "max" }) },
      { weight: 2, arbitrary: largeRequest.map((one) => [one]) },
    ),
    cut: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: somePlace }),
    lingers: fc.oneof(
      { weight: 30, arbitrary: fc.constant(false) },
      { weight: 1, arbitrary: fc.constant(true) },
    ),
  })
  .map(({ sent, cut, lingers }) => {
    const bytes = Buffer.concat(sent);
    if (cut === undefined) return { pieces: [bytes], lingers };
    return { pieces: [bytes.subarray(0, at(bytes, cut)), bytes.subarray(at(bytes, cut))], lingers };
  });
