import assert from "node:assert/strict";
import { test } from "node:test";
import { inParallel } from "./parallel.ts";

test("results come in the order of the items, whichever ends first", async () => {
  const first = Promise.withResolvers<string>();
  const results = inParallel(["a", "b"], async (item) => {
    if (item === "a") return await first.promise;
    first.resolve("a");
    return item;
  });
  assert.deepEqual(await results, ["a", "b"]);
});

test("after an error nothing more is begun, and what was under way ends first", async () => {
  const begun: number[] = [];
  const slow = Promise.withResolvers<void>();
  let ended = false;
  const items = Array.from({ length: 100 }, (_, index) => index);
  const all = inParallel(items, async (item) => {
    begun.push(item);
    if (item === 1) throw new Error("no");
    await slow.promise;
    ended = true;
  });
  const rejected = assert.rejects(all, { message: "no" });
  await new Promise(setImmediate);
  slow.resolve();
  await rejected;
  assert.equal(ended, true);
  assert.equal(begun.length, 16);
});
