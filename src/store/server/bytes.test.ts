import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { contains } from "../range.ts";
import { bytesOf, rangeOf, textOf } from "./bytes.ts";
import { Refusal } from "./failures.ts";

/** Characters at the edges of what one, two, three and four bytes can hold. */
const character = fc.constantFrom(
  "\u0000",
  "a",
  "/",
  "\u007f",
  "\u0080",
  "\u00bf",
  "\u00ff",
  "\u07ff",
  "\u0800",
  "\ud7ff",
  "\ue000",
  "\uffff",
  "\u{10000}",
  "\u{3ffff}",
  "\u{40000}",
  "\u{10ffff}",
);
const text = fc.array(character, { minLength: 1, maxLength: 4 }).map((characters) => characters.join(""));

/** The end that etcd's clients give for "every key with this prefix": one added to the last byte that has room. */
function prefixEnd(prefix: Buffer): Buffer {
  for (let last = prefix.length - 1; last >= 0; last--) {
    const byte = prefix[last] ?? 0;
    if (byte < 0xff) return Buffer.from([...prefix.subarray(0, last), byte + 1]);
  }
  return Buffer.from([0]);
}

test("a range holds the keys that it holds as bytes, also when its end is no text", () => {
  fc.assert(
    fc.property(text, text, fc.array(text, { minLength: 1, maxLength: 20 }), (from, prefix, keys) => {
      for (const end of [prefixEnd(bytesOf(prefix)), bytesOf(prefix), bytesOf(prefix).subarray(0, -1)]) {
        if (end.length === 0) continue;
        const range = rangeOf(bytesOf(from), end);
        for (const key of [...keys, from, prefix, `${prefix}a`]) {
          const bytes = bytesOf(key);
          const isEverything = end.length === 1 && end[0] === 0;
          const expected =
            Buffer.compare(bytes, bytesOf(from)) >= 0 && (isEverything || Buffer.compare(bytes, end) < 0);
          assert.equal(
            contains(range, key),
            expected,
            JSON.stringify({ from, end: end.toString("hex"), key }),
          );
        }
      }
    }),
    { numRuns: 3_000 },
  );
});

test("any bytes are the end of a range, or are refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 6 }), text, (end, key) => {
      fc.pre(!(end.length === 1 && end[0] === 0));
      const range = rangeOf(bytesOf("\0"), end);
      assert.equal(contains(range, key), Buffer.compare(bytesOf(key), end) < 0);
    }),
    { numRuns: 3_000 },
  );
});

test("a key that is no text, or empty, is refused", () => {
  assert.throws(() => rangeOf(Buffer.from([0xff]), Buffer.alloc(0)), Refusal);
  assert.throws(() => rangeOf(Buffer.alloc(0), Buffer.alloc(0)), Refusal);
  assert.equal(textOf(bytesOf("\ufeffa")), "\ufeffa", "a mark of byte order is part of the text");
});
