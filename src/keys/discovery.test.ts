import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import { clusterOfOne } from "./cluster.ts";
import { discoveryRequest, mostRegistrations, sizeOf } from "./discovery-rules.ts";
import { DiscoveryServer } from "./discovery-server.ts";
import { openLocalKeyspace } from "./local-keyspace.ts";
import { KeysApi } from "./server.ts";

const ttlMs = 60_000;
const env = new FakeEnv();
const parts = new AbortController();
const keyspace = openLocalKeyspace(env, openMemoryStore(env), parts.signal);
const surroundings = {
  clientUrls: [],
  cluster: () => Promise.resolve(clusterOfOne),
  processFacts: () => ({ commandLine: [], residentBytes: 1, heapBytes: 1 }),
  setLogLevel: () => undefined,
};
const keys = new KeysApi(env, keyspace, surroundings, parts.signal);
let made = 0;
const server = new DiscoveryServer(env, keyspace, keys, {
  tokenTtlMs: ttlMs,
  url: undefined,
  newToken: () => String(made++).padStart(32, "0"),
}).createServer();
let base = "";

before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(async () => {
  server.close();
  server.closeAllConnections();
  parts.abort(new Error("the test is over"));
  await keyspace.ended;
});

interface Said {
  readonly status: number;
  readonly text: string;
  readonly body: {
    readonly errorCode?: number;
    readonly node?: { readonly key: string; readonly value?: string; readonly nodes?: readonly unknown[] };
  };
}

async function ask(method: string, url: string, form?: Record<string, string>): Promise<Said> {
  const answer = await fetch(url, { method, ...(form && { body: new URLSearchParams(form) }) });
  const text = await answer.text();
  return { status: answer.status, text, body: text.startsWith("{") ? JSON.parse(text) : {} };
}

async function newToken(size = "3"): Promise<string> {
  const { status, text } = await ask("GET", `${base}/new?size=${size}`);
  assert.equal(status, 200, text);
  return text;
}

test("a token has its size, nobody, and an address without a newline", async () => {
  const token = await newToken("5");
  assert.match(token, new RegExp(`^${base}/[0-9a-f]{32}$`));
  const size = await ask("GET", `${token}/_config/size?quorum=false&recursive=false&sorted=false`);
  assert.equal(size.body.node?.value, "5");
  assert.equal((await ask("GET", token)).body.node?.nodes, undefined);
  assert.equal((await ask("GET", `${base}/health`)).text, "OK");
  const sizeOfNew = async (url: string, form?: Record<string, string>): Promise<string | undefined> =>
    (await ask("GET", `${(await ask("POST", url, form)).text}/_config/size`)).body.node?.value;
  assert.equal(await sizeOfNew(`${base}/new`), "3");
  assert.equal(await sizeOfNew(`${base}/new?size=`), "3");
  assert.equal(await sizeOfNew(`${base}/new?size=5`, { size: "7" }), "7");
});

test("sizes that no cluster has are refused with a sentence", async () => {
  for (const size of ["0", "-1", "abc", "1.5", "100", "9999999999"]) {
    const { status, text } = await ask("GET", `${base}/new?size=${size}`);
    assert.equal(status, 400, size);
    assert.equal(text, `size has to be a whole number from 1 to 99, not "${size}"\n`);
  }
});

test("a member registers once, and who waits is told", async () => {
  const token = await newToken();
  const waiting = ask("GET", `${token}?recursive=true&wait=true&waitIndex=1`);
  const value = "m1=http://10.0.0.1:2380";
  const first = await ask("PUT", `${token}/abc1?prevExist=false`, { value });
  assert.equal(first.status, 201);
  const second = await ask("PUT", `${token}/abc1?prevExist=false`, { value });
  assert.equal(second.status, 412);
  assert.equal(second.body.errorCode, 105);
  assert.equal((await waiting).body.node?.key.split("/")[2], "registry");
  assert.equal((await ask("GET", token)).body.node?.nodes?.length, 1);
  assert.equal((await ask("DELETE", `${token}/abc1`)).status, 200);
  assert.equal((await ask("GET", token)).body.node?.nodes, undefined);
});

test("a token of one's own name is made by its size, once", async () => {
  const token = `${base}/v2/keys/_etcd/registry/my-own-cluster`;
  assert.equal((await ask("PUT", `${token}/_config/size`, { value: "three" })).status, 400);
  assert.equal((await ask("PUT", `${token}/_config/size`, { value: "3" })).status, 201);
  assert.equal((await ask("PUT", `${token}/_config/size`, { value: "5" })).body.errorCode, 105);
  assert.equal((await ask("GET", `${base}/my-own-cluster/_config/size`)).body.node?.value, "3");
});

test("nothing is made below a token that is not there", async () => {
  const token = `${base}/${"f".repeat(32)}`;
  assert.equal((await ask("PUT", `${token}/abc`, { value: "x" })).body.errorCode, 100);
  assert.equal((await ask("GET", token)).body.errorCode, 100);
});

test("a registration that is too large, and one too many, are refused", async () => {
  const token = await newToken();
  const large = await ask("PUT", `${token}/abc`, { value: "x".repeat(17_000) });
  assert.equal(large.status, 403);
  for (let from = 0; from < mostRegistrations; from += 50) {
    const some = Array.from({ length: 50 }, (_, at) => ask("PUT", `${token}/id${from + at}`, { value: "x" }));
    assert.ok((await Promise.all(some)).every(({ status }) => status === 201));
  }
  const { status, text } = await ask("PUT", `${token}/late`, { value: "x" });
  assert.equal(status, 403);
  assert.match(text, /holds 1000 registrations/);
  assert.equal((await ask("PUT", `${token}/id7`, { value: "y" })).status, 200, "known ones go on");
});

test("a token expires with everything below it", async () => {
  const token = await newToken();
  await ask("PUT", `${token}/abc`, { value: "x" });
  const gone = ask("GET", `${token}?wait=true`);
  await env.advance(ttlMs);
  await gone;
  assert.equal((await ask("GET", `${token}/abc`)).body.errorCode, 100);
  assert.equal((await ask("GET", `${token}/_config/size`)).body.errorCode, 100);
});

test("other paths and methods lead nowhere", async () => {
  assert.equal((await ask("GET", `${base}/`)).status, 404);
  assert.equal((await ask("GET", `${base}/v2/keys/other`)).status, 404);
  const token = await newToken();
  assert.equal((await ask("GET", `${token}/a/b`)).status, 404);
  assert.equal((await ask("PUT", `${token}/_config`, { value: "x" })).status, 404);
  assert.equal((await ask("DELETE", token)).status, 405);
});

test("whatever is asked, a request that is passed on stays below its token", () => {
  const method = fc.constantFrom("GET", "PUT", "DELETE", "POST");
  const piece = fc.constantFrom(
    "..",
    "%2e%2e",
    "a",
    "_config",
    "size",
    "x".repeat(80),
    "",
    "token-123",
    "v2",
    "é",
  );
  fc.assert(
    fc.property(method, fc.array(piece, { maxLength: 6 }), (verb, pieces) => {
      const wanted = discoveryRequest(verb, `/${pieces.join("/")}`);
      if (wanted.to === "token")
        assert.doesNotMatch(`${wanted.token}/${wanted.member ?? ""}`, /^\.|\/.*\/|%/);
    }),
  );
  assert.equal(sizeOf("99"), 99);
  assert.equal(sizeOf("100"), undefined);
});
