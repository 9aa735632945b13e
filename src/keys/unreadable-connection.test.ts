import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type AddressInfo } from "node:net";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import { clusterOfOne } from "./cluster.ts";
import { openLocalKeyspace } from "./local-keyspace.ts";
import { KeysApi } from "./server.ts";

/** All that a server sends back over one connection for these pieces, each sent when something came for the one before. */
async function answersTo(...pieces: readonly string[]): Promise<string> {
  const env = new FakeEnv();
  const end = new AbortController();
  const keyspace = openLocalKeyspace(env, openMemoryStore(env), end.signal);
  const surroundings = {
    clientUrls: ["http://127.0.0.1:4001"],
    cluster: () => Promise.resolve(clusterOfOne),
    processFacts: () => ({ commandLine: ["argosy"], residentBytes: 1, heapBytes: 1 }),
    setLogLevel: () => undefined,
  };
  const server = new KeysApi(env, keyspace, surroundings, end.signal).createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  let text = "";
  const left = [...pieces];
  const sendNext = (): void => void (left.length > 0 && socket.write(left.shift() ?? "", "latin1"));
  socket.setEncoding("latin1").on("data", (piece: string) => {
    text += piece;
    sendNext();
  });
  socket.on("error", () => undefined);
  sendNext();
  await once(socket, "close");
  end.abort(new Error("the test is over"));
  server.close();
  await keyspace.ended;
  return text;
}

test("an unknown method is refused by its path, and the connection ends", async () => {
  const text = await answersTo("FOO /v2/keys/a HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.match(text, /^HTTP\/1\.1 405 Method Not Allowed\r\n/);
  assert.match(text, /\r\nAllow: HEAD,GET,PUT,POST,DELETE\r\n/);
  assert.match(text, /\r\nConnection: close\r\n\r\nMethod Not Allowed\n$/);
});

test("what is no request is answered as etcd answers it", async () => {
  const text = await answersTo("\0\u0001\r\n\r\n");
  assert.match(text, /^HTTP\/1\.1 400 Bad Request\r\nContent-Type: text\/plain; charset=utf-8\r\n/);
  assert.match(text, /\r\n\r\n400 Bad Request$/);
});

test("what is no request ends a watch without a word in its answer", async () => {
  const text = await answersTo("GET /v2/keys/a?wait=true HTTP/1.1\r\nHost: a\r\n\r\n", "\0\r\n\r\n");
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
  assert.doesNotMatch(text, /400/);
});

test("a body that cannot be read is answered with 400, and nothing is written", async () => {
  const head =
    "PUT /v2/keys/broken HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n";
  const text = await answersTo(`${head}5\r\nvalue\r\nzz\r\n`);
  assert.match(text, /^HTTP\/1\.1 400 Bad Request\r\n/);
  assert.match(text, /\r\nConnection: close\r\n\r\n400 Bad Request$/);
});

test("a path that should have been escaped is taken as if it were, and the connection ends", async () => {
  const head =
    "PUT /v2/keys/\u00c3\u00bc HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\n";
  const text = await answersTo(`${head}value=1`);
  assert.match(text, /^HTTP\/1\.1 201 Created\r\n/);
  assert.match(text, /\r\nConnection: close\r\n/);
  assert.match(Buffer.from(text, "latin1").toString("utf8"), /"key":"\/ü","value":"1"/);
});
