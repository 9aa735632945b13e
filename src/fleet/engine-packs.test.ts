import assert from "node:assert/strict";
import { test } from "node:test";
import { maxOperations } from "../store/store.ts";
import { packWrites } from "./engine-packs.ts";
import type { EngineWrite } from "./engine-writes.ts";

function write(unit: string, operations: number, characters = 1): EngineWrite {
  return {
    unit,
    when: [{ key: "/shared", modRevision: 1 }],
    then: Array.from({ length: operations }, (_, at) => ({
      do: "put",
      key: `/${unit}/${at}`,
      value: "x".repeat(characters),
    })),
    because: "",
  };
}

function packed(writes: readonly EngineWrite[]): readonly string[] {
  return packWrites(writes).map((pack) => pack.writes.map(({ unit }) => unit).join(" "));
}

test("writes go together as far as a transaction has room for them and for the record of their events", () => {
  const writes = Array.from({ length: 100 }, (_, at) => write(`u${at}`, 2));
  const packs = packWrites(writes);
  assert.equal(packs.length, 2);
  for (const { transaction } of packs) {
    assert.ok(transaction.then.length < maxOperations);
    assert.deepEqual(transaction.when, [{ key: "/shared", modRevision: 1 }]);
  }
  assert.deepEqual(packWrites([]), []);
});

test("units that are only placed go to one machine in one transaction, when that has room for all of them", () => {
  const units = (numbers: readonly number[]): string => numbers.map((number) => `u${number}`).join(" ");
  const placed = Array.from({ length: 45 }, (_, at) => ({
    ...write(`u${at}`, 3),
    places: at % 2 === 0 ? "a" : "b",
  }));
  const even = Array.from({ length: 23 }, (_, at) => 2 * at);
  const odd = Array.from({ length: 22 }, (_, at) => 2 * at + 1);
  assert.deepEqual(packed(placed), [units(even), units(odd)]);

  const few = [
    { ...write("x", 3), places: "a" },
    { ...write("y", 3), places: "b" },
    { ...write("z", 3), places: "a" },
  ];
  assert.deepEqual(packed(few), ["x z y"]);

  const many = Array.from({ length: 60 }, (_, at) => ({ ...write(`u${at}`, 3), places: "a" }));
  assert.deepEqual(
    packWrites(many).map((pack) => pack.writes.length),
    [42, 18],
  );

  // Something else may have to come first, such as the end of a unit that another one replaces.
  assert.deepEqual(packed([write("w", 3), ...few]), ["w x y z"]);
});

test("a unit of a megabyte goes alone, so that the store refuses no other with it", () => {
  const writes = [
    write("a", 1),
    write("big", 1, 1_000_000),
    write("large", 2, 200_000),
    write("b", 1),
    write("c", 1),
  ];
  assert.deepEqual(packed(writes), ["a", "big", "large", "b c"]);
});
