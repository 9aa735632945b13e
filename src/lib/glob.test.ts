import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isGlob, matchesGlob } from "./glob.ts";

/** Rows as in the documentation of Go's path.Match, and the corners of its grammar. */
const rows: readonly (readonly [pattern: string, text: string, matches: boolean])[] = [
  ["abc", "abc", true],
  ["abc", "abcd", false],
  ["", "", true],
  ["", "a", false],
  ["*", "", true],
  ["*", "abc", true],
  ["*c", "abc", true],
  ["a*", "a", true],
  ["a*", "ab/c", false],
  ["a*/b", "abc/b", true],
  ["a*/b", "a/c/b", false],
  ["a*b*c*d*e*/f", "axbxcxdxe/f", true],
  ["a*b*c*d*e*/f", "axbxcxdxexxx/fff", false],
  ["a*b?c*x", "abxbbxdbxebxczzx", true],
  ["a*b?c*x", "abxbbxdbxebxczzy", false],
  ["ab[c]", "abc", true],
  ["ab[b-d]", "abc", true],
  ["ab[e-g]", "abc", false],
  ["ab[^c]", "abc", false],
  ["ab[^e-g]", "abc", true],
  ["a\\*b", "a*b", true],
  ["a\\*b", "ab", false],
  ["a?b", "a☺b", true],
  ["a[^a]b", "a☺b", true],
  ["a???b", "a☺b", false],
  ["?", "😀", true],
  ["[a-ζ]*", "α", true],
  ["*[a-ζ]", "A", false],
  ["a?b", "a/b", false],
  ["[\\]a]", "]", true],
  ["[\\-]", "-", true],
  ["[x\\-]", "-", true],
  ["*x", "xxx", true],
  ["a]", "a]", true],
  ["conflict.*.service", "conflict.1.service", true],
];

for (const [pattern, text, matches] of rows) {
  test(`"${pattern}" ${matches ? "matches" : "does not match"} "${text}"`, () => {
    assert.equal(matchesGlob(pattern, text), matches);
  });
}

for (const pattern of [
  "[",
  "[^",
  "[]",
  "[]a]",
  "[-]",
  "[x-]",
  "[-x]",
  "[a-b-c]",
  "[^bc",
  "a[",
  "\\",
  "a\\",
]) {
  test(`"${pattern}" is malformed and matches nothing, itself included`, () => {
    assert.equal(isGlob(pattern), false);
    assert.equal(matchesGlob(pattern, pattern), false);
    assert.equal(matchesGlob(pattern, "a"), false);
  });
}

test("agrees with a regular expression on patterns of stars, single characters and plain text", () => {
  const regular = new Map([
    ["*", "[^/]*"],
    ["?", "[^/]"],
    [".", "\\."],
  ]);
  const pieces = fc.constantFrom("*", "?", "a", "b", "/", ".");
  const texts = fc.array(fc.constantFrom("a", "b", "/", "."), { maxLength: 10 });
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 8 }), texts, (pattern, text) => {
      const source = pattern.map((piece) => regular.get(piece) ?? piece).join("");
      const expected = new RegExp(`^${source}$`).test(text.join(""));
      assert.equal(matchesGlob(pattern.join(""), text.join("")), expected);
    }),
    { numRuns: 2000 },
  );
});

test("a pattern that would make a naive matcher try 2^60 ways is answered", () => {
  assert.equal(matchesGlob("*a".repeat(60), `${"a".repeat(200)}b`), false);
  assert.equal(matchesGlob(`${"*a".repeat(60)}*`, `${"a".repeat(200)}b`), true);
});
