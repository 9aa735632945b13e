import assert from "node:assert/strict";
import { test } from "node:test";
import { type PlainRequest, readPlainRequest } from "./plain-request.ts";

const form = "Content-Type: application/x-www-form-urlencoded";

function read(text: string): PlainRequest | undefined {
  return readPlainRequest(Buffer.from(text, "latin1"));
}

function request(line: string, headers: readonly string[] = ["Host: a"], body = ""): string {
  return `${[line, ...headers].join("\r\n")}\r\n\r\n${body}`;
}

test("requests of the plain form are read", () => {
  assert.deepEqual(read(request("GET /v2/keys/a/_b-c.d?wait=true&recursive=false HTTP/1.1")), {
    method: "GET",
    path: "/a/_b-c.d",
    query: "wait=true&recursive=false",
    body: "",
    bytes: 69,
  });
  const headers = ["host: a:1", "User-Agent: curl/8", "Accept: */*", form, "Content-Length: 9"];
  assert.deepEqual(read(request("PUT /v2/keys/a HTTP/1.1", headers, "value=%C3")), {
    method: "PUT",
    path: "/a",
    query: "",
    body: "value=%C3",
    bytes: 148,
  });
});

test("what follows a request is left", () => {
  const text = request("GET /v2/keys/a HTTP/1.1");
  assert.equal(read(text.repeat(3))?.bytes, text.length);
});

const others: readonly (readonly [string, string])[] = [
  ["another method", request("HEAD /v2/keys/a HTTP/1.1")],
  ["another version", request("GET /v2/keys/a HTTP/1.0")],
  ["another path", request("GET /v2/members HTTP/1.1")],
  ["the root", request("GET /v2/keys HTTP/1.1")],
  ["a slash at the end", request("GET /v2/keys/a/ HTTP/1.1")],
  ["a path to be cleaned", request("GET /v2/keys/a/../b HTTP/1.1")],
  ["an escape in the path", request("GET /v2/keys/a%20b HTTP/1.1")],
  ["an escape in the query", request("GET /v2/keys/a?wait=%31 HTTP/1.1")],
  ["two blanks", request("GET  /v2/keys/a HTTP/1.1")],
  ["a very long path", request(`GET /v2/keys${"/a".repeat(600)} HTTP/1.1`)],
  ["no host", request("GET /v2/keys/a HTTP/1.1", ["Accept: */*"])],
  ["two hosts", request("GET /v2/keys/a HTTP/1.1", ["Host: a", "Host: b"])],
  ["an unknown header", request("GET /v2/keys/a HTTP/1.1", ["Host: a", "X-Forwarded-For: b"])],
  ["credentials", request("GET /v2/keys/a HTTP/1.1", ["Host: a", "Authorization: Basic cm9vdDp4"])],
  ["the end of the connection", request("GET /v2/keys/a HTTP/1.1", ["Host: a", "Connection: close"])],
  ["an expectation", request("GET /v2/keys/a HTTP/1.1", ["Host: a", "Expect: 100-continue"])],
  ["a blank before the colon", request("GET /v2/keys/a HTTP/1.1", ["Host : a"])],
  ["a header over two lines", request("GET /v2/keys/a HTTP/1.1", ["Host: a", " b"])],
  ["a line that ends without CR", "GET /v2/keys/a HTTP/1.1\r\nHost: a\nAccept: b\r\n\r\n"],
  ["control characters", request("GET /v2/keys/a HTTP/1.1", ["Host: a\0"])],
  ["a GET with a body", request("GET /v2/keys/a HTTP/1.1", ["Host: a", "Content-Length: 1"], "x")],
  ["a PUT without a body", request("PUT /v2/keys/a HTTP/1.1")],
  [
    "chunks",
    request("PUT /v2/keys/a HTTP/1.1", ["Host: a", form, "Transfer-Encoding: chunked"], "0\r\n\r\n"),
  ],
  [
    "chunks and a length",
    request(
      "PUT /v2/keys/a HTTP/1.1",
      ["Host: a", form, "Content-Length: 5", "Transfer-Encoding: chunked"],
      "0\r\n\r\n",
    ),
  ],
  ["two lengths", request("PUT /v2/keys/a HTTP/1.1", ["Host: a", form, "Content-Length: 1, 1"], "x")],
  ["a signed length", request("PUT /v2/keys/a HTTP/1.1", ["Host: a", form, "Content-Length: +1"], "x")],
  ["JSON", request("PUT /v2/keys/a HTTP/1.1", ["Host: a", "Content-Type: application/json"], "")],
  ["a part of a body", request("PUT /v2/keys/a HTTP/1.1", ["Host: a", form, "Content-Length: 9"], "value=x")],
  ["a part of the headers", "GET /v2/keys/a HTTP/1.1\r\nHost: a\r\n"],
  ["nothing", ""],
];

for (const [title, text] of others) {
  test(`left to the whole parser: ${title}`, () => {
    assert.equal(read(text), undefined);
    // Not when headers of the kind were seen before, either.
    assert.equal(read(text), undefined);
  });
}
