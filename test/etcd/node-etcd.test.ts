import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startForeground } from "../differential/foreground.ts";
import { startOracle } from "../differential/oracle.ts";

/** The last release of the client that most programs in JavaScript used, as it is. */
const clientPackage = "node-etcd@7.0.0";

type Reply = (error: { errorCode?: number } | null, body: unknown, headers: Record<string, string>) => void;

/** The part of node-etcd that is used here. */
interface NodeEtcd {
  [method: string]: (...words: unknown[]) => Watcher;
}

interface Watcher {
  on(event: "change", listener: (body: { action: string }) => void): void;
  stop(): void;
}

test("the client node-etcd, unmodified, sees the same on an etcd 3.4 and on Argosy", async () => {
  const folder = await mkdtemp(join(tmpdir(), "argosy-node-etcd-"));
  try {
    await writeFile(join(folder, "package.json"), '{"private":true}');
    const words = ["install", "--ignore-scripts", "--no-audit", "--no-fund", clientPackage];
    execFileSync("npm", words, { cwd: folder, stdio: "pipe" });
    const Client = createRequire(join(folder, "package.json"))("node-etcd") as new (
      origins: readonly string[],
    ) => NodeEtcd;
    await using oracle = await startOracle();
    await using argosy = await startForeground();
    const theirs = await talk(new Client([oracle.origin]));
    const ours = await talk(new Client([argosy.origin]));
    assert.deepEqual(ours, theirs);
    assert.deepEqual(theirs.at(-1), ["watcher", "set", "set", "delete"]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** What the client told of each call: bodies without what two servers never have in common. */
async function talk(client: NodeEtcd): Promise<unknown[]> {
  const told: unknown[] = [];
  const first = await ask(client, "set", "/ne/first", "value");
  const start = Number(first.headers["x-etcd-index"]);
  const call = async (method: string, ...words: unknown[]): Promise<number> => {
    const { body, headers } = await ask(client, method, ...words);
    told.push([method, neutral(body, start)]);
    return Number(headers["x-etcd-index"]);
  };
  await call("set", "/ne/key", "one");
  await call("get", "/ne/key");
  await call("set", "/ne/key", "two", { ttl: 100 });
  await call("compareAndSwap", "/ne/key", "three", "two");
  await call("testAndSet", "/ne/key", "four", "nope");
  await call("compareAndDelete", "/ne/key", "nope");
  await call("mkdir", "/ne/dir");
  await call("rmdir", "/ne/dir");
  await call("create", "/ne/queue", "first");
  await call("post", "/ne/queue", "second");
  await call("get", "/ne", { recursive: true, sorted: true });
  await call("get", "/ne/none");
  await call("version");
  const index = await call("set", "/ne/key", "old");
  await call("watchIndex", "/ne/key", index);
  const watcher = client["watcher"]?.("/ne", index + 1, { recursive: true });
  assert.ok(watcher);
  const three = Promise.withResolvers<string[]>();
  const actions: string[] = [];
  watcher.on("change", ({ action }) => {
    actions.push(action);
    if (actions.length === 3) three.resolve(actions);
  });
  await call("set", "/ne/a", "1");
  await call("set", "/ne/a", "2");
  await call("del", "/ne/a");
  told.push(["watcher", ...(await three.promise)]);
  watcher.stop();
  return told;
}

async function ask(
  client: NodeEtcd,
  method: string,
  ...words: unknown[]
): Promise<{ body: unknown; headers: Record<string, string> }> {
  const { promise, resolve } = Promise.withResolvers<{ body: unknown; headers: Record<string, string> }>();
  const reply: Reply = (error, body, headers) => resolve({ body: error ?? body, headers: headers ?? {} });
  client[method]?.(...words, reply);
  return await promise;
}

/** Indices counted from `start`, and no instants. */
function neutral(body: unknown, start: number): unknown {
  const text = JSON.stringify(body)
    .replaceAll(/"(modifiedIndex|createdIndex|index)":(\d+)/g, (_, name: string, index: string) => {
      return `"${name}":${Number(index) - start}`;
    })
    .replaceAll(/\/(\d{20})"/g, (_, index: string) => `/${Number(index) - start}"`)
    .replaceAll(/"expiration":"[^"]*"/g, '"expiration":"..."');
  return JSON.parse(text) as unknown;
}
