import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { sentenceOf } from "../../src/lib/fault.ts";
import { maxOperationsAlone, maxTransactionBytes } from "../../src/store/store.ts";
import { startEtcd } from "../etcd/etcd-process.ts";
import { replayCloudConfig } from "./cloud-config.ts";
import type { IndexMode } from "./indices.ts";
import { replayAll } from "./replay-all.ts";
import { startEmbedded, startOver } from "./server-process.ts";
import { readTranscripts, type Transcript } from "./transcript.ts";

/** Transcripts spend most of their time waiting, so some are replayed side by side, each with a server of its own. */
const embeddedServers = 4;

const usage = `usage: npm run conformance -- keys [OPTION...]
  --dir FOLDER            replay the transcripts of this folder instead of those that come with Argosy
  --only NAME             only the transcripts whose name contains this
  --store embedded|etcd   against argosy etcd with its own store (default), or over three members of a real etcd
  --url URL               against any server of the v2 API, to which nobody else writes
  --index exact|mapped    indices are those of the recording (default), or only in the same order
       npm run conformance -- cloud-config [--dir FOLDER] [--only NAME]
  --dir FOLDER            validate and apply the cases of this folder instead of those that come with Argosy`;

/** Replays transcripts; a line for each step that went differently, and the numbers at the end. */
async function main(words: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...words],
    options: {
      dir: { type: "string" },
      only: { type: "string", default: "" },
      store: { type: "string", default: "embedded" },
      url: { type: "string" },
      index: { type: "string", default: "exact" },
    },
    allowPositionals: true,
  });
  if (positionals.length === 1 && positionals[0] === "cloud-config") {
    return await cloudConfigs(
      values.dir ?? fileURLToPath(new URL("cloud-config", import.meta.url)),
      values.only,
    );
  }
  if (positionals.length !== 1 || positionals[0] !== "keys") {
    throw new Error("name what to replay: keys or cloud-config");
  }
  const { store, url, index } = values;
  if (index !== "exact" && index !== "mapped") throw new Error(`--index is exact or mapped, not "${index}"`);
  if (store !== "embedded" && store !== "etcd")
    throw new Error(`--store is embedded or etcd, not "${store}"`);
  const folder = values.dir ?? fileURLToPath(new URL("etcd-v2", import.meta.url));
  const transcripts = readTranscripts(folder).filter(({ name }) => name.includes(values.only));
  if (transcripts.length === 0) throw new Error(`there are no such transcripts in ${folder}`);
  if (url !== undefined) return report(transcripts, [url], index);
  return store === "etcd" ? overEtcd(transcripts, index) : onEmbedded(transcripts, index);
}

/** The exit code. */
async function cloudConfigs(folder: string, only: string): Promise<number> {
  let passed = 0;
  let failed = 0;
  for await (const { name, differences } of replayCloudConfig(folder, only)) {
    if (differences.length === 0) passed++;
    else failed++;
    if (differences.length > 0) console.log(`FAIL ${name} ${differences.join("; ").replaceAll("\n", "\\n")}`);
  }
  if (passed + failed === 0) throw new Error(`there are no such cases in ${folder}`);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

async function onEmbedded(transcripts: readonly Transcript[], index: IndexMode): Promise<number> {
  await using servers = new AsyncDisposableStack();
  const count = Math.min(embeddedServers, transcripts.length);
  const started = Array.from({ length: count }, async () => servers.use(await startEmbedded()));
  const origins = (await Promise.all(started)).map(({ origin }) => origin);
  return await report(transcripts, origins, index);
}

async function overEtcd(transcripts: readonly Transcript[], index: IndexMode): Promise<number> {
  // As etcd-member.service runs it.
  await using etcd = await startEtcd(3, [
    `--max-request-bytes=${maxTransactionBytes}`,
    `--max-txn-ops=${maxOperationsAlone}`,
  ]);
  await using gateway = await startOver(etcd.endpoints);
  return await report(transcripts, [gateway.origin], index);
}

/** The exit code. */
async function report(
  transcripts: readonly Transcript[],
  origins: readonly string[],
  index: IndexMode,
): Promise<number> {
  let failed = 0;
  await replayAll(transcripts, origins, index, ({ name, differences }) => {
    if (differences.length > 0) failed++;
    for (const difference of differences) console.log(`FAIL ${name} ${difference.replaceAll("\n", "\\n")}`);
  });
  console.log(`${transcripts.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`${sentenceOf(error)}\n${usage}`);
  process.exitCode = 2;
}
