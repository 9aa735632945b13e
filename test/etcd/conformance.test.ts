import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { maxOperationsAlone, maxTransactionBytes } from "../../src/store/store.ts";
import { replayAll } from "../conformance/replay-all.ts";
import { startOver } from "../conformance/server-process.ts";
import { readTranscripts } from "../conformance/transcript.ts";
import { startEtcd } from "./etcd-process.ts";

/** The common ones, and more of the same kind that were recorded for Argosy. */
const transcripts = ["etcd-v2", "etcd-v2-more"].flatMap((folder) =>
  readTranscripts(fileURLToPath(new URL(`../conformance/${folder}`, import.meta.url))),
);

test("a gateway over three etcd members answers as one etcd was recorded, index by index", async () => {
  // As etcd-member.service runs it.
  await using etcd = await startEtcd(3, [
    `--max-request-bytes=${maxTransactionBytes}`,
    `--max-txn-ops=${maxOperationsAlone}`,
    // The recording is of a leader: the one that is asked stays it, however busy this machine is.
    "--heartbeat-interval=500",
    "--election-timeout=5000",
  ]);
  const leader = etcd.endpoints[await etcd.leader()] ?? "";
  const others = etcd.endpoints.filter((endpoint) => endpoint !== leader);
  await using gateway = await startOver([leader, ...others]);
  const wrong: string[] = [];
  const differing = new Set<string>();
  await replayAll(transcripts, [gateway.origin], "exact", ({ name, differences }) => {
    if (differences.length > 0) differing.add(name);
    wrong.push(...differences.map((difference) => `${name}: ${difference}`));
  });
  // The recording is of a cluster of one; here are three members to be told of.
  assert.deepEqual([...differing], ["ep-members-read"], wrong.join("\n"));
  assert.equal(wrong.length, 2);
  for (const difference of wrong) assert.match(difference, /body\.members: a list of 1 expected/);
});
