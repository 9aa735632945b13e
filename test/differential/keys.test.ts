import assert from "node:assert/strict";
import { test } from "node:test";
import { startGateway } from "../conformance/gateway.ts";
import { findDifference, sentenceOfFound } from "./campaign.ts";
import { startForeground } from "./foreground.ts";
import { startOracle } from "./oracle.ts";
import { Side } from "./side.ts";

/** Each seed is as many sequences as `runs` says, always the same ones. */
const campaigns = [
  { store: "memory", seeds: [1, 2, 3], runs: 500 },
  { store: "embedded", seeds: [4], runs: 500 },
] as const;

for (const { store, seeds, runs } of campaigns) {
  test(`${seeds.length * runs} sequences of requests end as with etcd 3.4, over the ${store} store`, async () => {
    await using oracle = await startOracle();
    await using gateway = store === "memory" ? await startGateway() : await startForeground();
    for (const seed of seeds) {
      const pair = { theirs: new Side(oracle.origin), ours: new Side(gateway.origin) };
      const found = await findDifference(pair, seed, runs);
      if (found !== undefined) assert.fail(sentenceOfFound(found));
    }
  });
}
