import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { runEtcdctl, startFakeServer, type Ran } from "../../src/etcdctl/fake-server.ts";

/** etcdctl 3.4 of Debian's etcd-client, which the set-up of the tests installs. */
const original = "/usr/bin/etcdctl";

/** One after the other on the same keys; each line has to end alike with both programs. */
const lines: readonly string[] = [
  "ls",
  "set /foo bar",
  "-o extended set /foo bar2",
  "-o json set /foo bar3",
  "-o extended get /foo",
  "-o json get foo",
  "get /none",
  "-o json get /none",
  "get",
  "set",
  "set /x",
  "mk /foo x",
  "mk --in-order /q job",
  "-o extended mk /foo2 x",
  "-o json mkdir /d1",
  "mkdir /d",
  "mkdir /d",
  "-o extended mkdir /d3",
  "setdir /d",
  "setdir /d4",
  "-o json setdir /d5",
  "updatedir /d",
  "-o extended updatedir /d",
  "updatedir /none",
  "update /foo up",
  "update /none x",
  "-o json update /foo up2",
  "set /d/a/b 1",
  "set /d/c 2",
  "set --ttl 100 /ttl 1",
  "-o extended get /ttl",
  "ls --sort",
  "ls --sort -p -r",
  "ls --sort -p -r /d",
  "ls /foo",
  "-o json ls --sort /d",
  "-o json ls --sort",
  "-o extended ls /d",
  "-o extended ls",
  "ls /none",
  "ls --recursive --sort d",
  "ls --sort /d /foo",
  "get /d",
  "-o json get /d",
  "get -q --sort /foo",
  "set --swap-with-value nope /foo z",
  "set --swap-with-value up2 /foo z",
  "set --swap-with-index 1 /foo z",
  "set --swap-with-value y /nothing z",
  "rm /foo",
  "rm /foo",
  "rm",
  "rm /d",
  "rm --dir /d",
  "rm -r /d",
  "set /foo 1",
  "rm --with-value 2 /foo",
  "rm --with-value 1 /foo",
  "set /foo 1",
  "rm --with-index 7777 /foo",
  "-o json rm /foo",
  "set /foo 1",
  "-o extended rm /foo",
  "set /foo 1",
  "-o extended rm --with-value 1 /foo",
  "rmdir /d4",
  "rmdir /none",
  "rmdir",
  "rmdir /d1",
  "-o json rmdir /d3",
  "-o extended rmdir /d5",
  "set /f2 1",
  "rmdir /f2",
  "mkdir",
  "setdir",
  "updatedir",
  "update",
  "mk",
  "watch",
  "exec-watch",
  "exec-watch /x",
  "set --ttl -5 /n v",
  "set --ttl 0 /n v",
  "set /n -5",
  "set -- /n -b",
  "set /a b c d",
  "get /a /b",
  "set a/b/../c x",
  "get /_hidden",
  "set / x",
  "rm /",
  "set /n/x y",
  "ls /n/x",
  "set /ünï a&b=<ü>",
  "-o json get /ünï",
  "--debug get /a?b#c%d",
  "nosuch",
  "member nosuch",
  "-o yaml get /n",
  "-o yaml rm /n",
  "--debug set /a b",
  "--debug --no-sync get /a",
  "--debug --no-sync ls -r --quorum --sort /",
  "--debug --no-sync mk --ttl 4 /n2 v",
  "--debug --no-sync rm --with-value a -r --with-index 4 /n",
  "--debug --no-sync set --ttl 4 --swap-with-value q --swap-with-index 4 /n v",
  "--debug --no-sync mkdir --ttl 4 /n",
  "--debug rmdir /n",
  "--debug updatedir --ttl 4 /q",
  "--version",
  "--endpoints http://127.0.0.1:1 get /a",
  "--no-sync --endpoints http://127.0.0.1:1 get /a",
  "--no-sync --endpoints http://127.0.0.1:1 rm /a",
  "--endpoints http://127.0.0.1:1 member list",
  "--no-sync --endpoints http://127.0.0.1:1 member list",
  "--endpoints http://127.0.0.1:1 cluster-health",
  "--endpoints ftp://x ls",
  "--ca-file /nope ls",
  "cluster-health",
  "member list",
  "member list x",
  "member add",
  "member add a b",
  "member add a http://b:1/c",
  "member add a http://b",
  "member update",
  "member update x http://x:1",
  "member remove",
  "member remove zz",
  "watch / -r --after-index 3",
  "-o json watch / -r --after-index 3",
  "-o extended watch --after-index 2 /foo",
  "watch -r --after-index 3 /q",
  "user list",
  "user list x",
  "user add",
  "user get nobody",
  "user passwd",
  "user remove nobody",
  "user grant bob",
  "user grant bob --roles r",
  "user revoke bob --roles a,b",
  "role list",
  "role add",
  "role add root",
  "role get root",
  "role get none",
  "role remove none",
  "role remove root",
  "role grant r",
  "role grant r --path /a",
  "role grant r --path a --read",
  "role grant r --path /b --read --write",
  "role revoke r --path /a --write",
  "auth enable x",
  "auth enable",
  "auth disable",
];

test("command lines end as with Debian's etcdctl: the same output, errors and exit code", async () => {
  assert.ok(existsSync(original), `${original} is missing: apt-get install etcd-client`);
  await using theirs = await startFakeServer();
  await using ours = await startFakeServer();
  for (const line of lines) {
    const words = line.split(" ");
    const expected = await runOriginal(words, theirs.endpoint);
    const found = await runEtcdctl(words, { variables: { ETCDCTL_ENDPOINTS: ours.endpoint } });
    assert.deepEqual(
      { line, ...neutral(found, ours.endpoint) },
      { line, ...neutral(expected, theirs.endpoint) },
    );
  }
});

async function runOriginal(words: readonly string[], endpoint: string): Promise<Ran> {
  const { promise, resolve } = Promise.withResolvers<Ran>();
  const env = { ETCDCTL_API: "2", ETCDCTL_ENDPOINTS: endpoint };
  const child = execFile(original, words, { env }, (error, stdout, stderr) => {
    resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
  });
  child.stdin?.end();
  return await promise;
}

function neutral({ code, stdout, stderr }: Ran, endpoint: string): Ran {
  const hide = (text: string): string => text.replaceAll(endpoint, "ENDPOINT");
  return { code, stdout: hide(stdout), stderr: hide(stderr) };
}
