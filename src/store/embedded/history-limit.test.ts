import assert from "node:assert/strict";
import { test } from "node:test";
import { HistoryLimit } from "./history-limit.ts";

test("history is cut by the number of its revisions, in large steps", () => {
  const limit = new HistoryLimit();
  let oldest = 1;
  let cuts = 0;
  for (let revision = 2; revision <= 60_000; revision++) {
    const cut = limit.add(revision, 10, revision - oldest);
    if (cut === undefined) continue;
    assert.ok(cut > oldest && cut <= revision);
    oldest = cut;
    cuts += 1;
    assert.equal(revision - oldest, 5_000);
  }
  assert.equal(cuts, 10);
});

test("history of large changes is cut by its size, and the last change may be larger than the limit", () => {
  const limit = new HistoryLimit();
  const mebi = 1024 * 1024;
  const cuts: number[] = [];
  for (let revision = 2; revision <= 101; revision++) {
    const cut = limit.add(revision, mebi, 100);
    if (cut !== undefined) cuts.push(revision - cut);
  }
  assert.ok(cuts.length >= 4 && cuts.every((kept) => kept >= 14 && kept <= 17), cuts.join());
  assert.equal(limit.add(102, 100 * mebi, 100), 102);
});
