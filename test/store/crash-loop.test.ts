import assert from "node:assert/strict";
import { test } from "node:test";
import { crashLoop } from "./crash-loop.ts";

test("no acknowledged write is lost by a hundred kills at random moments", async (context) => {
  const report = await crashLoop({
    rounds: 100,
    writers: 16,
    keys: 1_000,
    random: Math.random,
    say: (line) => context.diagnostic(line),
  });
  assert.deepEqual(report.broken, []);
  assert.ok(report.checked >= 60 && report.acknowledged >= 500, JSON.stringify(report));
  const { acknowledged, checked, medianOpenMs, longestOpenMs } = report;
  context.diagnostic(`${acknowledged} writes, ${checked} stores checked`);
  context.diagnostic(`opened in ${medianOpenMs} ms at the median, in ${longestOpenMs} ms at most`);
});
