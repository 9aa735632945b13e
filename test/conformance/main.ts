import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { sentenceOf } from "../../src/lib/fault.ts";
import { startGateway } from "./gateway.ts";
import { replay } from "./replay.ts";
import { readTranscripts, type Transcript } from "./transcript.ts";

/** Transcripts spend most of their time waiting, so some are replayed at once, each on a server of its own. */
const mostAtOnce = 4;

const usage = "usage: npm run conformance -- keys [--dir FOLDER]";

/** Replays every transcript of a folder; a line for each that differs, and the numbers at the end. */
async function main(words: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...words],
    options: { dir: { type: "string" } },
    allowPositionals: true,
  });
  if (positionals.length !== 1 || positionals[0] !== "keys") throw new Error("name what to replay: keys");
  const folder = values.dir ?? fileURLToPath(new URL("etcd-v2", import.meta.url));
  const transcripts = readTranscripts(folder);
  if (transcripts.length === 0) throw new Error(`there are no transcripts in ${folder}`);
  const failed = await replayAll(transcripts);
  console.log(`${transcripts.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** How many failed. */
async function replayAll(transcripts: readonly Transcript[]): Promise<number> {
  const left = transcripts[Symbol.iterator]();
  let failed = 0;
  const work = async (): Promise<void> => {
    for (const transcript of left) {
      const difference = await replayOne(transcript);
      if (difference === undefined) continue;
      failed++;
      console.log(`FAIL ${transcript.name} ${difference.replaceAll("\n", "\\n")}`);
    }
  };
  await Promise.all(Array.from({ length: mostAtOnce }, work));
  return failed;
}

async function replayOne(transcript: Transcript): Promise<string | undefined> {
  await using gateway = await startGateway();
  try {
    return await replay(transcript, gateway.port);
  } catch (error) {
    return sentenceOf(error);
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`${sentenceOf(error)}\n${usage}`);
  process.exitCode = 2;
}
