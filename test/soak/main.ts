import process from "node:process";
import { soakConsistency } from "./consistency.ts";
import { soakStore } from "./store.ts";

/** What can be run for as long as somebody has patience: each takes its own flags and returns the exit code. */
const soaks: Readonly<Record<string, (words: readonly string[]) => Promise<number>>> = {
  consistency: soakConsistency,
  store: soakStore,
};

const [name = "", ...words] = process.argv.slice(2);
const soak = soaks[name];
if (soak === undefined) {
  process.stderr.write(`usage: npm run soak -- ${Object.keys(soaks).join("|")} [FLAG...]\n`);
  process.exitCode = 2;
} else {
  process.exitCode = await soak(words);
}
