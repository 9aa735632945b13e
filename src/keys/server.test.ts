import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, request as httpRequest, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import { clusterOfOne } from "./cluster.ts";
import { openLocalKeyspace } from "./local-keyspace.ts";
import type { Surroundings } from "./other-endpoints.ts";
import { KeysApi } from "./server.ts";

/** A gateway over a store in memory, on a real socket. */
class Site {
  readonly #server: Server;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #api = new AbortController();
  readonly #parts = new AbortController();
  readonly #ended: Promise<void>;

  constructor() {
    const env = new FakeEnv();
    const keyspace = openLocalKeyspace(env, openMemoryStore(env), this.#parts.signal);
    const surroundings: Surroundings = {
      clientUrls: ["http://127.0.0.1:4001", "http://172.17.0.1:4001"],
      cluster: () => Promise.resolve(clusterOfOne),
      processFacts: () => ({ commandLine: ["argosy"], residentBytes: 1, heapBytes: 1 }),
      setLogLevel: () => undefined,
    };
    this.#server = new KeysApi(env, keyspace, surroundings, this.#api.signal).createServer();
    this.#ended = keyspace.ended;
  }

  async start(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  /** The answer as soon as its headers are there. */
  async begin(method: string, path: string, form?: string, type = formType): Promise<IncomingMessage> {
    const { port } = this.#server.address() as AddressInfo;
    const headers = form === undefined ? {} : { "Content-Type": type };
    const request = httpRequest({ method, path, port, host: "127.0.0.1", agent: this.#agent, headers });
    request.end(form);
    const [response] = (await once(request, "response")) as [IncomingMessage];
    return response;
  }

  async ask(method: string, path: string, form?: string, type = formType): Promise<Asked> {
    const response = await this.begin(method, path, form, type);
    return { status: response.statusCode, headers: response.headers, text: await textOf(response) };
  }

  /** Ends watches, as the daemon does when it is asked to stop. */
  endWatches(): void {
    this.#api.abort(new Error("the test ends it"));
  }

  async stop(): Promise<void> {
    this.endWatches();
    this.#agent.destroy();
    this.#server.close();
    this.#server.closeAllConnections();
    this.#parts.abort(new Error("the test is over"));
    await this.#ended;
  }
}

interface Asked {
  readonly status: number | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

const formType = "application/x-www-form-urlencoded";

async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const piece of response.setEncoding("utf8")) text += String(piece);
  return text;
}

/** The next whole lines of a watch. */
async function line(response: IncomingMessage): Promise<string> {
  response.setEncoding("utf8");
  let text = "";
  while (!text.endsWith("\n")) {
    const piece = response.read() as string | null;
    if (piece === null) await once(response, "readable");
    else text += piece;
  }
  return text;
}

const site = await new Site().start();
after(async () => site.stop());

test("a key is written, read and deleted, with etcd's headers", async () => {
  const made = await site.ask("PUT", "/v2/keys/life/a%20b", "value=1&ttl=100");
  assert.equal(made.status, 201);
  assert.equal(
    made.text,
    '{"action":"set","node":{"key":"/life/a b","value":"1","expiration":"2001-09-09T01:48:20Z","ttl":100,"modifiedIndex":1,"createdIndex":1}}\n',
  );
  assert.equal(made.headers["content-type"], "application/json");
  assert.equal(made.headers["x-etcd-index"], "1");
  assert.match(String(made.headers["x-etcd-cluster-id"]), /^[0-9a-f]{1,16}$/);
  assert.match(String(made.headers["x-raft-index"]), /^\d+$/);
  assert.match(String(made.headers["x-raft-term"]), /^\d+$/);
  assert.equal((await site.ask("PUT", "/v2/keys/life/a%20b", "value=2")).status, 200);
  const head = await site.ask("HEAD", "/v2/keys/life/a%20b/");
  assert.deepEqual([head.status, head.text, head.headers["x-etcd-index"]], [200, "", "2"]);
  const gone = await site.ask("DELETE", "/v2/keys/life?recursive=true");
  assert.equal(
    gone.text,
    '{"action":"delete","node":{"key":"/life","dir":true,"modifiedIndex":3,"createdIndex":1},"prevNode":{"key":"/life","dir":true,"modifiedIndex":1,"createdIndex":1}}\n',
  );
});

test("errors carry the index, but no raft headers", async () => {
  const missing = await site.ask("GET", "/v2/keys/no/such/key");
  const { errorCode, cause, index } = JSON.parse(missing.text);
  assert.deepEqual([missing.status, errorCode, cause], [404, 100, "/no"]);
  assert.equal(missing.headers["x-etcd-index"], String(index));
  assert.equal(missing.headers["x-raft-index"], undefined);
  const wrong = await site.ask("GET", "/v2/keys/no?ttl=x");
  assert.equal(wrong.status, 400);
  assert.equal(wrong.headers["x-etcd-index"], "0");
  assert.equal(
    wrong.text,
    '{"errorCode":202,"message":"The given TTL in POST form is not a number","cause":"invalid value for \\"ttl\\"","index":0}\n',
  );
});

test("a body that is no form is ignored, and noValueOnSuccess shortens the answer", async () => {
  const json = await site.ask("PUT", "/v2/keys/body", '{"value":"1"}', "application/json");
  assert.equal(JSON.parse(json.text).node.value, "");
  const charset = await site.ask(
    "PUT",
    "/v2/keys/body",
    "value=x",
    "Application/X-WWW-Form-Urlencoded; charset=utf-8",
  );
  assert.equal(JSON.parse(charset.text).node.value, "x");
  const short = await site.ask("PUT", "/v2/keys/body?noValueOnSuccess=true", "value=y");
  assert.equal(short.text, '{"action":"set"}\n');
});

test("a form of more than 10 MiB is refused, and the connection is still good", async () => {
  const refused = await site.ask("PUT", "/v2/keys/large", `value=${"x".repeat(10 * 1024 * 1024)}`);
  assert.equal(
    refused.text,
    '{"errorCode":210,"message":"Invalid POST form","cause":"http: POST too large","index":0}\n',
  );
  assert.equal((await site.ask("GET", "/v2/keys/large")).status, 404);
});

test("a watch has its headers at once and ends after one event", async () => {
  const watch = await site.begin("GET", "/v2/keys/w?wait=true&recursive=true");
  assert.equal(watch.statusCode, 200);
  const index = Number(watch.headers["x-etcd-index"]);
  await site.ask("PUT", "/v2/keys/w/a", "value=1");
  const { node } = JSON.parse(await textOf(watch));
  assert.deepEqual([node.key, node.modifiedIndex], ["/w/a", index + 1]);
  const past = await site.ask("GET", `/v2/keys/w/a?wait=true&waitIndex=${index + 1}`);
  assert.equal(JSON.parse(past.text).node.value, "1");
});

test("a stream tells one line for each event", async () => {
  const stream = await site.begin("GET", "/v2/keys/s?wait=true&stream=true&recursive=true");
  for (const value of ["1", "2", "3"]) {
    await site.ask("PUT", "/v2/keys/s/a", `value=${value}`);
    assert.equal(JSON.parse(await line(stream)).node.value, value);
  }
  stream.destroy();
});

test("the history that was forgotten is error 401", async () => {
  for (let i = 0; i < 1005; i++) await site.ask("PUT", "/v2/keys/history", `value=${i}`);
  const cleared = await site.ask("GET", "/v2/keys/history?wait=true&waitIndex=1");
  const { errorCode, cause } = JSON.parse(cleared.text);
  assert.deepEqual([cleared.status, errorCode], [400, 401]);
  assert.match(cause, /^the requested history has been cleared \[\d+\/1\]$/);
});

test("paths that are not clean are sent on, and nothing is done", async () => {
  const put = await site.ask("PUT", "/v2/keys//r/./x?prevExist=false", "value=1");
  assert.deepEqual([put.status, put.headers.location, put.text], [301, "/v2/keys/r/x?prevExist=false", ""]);
  const get = await site.ask("GET", "/v2/keys/r//x");
  assert.equal(get.text, '<a href="/v2/keys/r/x">Moved Permanently</a>.\n\n');
  assert.equal((await site.ask("GET", "/v2/keys/r")).status, 404);
});

test("what is no key: other endpoints, methods and paths", async () => {
  const version = await site.ask("GET", "/version");
  assert.equal(version.text, '{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}');
  assert.equal((await site.ask("GET", "/health")).text, '{"health":"true"}');
  const machines = await site.ask("GET", "/v2/machines");
  assert.equal(machines.text, "http://127.0.0.1:4001, http://172.17.0.1:4001");
  const patch = await site.ask("PATCH", "/v2/keys/x");
  assert.deepEqual(
    [patch.status, patch.headers.allow, patch.text],
    [405, "HEAD,GET,PUT,POST,DELETE", "Method Not Allowed\n"],
  );
  const options = await site.ask("OPTIONS", "/nowhere");
  assert.deepEqual(
    [options.status, options.headers["access-control-allow-origin"], options.text],
    [200, "*", ""],
  );
  assert.deepEqual((await site.ask("GET", "/v2/leader")).text, "404 page not found\n");
  const broken = await site.ask("GET", "/v2/keys/%zz");
  assert.deepEqual([broken.status, broken.text], [400, "400 Bad Request"]);
});

test("when the gateway stops, watches end with nothing", async () => {
  const stopping = await new Site().start();
  const stream = await stopping.begin("GET", "/v2/keys/s?wait=true&stream=true");
  stopping.endWatches();
  assert.equal(await textOf(stream), "");
  await stopping.stop();
});
