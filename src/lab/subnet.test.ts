import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isFault } from "../lib/fault.ts";
import { chooseNetwork } from "./subnet.ts";

test("a lab gets the same network each time, and two labs rarely the same", () => {
  assert.equal(chooseNetwork("lab", []), chooseNetwork("lab", ["default", "fe80::/64", "192.0.2.0/24"]));
  assert.notEqual(chooseNetwork("lab", []), chooseNetwork("second", []));
});

test("a network that a route overlaps is passed over, whether the route is wider, equal or one address", () => {
  const first = chooseNetwork("lab", []);
  for (const taken of [
    `${first}.0/24`,
    `${first}.77`,
    `${first}.128/25`,
    `${first.split(".").slice(0, 2).join(".")}.0.0/16`,
  ]) {
    assert.notEqual(chooseNetwork("lab", [taken]), first, taken);
  }
});

test("a network that was chosen is free for nobody else", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ minLength: 1, maxLength: 20 }), { maxLength: 40 }), (names) => {
      const taken: string[] = [];
      for (const name of names) taken.push(`${chooseNetwork(name, taken)}.0/24`);
      assert.equal(new Set(taken).size, names.length);
    }),
  );
});

test("without a free network there is one sentence", () => {
  assert.throws(
    () => chooseNetwork("lab", ["10.0.0.0/8"]),
    (error) => isFault(error, "no-free-network"),
  );
});
