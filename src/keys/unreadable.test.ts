import assert from "node:assert/strict";
import { test } from "node:test";
import { answerUnreadable, escapedRequest } from "./unreadable.ts";

test("a method that nobody knows is refused as others are, by its path", () => {
  const statusOf = (target: string): string =>
    answerUnreadable("HPE_INVALID_METHOD", `FOO ${target} HTTP/1.1\r\nHost: a\r\n\r\n`).status;
  assert.equal(statusOf("/v2/keys/a"), "405 Method Not Allowed");
  assert.equal(statusOf("/v2/nothing"), "404 Not Found");
  assert.equal(statusOf("/v2//keys"), "301 Moved Permanently");
  assert.equal(statusOf("http://127.0.0.1/v2/nothing"), "404 Not Found");
  assert.equal(statusOf("/v2/keys/%zz"), "400 Bad Request");
  const { headers } = answerUnreadable("HPE_INVALID_METHOD", "FOO /v2/keys HTTP/1.1\r\n\r\n");
  assert.equal(headers["Allow"], "HEAD,GET,PUT,POST,DELETE");
  assert.equal(headers["X-Content-Type-Options"], "nosniff");
});

test("what is no request is answered with 400, too many headers with 431", () => {
  assert.equal(answerUnreadable("HPE_INVALID_METHOD", "\u0000\u0001").status, "400 Bad Request");
  assert.equal(answerUnreadable("HPE_INVALID_METHOD", "FOO").status, "400 Bad Request");
  assert.equal(answerUnreadable("HPE_INVALID_URL", "GET / x\r\n").status, "400 Bad Request");
  assert.equal(answerUnreadable("HPE_HEADER_OVERFLOW", "").status, "431 Request Header Fields Too Large");
});

test("bytes of a path that should have been escaped are, and nothing else is", () => {
  const rest = "Host: a\r\n\r\n\u00ff";
  assert.equal(
    escapedRequest("HPE_INVALID_URL", `PUT /v2/keys/\u00c3\u00bc?a=\u00ff HTTP/1.1\r\n${rest}`),
    `PUT /v2/keys/%C3%BC?a=%FF HTTP/1.1\r\nConnection: close\r\n${rest}`,
  );
  assert.equal(escapedRequest("HPE_INVALID_URL", `GET /a HTTP/1.1\r\n${rest}`), undefined);
  assert.equal(escapedRequest("HPE_INVALID_METHOD", `GET /\u00ff HTTP/1.1\r\n${rest}`), undefined);
  assert.equal(escapedRequest("HPE_INVALID_URL", `GET /\u00ff \u00ff HTTP/1.1\r\n${rest}`), undefined);
  assert.equal(escapedRequest("HPE_INVALID_URL", `GET /\u00ff\0 HTTP/1.1\r\n${rest}`), undefined);
});
