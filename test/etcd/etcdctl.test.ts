import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { runEtcdctl, startFakeServer, type Ran } from "../../src/etcdctl/fake-server.ts";
import { startForeground } from "../differential/foreground.ts";
import { startOracle } from "../differential/oracle.ts";
import { Side } from "../differential/side.ts";
import { accessLines, commandLines } from "./etcdctl-lines.ts";

/** etcdctl 3.4 of Debian's etcd-client, which the set-up of the tests installs. */
const original = "/usr/bin/etcdctl";

test("command lines end as with Debian's etcdctl: the same output, errors and exit code", async () => {
  assert.ok(existsSync(original), `${original} is missing: apt-get install etcd-client`);
  await using theirs = await startFakeServer();
  await using ours = await startFakeServer();
  for (const line of [...commandLines, ...accessLines]) {
    const words = line.split(" ");
    const expected = await runOriginal(words, theirs.endpoint);
    const found = await runEtcdctl(words, { variables: { ETCDCTL_ENDPOINTS: ours.endpoint } });
    assert.deepEqual(
      { line, ...neutral(found, ours.endpoint) },
      { line, ...neutral(expected, theirs.endpoint) },
    );
  }
});

/** By itself it gives a server two seconds, in which a busy machine may not have hashed a password. */
const patience = ["--timeout", "60s", "--total-timeout", "120s"];

test("Debian's etcdctl sees on Argosy what it sees on a real etcd", async () => {
  await using oracle = await startOracle();
  await using argosy = await startForeground();
  const sides = [new Side(oracle.origin), new Side(argosy.origin)];
  // Indices are shown, and asked for: both begin with the same one.
  const indices = await Promise.all(sides.map(async (side) => await side.index()));
  await Promise.all(sides.map(async (side, at) => await side.pad(10 - (indices[at] ?? 0))));
  for (const side of sides) side.close();
  for (const line of [...commandLines, ...accessLines]) {
    const words = [...patience, ...line.split(" ")];
    const expected = await runOriginal(words, oracle.origin);
    const found = await runOriginal(words, argosy.origin);
    assert.deepEqual(
      { line, ...withoutMembers(neutral(found, argosy.origin), line) },
      { line, ...withoutMembers(neutral(expected, oracle.origin), line) },
    );
  }
});

/** What tells two servers apart by nature: names of members, moments, and the order of what nobody asked to sort. */
function withoutMembers({ code, stdout, stderr }: Ran, line: string): Ran {
  const hide = (text: string): string =>
    text
      .replaceAll(/\b[0-9a-f]{12,16}\b(?=: name| is )/g, "MEMBER")
      .replaceAll(/name=\S+ peerURLs=\S*/g, "name=NAME peerURLs=URLS")
      .replaceAll(/"expiration":"[^"]*"/g, '"expiration":"..."');
  const isUnordered = /\bls\b/.test(line) && !line.includes("--sort");
  return {
    code,
    stdout: isUnordered ? hide(stdout).split("\n").sort().join("\n") : hide(stdout),
    stderr: hide(stderr),
  };
}

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
  // What is left of a key's life is told in whole seconds, of which some pass while programs run.
  const hide = (text: string): string =>
    text
      .replaceAll(endpoint, "ENDPOINT")
      .replaceAll(/^TTL: (?:3[5-9]\d\d|4000)$/gm, "TTL: nearly 4000")
      .replaceAll(/"ttl":(?:3[5-9]\d\d|4000)\b/g, '"ttl":"nearly 4000"');
  return { code, stdout: hide(stdout), stderr: hide(stderr) };
}
