import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { silentEnv } from "../../src/store/contract-tools.ts";
import { type EmbeddedStore, openEmbeddedStore } from "../../src/store/embedded/embedded-store.ts";
import { serveStore, type StoreServer } from "../../src/store/server/store-server.ts";
import { type EtcdCluster, startEtcd } from "./etcd-process.ts";

const env = silentEnv();
const folder = await mkdtemp(join(tmpdir(), "argosy-v3-"));
const v3 = { ...process.env, ETCDCTL_API: "3" };
let cluster: EtcdCluster;
let store: EmbeddedStore;
let server: StoreServer;

before(async () => {
  cluster = await startEtcd(1);
  store = await openEmbeddedStore(folder, env);
  server = await serveStore(store, { address: "127.0.0.1:0", name: "alone" }, env);
});

after(async () => {
  await server.close();
  await store.close();
  await cluster[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** What Debian's etcdctl says to a line of words, with standard input behind `<`. */
async function etcdctl(endpoint: string, line: string): Promise<{ code: number; text: string }> {
  const [command = "", input = ""] = line.split(" < ");
  const words = command.split(" ").map((word) => (word === "''" ? "" : word));
  return new Promise((resolve) => {
    const child = execFile(
      "etcdctl",
      ["--endpoints", endpoint, ...words],
      { env: v3, timeout: 60_000 },
      (error, stdout, stderr) => {
        const text = `${stdout}${stderr.replace(/^\{"level".*\n/gm, "")}`;
        resolve({ code: error === null ? 0 : Number(error.code), text });
      },
    );
    child.stdin?.end(input.replaceAll("|", "\n"));
  });
}

/** What both print alike: revisions begin at the same number on both. */
const lines = [
  "put /a 1",
  "put /a 2 --prev-kv",
  "get /a",
  "get /none",
  "get /a --rev 2",
  "put /b/1 x",
  "put /b/2 y",
  "put /c z",
  "get /b --prefix",
  "get '' --prefix --keys-only",
  "get '' --from-key --limit 2",
  "get /b/ /d",
  "get / --prefix --sort-by VALUE --order DESCEND --print-value-only",
  "get / --prefix --sort-by MODIFY --order DESCEND --keys-only",
  "get / --prefix --count-only -w fields --consistency s",
  "del /b/1 --prev-kv",
  "del /b --prefix",
  "del /none",
  'txn < mod("/a") > "2"|value("/a") = "2"||put /t 1|get /t|get / --prefix|del /c||get /a||',
  'txn < create("/a") = "0"||put /t 2||get /a|put /u 1|get /u||',
  'txn < mod("/a") > "0"||put /t 1|put /t 2||||',
  'txn < version("/nobody") = "0"||get /a||||',
  "put --ignore-value /none",
  "put --lease 7777 /l 1",
  "lease revoke 7777",
  "lease timetolive 7777",
  "get /a --rev 1000",
  "compaction 4",
  "get /a --rev 3",
  "compaction 4",
  "compaction 1000",
  "watch /a --rev 2",
  "alarm list",
  "put '' x",
] as const;

test("Debian's etcdctl sees on the embedded store what it sees on an etcd", async () => {
  const etcd = cluster.endpoints[0] ?? "";
  for (const line of lines) {
    const [expected, found] = await Promise.all([etcdctl(etcd, line), etcdctl(server.endpoint, line)]);
    assert.deepEqual({ line, ...neutral(found) }, { line, ...neutral(expected) });
  }
});

/** Without names of clusters and members, and the raft term, which differ by nature. */
function neutral({ code, text }: { code: number; text: string }): { code: number; text: string } {
  return { code, text: text.replaceAll(/"(ClusterID|MemberID|RaftTerm)" : [0-9]+/g, '"$1" : N') };
}

test("leases, watches, locks and elections of etcdctl work on the embedded store", async () => {
  const { endpoint } = server;
  const granted = await etcdctl(endpoint, "lease grant 600");
  const lease = /^lease ([0-9a-f]{16}) granted with TTL\(600s\)/.exec(granted.text)?.[1] ?? "";
  assert.equal((await etcdctl(endpoint, `put --lease ${lease} /leased 1`)).text, "OK\n");
  assert.match(
    (await etcdctl(endpoint, `lease timetolive ${lease} --keys`)).text,
    /attached keys\(\[\/leased\]\)/,
  );
  assert.match((await etcdctl(endpoint, "lease list")).text, new RegExp(`found 1 leases\n${lease}`));
  assert.match((await etcdctl(endpoint, `lease keep-alive --once ${lease}`)).text, /TTL\(600\)/);

  const watch = spawn("etcdctl", ["--endpoints", endpoint, "watch", "/leased"], { env: v3 });
  try {
    const output = createInterface({ input: watch.stdout, signal: AbortSignal.timeout(60_000) });
    const told = output[Symbol.asyncIterator]();
    const first = told.next();
    // A watch says nothing when it begins: writes that come before it are not told, so they go on until one is.
    const stop = new AbortController();
    void first.then(() => stop.abort());
    for (let number = 0; !stop.signal.aborted; number++) {
      await etcdctl(endpoint, `put --lease ${lease} /leased ${number}`);
    }
    assert.equal((await first).value, "PUT");
    assert.equal((await told.next()).value, "/leased");
    assert.equal((await etcdctl(endpoint, `lease revoke ${lease}`)).code, 0);
    let line = await told.next();
    while (line.value !== "DELETE" && line.done !== true) line = await told.next();
    assert.equal(line.value, "DELETE", "the end of the lease is told");
  } finally {
    watch.kill();
  }
  assert.equal((await etcdctl(endpoint, "get /leased")).text, "");

  assert.equal((await etcdctl(endpoint, "lock /lock -- true")).code, 0);
  assert.equal((await etcdctl(endpoint, "member list")).text.split(", ")[2], "alone");
  assert.match((await etcdctl(endpoint.replace("http://", ""), "endpoint status")).text, /argosy-/);
  assert.match((await etcdctl(endpoint, "endpoint health")).text, /is healthy/);
});
