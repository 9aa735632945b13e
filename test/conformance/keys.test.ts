import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { replayAll } from "./replay-all.ts";
import { startEmbedded } from "./server-process.ts";
import { readTranscripts } from "./transcript.ts";

const transcripts = readTranscripts(fileURLToPath(new URL("etcd-v2", import.meta.url)));

test("what an etcd was recorded to answer, argosy etcd answers with its own store, index by index", async () => {
  await using servers = new AsyncDisposableStack();
  const both = await Promise.all([startEmbedded(), startEmbedded()]);
  const origins = both.map((server) => servers.use(server).origin);
  const wrong: string[] = [];
  let replayed = 0;
  await replayAll(transcripts, origins, "exact", ({ name, differences }) => {
    replayed++;
    wrong.push(...differences.map((difference) => `${name}: ${difference}`));
  });
  assert.deepEqual(wrong, []);
  assert.equal(replayed, 106);
});
