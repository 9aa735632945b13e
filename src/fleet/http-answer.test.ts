import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AnswerReader, NoAnswer } from "./http-answer.ts";

interface Read {
  readonly status: number | undefined;
  readonly body: string;
  readonly ended: boolean;
  readonly keeps: boolean;
}

/** Reads an answer in pieces that end at `cuts`, and then the end of the connection if it is told to. */
function read(text: string, cuts: readonly number[] = [], closes = false): Read {
  const reader = new AnswerReader();
  const bytes = Buffer.from(text, "utf8");
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  );
  const body: Buffer[] = [];
  let from = 0;
  for (const to of ends) {
    if (to > from) body.push(...reader.take(bytes.subarray(from, to)));
    from = to;
  }
  if (closes) reader.finish();
  return {
    status: reader.head?.status,
    body: Buffer.concat(body).toString("utf8"),
    ended: reader.ended,
    keeps: reader.keepsConnection,
  };
}

const counted = "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\ncontent-length: 6\r\n\r\nzwölf";
const chunked =
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
const empty = "HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\n\r\n";
const untilClosed = "HTTP/1.1 200 OK\r\n\r\nwhat there is";

test("answers are the same in whatever pieces they come", () => {
  const rows: readonly [string, boolean, Read][] = [
    [counted, false, { status: 200, body: "zwölf", ended: true, keeps: true }],
    [chunked, false, { status: 404, body: "abc0123456789", ended: true, keeps: true }],
    [empty, false, { status: 204, body: "", ended: true, keeps: true }],
    [untilClosed, true, { status: 200, body: "what there is", ended: true, keeps: false }],
    [
      counted.replace("OK\r\n", "OK\r\nConnection: Close\r\n"),
      false,
      { status: 200, body: "zwölf", ended: true, keeps: false },
    ],
  ];
  fc.assert(
    fc.property(fc.constantFrom(...rows), fc.array(fc.nat(200)), ([text, closes, expected], cuts) => {
      assert.deepEqual(read(text, cuts, closes), expected);
    }),
  );
});

test("an answer that is cut off, or is none, is told", () => {
  const cutOff = [counted.slice(0, -1), chunked.slice(0, -2), counted.slice(0, 20), ""];
  for (const text of cutOff) assert.throws(() => read(text, [], true), NoAnswer, text);
  const none = [
    "SSH-2.0-OpenSSH\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
    `${empty}more`,
    `HTTP/1.1 200 OK\r\nA: ${"a".repeat(70_000)}`,
  ];
  for (const text of none) assert.throws(() => read(text), NoAnswer, text.slice(0, 60));
});
