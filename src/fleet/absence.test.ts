import assert from "node:assert/strict";
import { test } from "node:test";
import { AbsenceJudge } from "./absence.ts";

const ttlMs = 10_000;
const long = 100_000;

test("a machine that vanishes while the store is watched is gone at once", () => {
  const judge = new AbsenceJudge(ttlMs);
  judge.observe(["a", "b"], false);
  judge.observe(["a"], true);
  assert.deepEqual([...judge.uncertain(["b"], 0)], []);
  assert.deepEqual([...judge.uncertain(["b"], long)], []);
});

test("a machine that is missing after a break gets one time to live to come back", () => {
  const judge = new AbsenceJudge(ttlMs);
  judge.observe(["a", "b"], false);
  judge.observe(["a"], false);
  assert.deepEqual([...judge.uncertain(["b"], 0)], ["b"]);
  assert.deepEqual([...judge.uncertain(["b"], ttlMs - 1)], ["b"]);
  assert.deepEqual([...judge.uncertain(["b"], ttlMs)], []);
});

test("while the store is away nobody is gone, not even who vanished before", () => {
  const judge = new AbsenceJudge(ttlMs);
  judge.observe(["a", "b", "c"], false);
  judge.observe(["a", "c"], true);
  assert.deepEqual([...judge.uncertain(["b", "c"], undefined)], ["b", "c"]);
});

test("a plan that misses a machine earlier than the judge hears of it waits for the judge", () => {
  const judge = new AbsenceJudge(ttlMs);
  judge.observe(["a", "b"], false);
  for (const syncedForMs of [undefined, 0, ttlMs, long]) {
    assert.deepEqual([...judge.uncertain(["b"], syncedForMs)], ["b"], String(syncedForMs));
  }
  judge.observe(["a"], true);
  assert.deepEqual([...judge.uncertain(["b"], long)], []);
});

test("a machine that came back is not gone any more", () => {
  const judge = new AbsenceJudge(ttlMs);
  judge.observe(["a", "b"], false);
  judge.observe(["a"], true);
  judge.observe(["a", "b"], true);
  judge.observe(["a"], false);
  assert.deepEqual([...judge.uncertain(["b"], 0)], ["b"]);
});
