import assert from "node:assert/strict";
import { test } from "node:test";
import { goQuoted, goQuotedCharacter } from "./go-quote.ts";

test("texts and characters are quoted as Go does", () => {
  const texts = [
    ["", '""'],
    ["a b", '"a b"'],
    [`"'\\`, `"\\"'\\\\"`],
    ["\x07\b\f\n\r\t\v", '"\\a\\b\\f\\n\\r\\t\\v"'],
    ["\0\x1f\x7f", '"\\x00\\x1f\\x7f"'],
    ["\u0080\u00a0\u200b\ufeff", '"\\u0080\\u00a0\\u200b\\ufeff"'],
    ["é日😀", '"é日😀"'],
    ["\u{e0001}", '"\\U000e0001"'],
  ] as const;
  for (const [text, quoted] of texts) assert.equal(goQuoted(text), quoted);
  assert.equal(goQuotedCharacter("'"), "'\\''");
  assert.equal(goQuotedCharacter('"'), "'\"'");
});
