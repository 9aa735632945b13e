import process from "node:process";
import { parseArgs } from "node:util";
import { crashLoop } from "../store/crash-loop.ts";

/**
 * `npm run soak -- store [--rounds N] [--keys N] [--writers N]`: kills a process that writes to an embedded store, N times; 1 when a
 * write that was acknowledged is lost.
 */
export async function soakStore(words: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      rounds: { type: "string", default: "1000" },
      keys: { type: "string", default: "100000" },
      writers: { type: "string", default: "64" },
    },
  });
  const [rounds, keys, writers] = [values.rounds, values.keys, values.writers].map(Number);
  if (!isCount(rounds) || !isCount(keys) || !isCount(writers)) {
    process.stderr.write("--rounds, --keys and --writers are whole numbers above 0\n");
    return 2;
  }
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const { broken, ...report } = await crashLoop({ rounds, keys, writers, random: Math.random, say });
  for (const sentence of broken) say(sentence);
  say(JSON.stringify({ ...report, broken: broken.length }));
  return broken.length === 0 ? 0 : 1;
}

function isCount(number: number | undefined): number is number {
  return number !== undefined && Number.isSafeInteger(number) && number > 0;
}
