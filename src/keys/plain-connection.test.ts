import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type AddressInfo, type Socket } from "node:net";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import { clusterOfOne } from "./cluster.ts";
import { openLocalKeyspace } from "./local-keyspace.ts";
import { KeysApi } from "./server.ts";

/** A gateway over a store in memory, asked over bare sockets. */
class Site implements AsyncDisposable {
  readonly #stopped = new AbortController();
  readonly #parts = new AbortController();
  readonly #keyspace;
  readonly #server;

  constructor() {
    const env = new FakeEnv();
    this.#keyspace = openLocalKeyspace(env, openMemoryStore(env), this.#parts.signal);
    const surroundings = {
      clientUrls: [],
      cluster: () => Promise.resolve(clusterOfOne),
      processFacts: () => ({ commandLine: ["argosy"], residentBytes: 1, heapBytes: 1 }),
      setLogLevel: () => undefined,
    };
    this.#server = new KeysApi(env, this.#keyspace, surroundings, this.#stopped.signal).createServer();
  }

  async start(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  connect(): Client {
    return new Client(connect((this.#server.address() as AddressInfo).port, "127.0.0.1"));
  }

  /** As the daemon does when it is asked to stop; resolves when no connection is left. */
  async stop(): Promise<void> {
    this.#stopped.abort(new Error("the test ends it"));
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeIdleConnections();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort(new Error("the test is over"));
    this.#server.close();
    this.#server.closeAllConnections();
    this.#parts.abort(new Error("the test is over"));
    await this.#keyspace.ended;
  }
}

class Client {
  readonly socket: Socket;
  #text = "";

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setMaxListeners(0);
    socket.setEncoding("latin1").on("data", (piece: string) => (this.#text += piece));
  }

  /** Everything that has come, as soon as `part` is in it; what is returned is forgotten. */
  async until(part: string): Promise<string> {
    while (!this.#text.includes(part)) {
      await Promise.race([
        once(this.socket, "data"),
        once(this.socket, "close").then(() => Promise.reject(new Error(`closed after ${this.#text}`))),
      ]);
    }
    const text = this.#text;
    this.#text = "";
    return text;
  }

  /** Everything until the connection ends. */
  async rest(): Promise<string> {
    if (!this.socket.destroyed) await once(this.socket, "close");
    return this.#text;
  }
}

function head(line: string, ...headers: readonly string[]): string {
  return `${[`${line} HTTP/1.1`, "Host: a", ...headers].join("\r\n")}\r\n\r\n`;
}

function put(path: string, form: string, ...headers: readonly string[]): string {
  const type = "Content-Type: application/x-www-form-urlencoded";
  return head(`PUT /v2/keys${path}`, type, `Content-Length: ${form.length}`, ...headers) + form;
}

const requests: readonly ((...headers: string[]) => string)[] = [
  (...more) => put("/a", "value=1", ...more),
  (...more) => put("/a", "value=%C3%BC+%3Cb%3E&prevExist=true", ...more),
  (...more) => put("/a", "value=2&prevValue=3", ...more),
  (...more) => put("/a/below", "value=2", ...more),
  (...more) => put("/a", "value=%zz", ...more),
  (...more) => put("/a", "ttl=x", ...more),
  (...more) => put("/dir?dir=true", "", ...more),
  (...more) => put("/dir/c?noValueOnSuccess=true", "value=5", ...more),
  (...more) => head("GET /v2/keys/a", ...more),
  (...more) => head("GET /v2/keys/a?quorum=true", ...more),
  (...more) => head("GET /v2/keys/dir?recursive=true&sorted=true", ...more),
  (...more) => head("GET /v2/keys/gone", ...more),
  (...more) => head("GET /v2/keys/a?wait=maybe", ...more),
  (...more) => head("GET /v2/keys/a?wait=true&waitIndex=1", ...more),
  (...more) => head("DELETE /v2/keys/a", ...more),
  (...more) => head("DELETE /v2/keys/dir", ...more),
  (...more) => head("DELETE /v2/keys/dir?recursive=true", ...more),
];

test("plain requests are answered to the byte as the whole server answers them", async () => {
  await using plain = await new Site().start();
  await using whole = await new Site().start();
  const [one, other] = [plain.connect(), whole.connect()];
  const mark = head("GET /v2/keys/no-such-key");
  for (const request of requests) {
    one.socket.write(request());
    // A header that the plain way does not know.
    other.socket.write(request("X-Second: look"));
    // What follows is asked when the answer is there, since both ways answer in order.
    const [first, second] = await Promise.all([answerOf(one, mark), answerOf(other, mark)]);
    assert.equal(withoutNames(first), withoutNames(second), request());
  }
});

/** What comes before the answer to `mark`, a request that is refused. */
async function answerOf(client: Client, mark: string): Promise<string> {
  let text = await client.until("}");
  client.socket.write(mark);
  while (!text.includes('"cause":"/no-such-key"')) text += await client.until("}");
  return text;
}

/** Names are drawn by lot. */
function withoutNames(text: string): string {
  return text.replaceAll(/X-Etcd-Cluster-Id: \w+/g, "").replaceAll(/\r\nDate: [^\r]+/g, "");
}

test("a request in pieces, and requests in one piece, are answered in order", async () => {
  await using site = await new Site().start();
  const client = site.connect();
  client.socket.write("GET /v2/ke");
  await new Promise((resolve) => setImmediate(resolve));
  client.socket.write("ys/a HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.match(await client.until("}"), /^HTTP\/1\.1 404 Not Found\r\n/);
  const second = site.connect();
  second.socket.write(put("/b", "value=1") + head("GET /v2/keys/b") + head("DELETE /v2/keys/b"));
  const text = await second.until('"action":"delete"');
  assert.deepEqual(text.match(/"action":"\w+"/g), ['"action":"set"', '"action":"get"', '"action":"delete"']);
});

test("a client that reads late gets all answers, in order", async () => {
  await using site = await new Site().start();
  const [writer, reader] = [site.connect(), site.connect()];
  for (const name of ["a", "b", "c"]) {
    writer.socket.write(put(`/${name}`, `value=${name.repeat(60_000)}`));
    await writer.until("}\n");
  }
  reader.socket.pause();
  reader.socket.write(
    ["a", "b", "c"]
      .map((name) => head(`GET /v2/keys/${name}`))
      .join("")
      .repeat(40),
  );
  reader.socket.write(head("GET /v2/keys/end"));
  // Meanwhile the server has written what the kernel takes.
  writer.socket.write(head("GET /v2/keys/end"));
  await writer.until("}\n");
  reader.socket.resume();
  const text = await reader.until('"cause":"/end"');
  const names = text.match(/"key":"\/\w"/g)?.map((found) => found.at(-2));
  assert.equal(names?.join(""), "abc".repeat(40));
});

test("a wait is answered on its connection, which goes on", async () => {
  await using site = await new Site().start();
  const [waiter, writer] = [site.connect(), site.connect()];
  waiter.socket.write(head("GET /v2/keys/a?wait=true"));
  assert.match(
    await waiter.until("\r\n\r\n"),
    /^HTTP\/1\.1 200 OK\r\n[^]*\r\nTransfer-Encoding: chunked\r\n/,
  );
  writer.socket.write(put("/a", "value=1"));
  assert.match(await waiter.until("\r\n0\r\n\r\n"), /^[0-9a-f]+\r\n{"action":"set"[^\n]*}\n\r\n0\r\n\r\n$/);
  waiter.socket.write(head("GET /v2/keys/a"));
  assert.match(await waiter.until("}"), /"value":"1"/);
});

test("a server that stops ends waits and idle connections", async () => {
  await using site = await new Site().start();
  const [waiter, idle] = [site.connect(), site.connect()];
  waiter.socket.write(head("GET /v2/keys/a?wait=true"));
  idle.socket.write(head("GET /v2/keys/a"));
  await Promise.all([waiter.until("\r\n\r\n"), idle.until("}")]);
  await site.stop();
  assert.equal(await waiter.rest(), "0\r\n\r\n");
  await idle.rest();
});

test("a client that goes away frees its wait", async () => {
  await using site = await new Site().start();
  const [waiter, asking] = [site.connect(), site.connect()];
  waiter.socket.write(head("GET /v2/keys/a?wait=true"));
  await waiter.until("\r\n\r\n");
  waiter.socket.destroy();
  for (;;) {
    asking.socket.write(head("GET /v2/stats/store"));
    if ((await asking.until("}")).includes('"watchers":0')) break;
  }
});
