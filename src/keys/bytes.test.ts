import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { storedText, textOfBytes, textOfStored } from "./bytes.ts";
import { goJson, wholeGoJson } from "./go-json.ts";

/** The bytes that a text was made of. */
function bytesOf(text: string): Buffer {
  const pieces = Array.from(text, (character) =>
    /^[\udc80-\udcff]$/.test(character)
      ? Buffer.from([character.charCodeAt(0) - 0xdc00])
      : Buffer.from(character, "utf8"),
  );
  return Buffer.concat(pieces);
}

/** Bytes that are nearly UTF-8: characters, halves of them, and anything else. */
const nearlyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 3 }).map((text) => Buffer.from(text, "utf8")),
      fc.constantFrom("e4b8", "f09f98", "eda080", "c080", "f8", "ff", "80", "efbbbf", "efbfbf").map(hex),
      fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
    ),
  )
  .map((pieces) => Buffer.concat(pieces));

function hex(digits: string): Buffer {
  return Buffer.from(digits, "hex");
}

test("bytes come back from their text, from JSON and from the keys of a store", () => {
  fc.assert(
    fc.property(nearlyText, (bytes) => {
      const text = textOfBytes(bytes);
      assert.deepEqual(bytesOf(text), bytes);
      assert.deepEqual(JSON.parse(wholeGoJson({ text })), { text });
      const stored = storedText(text);
      assert.ok(stored.isWellFormed(), stored);
      assert.equal(textOfStored(stored), text);
    }),
  );
});

test("UTF-8 is what it always was, and each byte that is none is shown by itself, as Go does", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.equal(textOfBytes(Buffer.from(text, "utf8")), text);
      assert.deepEqual(JSON.parse(goJson({ text })), { text });
    }),
  );
  // Two bytes of three: Go shows two characters, where a browser shows one.
  assert.equal(goJson({ a: textOfBytes(hex("e4b861ff")) }), '{"a":"\\ufffd\\ufffda\\ufffd"}');
  assert.equal(goJson({ a: "\\udcff" }), '{"a":"\\\\udcff"}');
});
