import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { replayAll } from "./replay-all.ts";
import { startEmbedded } from "./server-process.ts";
import { readTranscripts } from "./transcript.ts";

/** The common ones, and more of the same kind that were recorded for Argosy. */
const transcripts = ["etcd-v2", "etcd-v2-more"].flatMap((folder) =>
  readTranscripts(fileURLToPath(new URL(folder, import.meta.url))),
);

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
  assert.ok(replayed > 106);
});
