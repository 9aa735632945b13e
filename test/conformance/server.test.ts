import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { startServer } from "./server-process.ts";

const folder = await mkdtemp(join(tmpdir(), "argosy-server-"));
after(() => rm(folder, { recursive: true, force: true }));

test("argosy etcd keeps its keys and users through a stop, and refuses what it cannot serve", async () => {
  const data = ["--data-dir", join(folder, "data")];
  const first = await startServer([...data, "--name", "own"]);
  await fetch(`${first.origin}/v2/keys/a?value=1`, { method: "PUT" });
  const body = '{"user":"root","password":"pw"}';
  assert.equal((await fetch(`${first.origin}/v2/auth/users/root`, { method: "PUT", body })).status, 201);
  const told = async (path: string): Promise<unknown> => (await fetch(`${first.origin}${path}`)).json();
  const { members } = (await told("/v2/members")) as { members: { name: string; clientURLs: string[] }[] };
  assert.deepEqual(
    members.map(({ name, clientURLs }) => [name, clientURLs]),
    [["own", [first.origin]]],
  );
  const headers = { "Content-Type": "application/json" };
  const adding = { method: "POST", headers, body: '{"peerURLs":["http://127.0.0.1:1"]}' };
  const refused = await fetch(`${first.origin}/v2/members`, adding);
  assert.equal(refused.status, 409);
  assert.match(await refused.text(), /argosy member add/);
  const port = new URL(first.origin).port;
  const other = ["--data-dir", join(folder, "other"), "--listen-client", `127.0.0.1:${port}`];
  await assert.rejects(startServer(other), new RegExp(`cannot listen on 127.0.0.1:${port}.*EADDRINUSE`));
  await assert.rejects(startServer(data), /another process has it open/);
  assert.equal(await first.stop("SIGINT"), 0);

  const again = await startServer(data);
  const read = await fetch(`${again.origin}/v2/keys/a`);
  // The user took an index, and the first one four more.
  assert.equal(read.headers.get("x-etcd-index"), "6");
  assert.match(await read.text(), /"value":"1"/);
  assert.match(await (await fetch(`${again.origin}/v2/auth/users`)).text(), /"user":"root"/);
  assert.equal(await again.stop(), 0);
});

test("argosy etcd tells what is wrong with its flags", async () => {
  const rows: [words: readonly string[], says: RegExp][] = [
    [["--listen-client", "nonsense", "--data-dir", "x"], /cannot listen on "nonsense".*HOST:PORT/],
    [[], /--data-dir DIR/],
    [["--store", "etcd"], /--endpoints/],
    [["--store", "paper"], /embedded or etcd/],
  ];
  for (const [words, says] of rows) await assert.rejects(startServer(words), says);
});
