import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { differentKeys, SortedMap } from "./sorted-map.ts";
import { compareText } from "./text.ts";

type Values = ReadonlyMap<string, number | undefined>;

/** Few keys, so that changes meet; many at a time, so that blocks are split and emptied. */
const anyChanges: fc.Arbitrary<Values> = fc
  .array(fc.tuple(fc.nat(900), fc.option(fc.nat(3), { nil: undefined, freq: 3 })), { maxLength: 300 })
  .map((pairs) => new Map(pairs.map(([key, value]) => [`k${key}`, value])));

test("versions of a sorted map read as a map sorted anew does, and stay as they were", () => {
  fc.assert(
    fc.property(fc.array(anyChanges, { maxLength: 12 }), (history) => {
      const plain = new Map<string, number>();
      let map = SortedMap.empty<number>();
      const versions: [SortedMap<number>, [string, number][]][] = [];
      for (const changes of history) {
        for (const [key, value] of changes) {
          if (value === undefined) plain.delete(key);
          else plain.set(key, value);
        }
        const before = map;
        map = map.with(changes);
        const expected = [...plain].sort(([left], [right]) => compareText(left, right));
        versions.push([map, expected]);
        const changed = [...changes.keys()].filter((key) => before.get(key) !== map.get(key));
        assert.deepEqual(differentKeys(before, map).sort(), changed.sort());
      }
      for (const [version, expected] of versions) {
        assert.deepEqual([...version], expected);
        assert.deepEqual(
          [...version.keys()],
          expected.map(([key]) => key),
        );
        assert.deepEqual(
          [...version.values()],
          expected.map(([, value]) => value),
        );
        assert.equal(version.size, expected.length);
        for (let key = 0; key < 900; key += 7)
          assert.equal(version.get(`k${key}`), new Map(expected).get(`k${key}`));
      }
    }),
    { numRuns: 200 },
  );
});

test("a change leaves the blocks beside it alone", () => {
  const keys = Array.from({ length: 10_000 }, (_, at) => `unit-${at}.service`);
  const map = SortedMap.empty<number>().with(new Map(keys.map((key) => [key, 1])));
  const next = map.with(new Map([["unit-5000.service", 2]]));
  assert(map.suspects(next).size < 200);
  assert.deepEqual(differentKeys(map, next), ["unit-5000.service"]);
});

test("maps that are no versions of each other are compared whole", () => {
  const before = new Map([
    ["a", 1],
    ["b", 2],
  ]);
  const now = new Map([
    ["b", 3],
    ["c", 4],
  ]);
  assert.deepEqual(differentKeys(before, now).sort(), ["a", "b", "c"]);
  assert.deepEqual(differentKeys(before, now, () => true).sort(), ["a", "c"]);
});
