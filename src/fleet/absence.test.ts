import assert from "node:assert/strict";
import { test } from "node:test";
import { AbsenceJudge, type Presence } from "./absence.ts";

const ttlMs = 10_000;
const long = 100_000;

function present(...ids: readonly string[]): readonly Presence[] {
  return ids.map((id) => ({ id, leaving: false }));
}

test("a machine that vanishes while the store is watched is gone at once", () => {
  const judge = new AbsenceJudge(ttlMs);
  judge.observe(present("a", "b"), undefined);
  judge.observe(present("a"), long);
  assert.deepEqual([...judge.uncertain(["b"], 0)], []);
  assert.deepEqual([...judge.uncertain(["b"], long)], []);
});

test("a machine that is missing after a break gets one time to live to come back", () => {
  const judge = new AbsenceJudge(ttlMs);
  judge.observe(present("a", "b"), undefined);
  judge.observe(present("a"), undefined);
  assert.deepEqual([...judge.uncertain(["b"], 0)], ["b"]);
  assert.deepEqual([...judge.uncertain(["b"], ttlMs - 1)], ["b"]);
  assert.deepEqual([...judge.uncertain(["b"], ttlMs)], []);
});

test("while the store is away nobody is gone, not even who vanished before", () => {
  const judge = new AbsenceJudge(ttlMs);
  judge.observe(present("a", "b", "c"), undefined);
  judge.observe(present("a", "c"), long);
  assert.deepEqual([...judge.uncertain(["b", "c"], undefined)], ["b", "c"]);
});

test("a plan that misses a machine earlier than the judge hears of it waits for the judge", () => {
  const judge = new AbsenceJudge(ttlMs);
  judge.observe(present("a", "b"), undefined);
  for (const syncedForMs of [undefined, 0, ttlMs, long]) {
    assert.deepEqual([...judge.uncertain(["b"], syncedForMs)], ["b"], String(syncedForMs));
  }
  judge.observe(present("a"), long);
  assert.deepEqual([...judge.uncertain(["b"], long)], []);
});

test("a machine that came back is not gone any more", () => {
  const judge = new AbsenceJudge(ttlMs);
  judge.observe(present("a", "b"), undefined);
  judge.observe(present("a"), long);
  judge.observe(present("a", "b"), long);
  judge.observe(present("a"), undefined);
  assert.deepEqual([...judge.uncertain(["b"], 0)], ["b"]);
});

test("a machine that vanishes soon after a break gets its time too: the store may have ended all leases at once", () => {
  const judge = new AbsenceJudge(ttlMs);
  judge.observe(present("a", "b"), undefined);
  judge.observe(present("a"), ttlMs - 1);
  assert.deepEqual([...judge.uncertain(["b"], ttlMs - 1)], ["b"]);
  assert.deepEqual([...judge.uncertain(["b"], ttlMs)], []);
});

test("a machine that said goodbye is gone at once, also soon after a break, but not unseen", () => {
  const judge = new AbsenceJudge(ttlMs);
  judge.observe([...present("a"), { id: "b", leaving: true }], undefined);
  judge.observe(present("a"), 1);
  assert.deepEqual([...judge.uncertain(["b"], 1)], []);
  judge.observe([...present("a"), { id: "b", leaving: true }], 2);
  judge.observe(present("a"), undefined);
  assert.deepEqual([...judge.uncertain(["b"], 0)], ["b"]);
});
