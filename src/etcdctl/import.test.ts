import assert from "node:assert/strict";
import { after, test } from "node:test";
import { runEtcdctl, startFakeServer } from "./fake-server.ts";

const server = await startFakeServer();
after(async () => server[Symbol.asyncDispose]());

const variables = { ETCDCTL_ENDPOINTS: server.endpoint };

/** The store of an etcd 0.4 as it wrote it. */
const store = JSON.stringify({
  Root: {
    Path: "/",
    CreatedIndex: 0,
    ModifiedIndex: 0,
    ExpireTime: "0001-01-01T00:00:00Z",
    ACL: "",
    Value: "",
    Children: {
      app: {
        Path: "/app",
        ExpireTime: "0001-01-01T00:00:00Z",
        Value: "",
        Children: {
          name: { Path: "/app/name", ExpireTime: "0001-01-01T00:00:00Z", Value: "argosy ü", Children: null },
          soon: { Path: "/app/soon", ExpireTime: "1970-01-01T00:01:00Z", Value: "1", Children: null },
          later: { Path: "/app/later", ExpireTime: "1970-01-01T00:20:00Z", Value: "2", Children: null },
          empty: { Path: "/app/empty", ExpireTime: "0001-01-01T00:00:00Z", Value: "", Children: {} },
        },
      },
      _hidden: {
        Path: "/_hidden",
        Children: { key: { Path: "/_hidden/key", Value: "3", Children: null } },
      },
    },
  },
  CurrentIndex: 7,
  CurrentVersion: 2,
});

const state = JSON.stringify({
  state: Buffer.from(store).toString("base64"),
  lastIndex: 7,
  lastTerm: 1,
  peers: [],
});

async function importing(text: string, ...flags: readonly string[]) {
  return await runEtcdctl(["import", "--snap", "old.ss", ...flags], { variables, files: { "old.ss": text } });
}

test("a snapshot's keys are set, short lives are prolonged, and hidden keys come when they are named", async () => {
  const { code, stdout, stderr } = await importing(store, "--hidden", "/_hidden", "-c", "1");
  assert.equal(stderr, "extending key /app/soon's ttl to 300 seconds\n");
  assert.equal(stdout, "starting to import snapshot old.ss with 1 clients\nfinished importing 4 keys\n");
  assert.equal(code, 0);
  const get = async (key: string): Promise<string> =>
    (await runEtcdctl(["-o", "extended", "get", key], { variables })).stdout;
  assert.match(await get("/app/name"), /TTL: 0\n.*\n\nargosy ü\n$/);
  assert.match(await get("/app/soon"), /TTL: 300\n/);
  assert.match(await get("/app/later"), /TTL: 1200\n/);
  assert.match(await get("/_hidden/key"), /\n3\n$/);
});

test("without --hidden they do not come, and the file of etcd 0.4 itself is read too", async () => {
  const { code, stdout } = await importing(`1badcafe\n${state}`);
  assert.deepEqual(
    [code, stdout],
    [0, "starting to import snapshot old.ss with 10 clients\nfinished importing 3 keys\n"],
  );
});

test("what cannot be imported is told, with exit code 1", async () => {
  const told = async (text: string, ...flags: readonly string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await importing(text, ...flags);
    assert.deepEqual([code, stdout], [1, ""]);
    return stderr;
  };
  assert.equal(await told("no"), "cannot recover the snapshot file: it is no JSON text\n");
  assert.equal(await told("{}"), "cannot recover the snapshot file: there is no Root in it\n");
  assert.equal(await told('{"state":"%"}'), "cannot recover the snapshot file: its state is not in base64\n");
  assert.equal(await told(store, "--hidden", "/none"), "there is no /none in old.ss\n");
  assert.equal(await told(store, "-c", "0"), "Incorrect Usage: -c is a number from 1 to 100\n");
  const none = await runEtcdctl(["import"], { variables });
  assert.deepEqual([none.code, none.stderr], [1, "no snapshot file provided (use --snap)\n"]);
  const missing = await runEtcdctl(["import", "--snap", "x"], { variables });
  assert.deepEqual([missing.code, missing.stderr], [1, "cannot read snapshot file x\n"]);
});
