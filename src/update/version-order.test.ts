import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareVersions, isVersion, newestOf } from "./version-order.ts";

// The examples of the version format specification of the UAPI group, oldest first.
const ascending = [
  "122.1",
  "123~rc1-1",
  "123",
  "123-a",
  "123-a.1",
  "123-1",
  "123-1.1",
  "123^post1",
  "123.a-1",
  "123.1-1",
  "123a-1",
  "124-1",
];

test("versions stand in the order of the specification", () => {
  for (const [at, older] of ascending.entries()) {
    for (const newer of ascending.slice(at + 1)) {
      assert.equal(compareVersions(older, newer), -1, `${older} < ${newer}`);
      assert.equal(compareVersions(newer, older), 1, `${newer} > ${older}`);
    }
    assert.equal(compareVersions(older, older), 0);
  }
});

test("numbers count as numbers, and leading zeros do not matter", () => {
  assert.equal(compareVersions("9", "10"), -1);
  assert.equal(compareVersions("3033.2.0", "3139.2.0"), -1);
  assert.equal(compareVersions("1.02", "1.2"), 0);
  assert.equal(compareVersions("99999999999999999999", "100000000000000000000"), -1);
  assert.equal(newestOf(["1.9", "1.10", "1.2"]), "1.10");
});

test("it is an order", () => {
  const version = fc.stringMatching(/^[0-9][0-9a-c.~^-]{0,6}$/);
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      assert.equal(compareVersions(a, b), -compareVersions(b, a) + 0);
      if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) assert.ok(compareVersions(a, c) <= 0);
    }),
  );
});

test("what cannot be a version is none", () => {
  for (const good of ["1", "3033.2.0+nightly", "0.1.0~rc1", "20261122"]) assert.ok(isVersion(good), good);
  for (const bad of ["", "abc", "1/2", "../1", "1 2", "1%A", "@v", "-1", "1\n"])
    assert.ok(!isVersion(bad), bad);
});
