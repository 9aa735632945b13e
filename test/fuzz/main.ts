import process from "node:process";
import { parseArgs } from "node:util";
import { sentenceOf } from "../../src/lib/fault.ts";
import { startGateway } from "../conformance/gateway.ts";
import { findDifference, sentenceOfFound } from "../differential/campaign.ts";
import { startForeground } from "../differential/foreground.ts";
import { startOracle } from "../differential/oracle.ts";
import { Side } from "../differential/side.ts";
import { startEtcd } from "../etcd/etcd-process.ts";
import { attack } from "./attack.ts";

const usage = `usage: npm run fuzz -- keys [--runs NUMBER] [--seed NUMBER] [--store memory|embedded|etcd]
       npm run fuzz -- http [--seconds NUMBER] [--seed NUMBER]`;

/** A campaign is told about each time so many sequences have been asked. */
const roundRuns = 500;

const stores = ["memory", "embedded", "etcd"] as const;

interface Options {
  readonly seed: number;
  readonly runs: number;
  readonly seconds: number;
  readonly store: (typeof stores)[number];
}

async function main(words: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...words],
    options: {
      runs: { type: "string", default: "2000" },
      seconds: { type: "string", default: "60" },
      seed: { type: "string", default: String(Date.now() % 1_000_000_000) },
      store: { type: "string", default: "embedded" },
    },
    allowPositionals: true,
  });
  const [what, more] = positionals;
  if (more !== undefined || (what !== "keys" && what !== "http"))
    throw new Error("name what to ask: keys or http");
  const store = stores.find((name) => name === values.store);
  if (store === undefined) throw new Error(`there is no store ${values.store}`);
  const number = (name: "runs" | "seconds" | "seed"): number => {
    if (!/^\d{1,9}$/.test(values[name])) throw new Error(`--${name} is a number, not ${values[name]}`);
    return Number(values[name]);
  };
  const options = {
    seed: number("seed"),
    runs: number("runs"),
    seconds: number("seconds"),
    store,
  };
  return what === "keys" ? fuzzKeys(options) : fuzzHttp(options);
}

/** Asks etcd and Argosy the same until the number is reached or they differ. */
async function fuzzKeys({ seed, runs, store }: Options): Promise<number> {
  await using oracle = await startOracle();
  await using gateway = await startStore(store);
  const pair = { theirs: new Side(oracle.origin), ours: new Side(gateway.origin) };
  for (let done = 0; done < runs; done += roundRuns) {
    const round = Math.min(roundRuns, runs - done);
    const found = await findDifference(pair, seed + done / roundRuns, round);
    if (found !== undefined) {
      console.log(sentenceOfFound(found));
      return 1;
    }
    console.log(`${done + round} sequences, no difference (seed ${seed})`);
  }
  return 0;
}

/** The keys API over a store of this kind; the third is three members of an etcd v3. */
async function startStore(store: Options["store"]): Promise<AsyncDisposable & { readonly origin: string }> {
  if (store === "memory") return startGateway();
  if (store === "embedded") return startForeground();
  const cluster = await startEtcd(3);
  const gateway = await startForeground(cluster.endpoints);
  return {
    origin: gateway.origin,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await cluster[Symbol.asyncDispose]();
    },
  };
}

async function fuzzHttp({ seed, seconds }: Options): Promise<number> {
  await using server = await startForeground();
  const untilMs = Date.now() + seconds * 1000;
  const { requests, faults } = await attack(server, seed, () => Date.now() < untilMs);
  for (const fault of faults) console.log(fault);
  console.log(`${requests} requests, ${faults.length} faults (seed ${seed})`);
  return faults.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`${sentenceOf(error)}\n${usage}`);
  process.exitCode = 2;
}
