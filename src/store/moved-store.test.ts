import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { storeContract } from "./contract.ts";
import { commit, follow, keysAndValues, put, silentEnv } from "./contract-tools.ts";
import { openMemoryStore } from "./memory.ts";
import { movedStore, type Place } from "./moved-store.ts";
import { between, exactly, under } from "./range.ts";

const contractPlaces = [{ seen: "/contract/", kept: "/elsewhere:one/" }];

storeContract("moved", async () => movedStore(openMemoryStore(silentEnv()), contractPlaces), {
  modelRuns: 150,
});

const placesOf = (word: string): readonly Place[] => [
  { seen: "/of/folder/", kept: `/of/folder:${word}/` },
  { seen: "/of/name", kept: `/of/name:${word}` },
];
const seenKeys = [
  "/of/folder/a",
  "/of/folder/a/b",
  "/of/folder/\u{ff5e}",
  "/of/folder/\u{1f600}",
  "/of/name",
];

test("users of several places in one store see, change and hear only their own, as if each had a store", async () => {
  const words = ["a", "a%2Fb", "b"];
  const step = fc.record({
    word: fc.constantFrom(...words),
    key: fc.constantFrom(...seenKeys),
    value: fc.option(fc.constantFrom("1", "2"), { nil: undefined }),
    whole: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const shared = openMemoryStore(silentEnv());
      const own = words.map((word) => ({
        word,
        moved: movedStore(shared, placesOf(word)),
        alone: openMemoryStore(silentEnv()),
        told: [] as string[],
      }));
      const start = await commit(shared, [put("/of/folder/a", "of nobody"), put("/of/name", "of nobody")]);
      const watches = own.map(({ moved }) => follow(moved, "/of/folder/", start));
      let last = start;
      for (const { word, key, value, whole } of steps) {
        const range = whole && key !== "/of/name" ? under("/of/folder/") : exactly(key);
        const operation = value === undefined ? ({ do: "delete", range } as const) : put(key, value);
        for (const { moved, alone, told, ...one } of own) {
          if (one.word !== word) continue;
          last = await commit(moved, [operation]);
          await commit(alone, [operation]);
          if (key !== "/of/name" && value !== undefined)
            told.push(`${last}: ${key.slice("/of/folder/".length)}=${value}`);
        }
      }
      // Something that all of them hear, so that none waits for a change it must not hear of.
      for (const { moved } of own) last = await commit(moved, [put("/of/folder/end", "")]);
      for (const [index, { moved, alone, told }] of own.entries()) {
        await commit(alone, [put("/of/folder/end", "")]);
        for (const range of [
          under("/of/folder/"),
          between("/of/folder/a", "/of/folder/b"),
          exactly("/of/name"),
        ]) {
          const [found, expected] = await Promise.all([moved.read(range), alone.read(range)]);
          assert.deepEqual(keysAndValues(found.entries), keysAndValues(expected.entries));
        }
        const ended = last - (own.length - 1 - index);
        const heard = await watches[index]?.next(ended);
        assert.deepEqual(
          heard?.filter((line) => !line.endsWith(" gone")),
          [...told, `${ended}: end=`],
        );
      }
      assert.deepEqual(keysAndValues((await shared.read(exactly("/of/name"))).entries), [
        "/of/name=of nobody",
      ]);
      assert.deepEqual(keysAndValues((await shared.read(under("/of/folder/"))).entries), [
        "/of/folder/a=of nobody",
      ]);
      for (const watch of watches) await watch.end();
      await shared.close();
    }),
    { numRuns: 100 },
  );
});

test("compares, and what is read when they do not hold, are of the own place", async () => {
  const shared = openMemoryStore(silentEnv());
  const moved = movedStore(shared, placesOf("a"));
  await commit(shared, [put("/of/folder/x", "of nobody")]);
  const first = { when: [{ key: "/of/folder/x", modRevision: 0 }], then: [put("/of/folder/x", "mine")] };
  assert.equal((await moved.commit(first)).committed, true);
  const again = await moved.commit({ ...first, otherwise: [under("/of/folder/"), exactly("/of/name")] });
  assert.ok(!again.committed);
  assert.deepEqual(again.seen.map(keysAndValues), [["/of/folder/x=mine"], []]);
  await shared.close();
});

test("keys outside of the places, and ranges that reach out of one, are bugs", async () => {
  const shared = openMemoryStore(silentEnv());
  const moved = movedStore(shared, placesOf("a"));
  const bug = { name: "AssertionFailed" };
  for (const range of [exactly("/of/names"), under("/of/"), between("/of/folder/a", "/of/g")])
    await assert.rejects(moved.read(range), bug);
  await assert.rejects(commit(moved, [put("/of/folder", "")]), bug);
  await assert.rejects(commit(moved, [{ do: "delete", range: under("/") }]), bug);
  await shared.close();
});
