import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { descriptionOf } from "./description.ts";
import { hashUnitText } from "./hash.ts";
import { parseUnitFile } from "./parse.ts";
import { printUnitFile } from "./print.ts";

const reads: readonly (readonly [what: string, text: string, printed: string])[] = [
  ["nothing", "", ""],
  ["text before the first section is passed over", "free = text\n[A]\nx=1\n", "[A]\nx=1\n"],
  ["a bracket inside that text opens a section", "free [A]\nx=1\n", "[A]\nx=1\n"],
  ["a comment before the first section hides a bracket", "# [A]\n[B]\nx=1\n", "[B]\nx=1\n"],
  ["comments and blank lines go", "[A]\n# c\n\n  ; d\nx=1\n", "[A]\nx=1\n"],
  ["a comment that ends in a backslash takes the next line", "[A]\n# c \\\nx=1\ny=2\n", "[A]\ny=2\n"],
  ["also with a space behind the backslash", "[A]\n# c \\ \nx=1\ny=2\n", "[A]\ny=2\n"],
  ["a section's name may hold spaces", "[A b]\nx=1\n", "[A b]\nx=1\n"],
  ["blanks round names and values go", "[A]\n \t x \t=\t 1 \n", "[A]\nx=1\n"],
  [
    "later equal signs, quotes and comment signs are text",
    '[A]\nx=a=b "c" # d ; e\n',
    '[A]\nx=a=b "c" # d ; e\n',
  ],
  ["an empty name is taken", "[A]\n=1\n", "[A]\n=1\n"],
  ["an empty value is kept", "[A]\nx=1\nx=\n", "[A]\nx=1\nx=\n"],
  ["a section without options goes", "[A]\n[B]\nx=1\n", "[B]\nx=1\n"],
  ["a reopened section moves up", "[A]\nx=1\n[B]\ny=2\n[A]\nz=3\n", "[A]\nx=1\nz=3\n\n[B]\ny=2\n"],
  ["a continuation keeps its backslash and line end", "[A]\nx=a \\\n  b\n", "[A]\nx=a \\\n  b\n"],
  ["a backslash and a blank is no continuation", "[A]\nx=a \\ \ny=2\n", "[A]\nx=a \\\ny=2\n"],
  ["a blank line ends a continuation", "[A]\nx=a \\\n\ny=2\n", "[A]\nx=a \\\n\ny=2\n"],
  ["the end of the file ends a continuation", "[A]\nx=a \\", "[A]\nx=a \\\n"],
  ["a comment inside a continuation is text", "[A]\nx=a \\\n# b\ny=2\n", "[A]\nx=a \\\n# b\ny=2\n"],
  ["CRLF means LF", "[A]\r\nx=a \\\r\n  b\r\n", "[A]\nx=a \\\n  b\n"],
  ["a last line without line end counts", "[A]\nx=1", "[A]\nx=1\n"],
];

for (const [what, text, printed] of reads) {
  test(what, () => {
    const { file, problems } = parseUnitFile(text);
    assert.deepEqual(problems, []);
    assert.equal(printUnitFile(file), printed);
  });
}

const refusals: readonly (readonly [text: string, line: number, sentence: string])[] = [
  ["[A]\nx=1\n[B\ny=2\n", 3, "unable to find end of section"],
  ["[Service] xy\nx=1\n", 1, 'found garbage after section name Service: "xy"'],
  ["[A]\nx=1\nfoo\ny=2\n", 3, "unexpected newline encountered while parsing option name"],
  ["[A]\nfoo", 2, "EOF"],
  [`[A]\nx=1\ny=${"a".repeat(2046)}\n`, 3, "line too long (max 2048 bytes)"],
  [`[A]\nx=${"é".repeat(1023)}\n`, 2, "line too long (max 2048 bytes)"],
  [`[A]\n${"x=1\n".repeat(2000)}y=${"a".repeat(2046)}\n`, 2002, "line too long (max 2048 bytes)"],
];

for (const [text, line, sentence] of refusals) {
  test(`line ${line}: ${sentence}`, () => {
    assert.deepEqual(parseUnitFile(text).problems, [{ line, sentence }]);
  });
}

test("what follows a problem is still read, and problems come in the order of their lines", () => {
  const { file, problems } = parseUnitFile(`[A] x\nfoo\nx=1\nbar\ny=${"a".repeat(3000)}\nz=2\n`);
  assert.deepEqual(
    problems.map(({ line }) => line),
    [1, 2, 4, 5],
  );
  assert.deepEqual(
    file.map(({ name }) => name),
    ["x", "y", "z"],
  );
});

test("a CR alone ends a line for its length only", () => {
  const value = `${"a".repeat(2000)}\r${"b".repeat(2000)}`;
  const { file, problems } = parseUnitFile(`[A]\nx=${value}\n`);
  assert.deepEqual({ file, problems }, { file: [{ section: "A", name: "x", value }], problems: [] });
});

test("a line of 2047 bytes passes, and a value of any length does over several lines", () => {
  assert.deepEqual(parseUnitFile(`[A]\nx=${"a".repeat(2045)}\n`).problems, []);
  const long = `[A]\nx=${`${"a".repeat(2000)}\\\n`.repeat(20)}a\n`;
  assert.deepEqual(parseUnitFile(long).problems, []);
  assert.equal(printUnitFile(parseUnitFile(long).file), long);
});

const hashes: readonly (readonly [text: string, hash: string])[] = [
  ["", "da39a3ee5e6b4b0d3255bfef95601890afd80709"],
  ["[Service]\nExecStart=/bin/sleep 101\n", "3adfef73186060afe14c40321f37c0e224085695"],
  [
    '[Service]\nExecStart=/bin/bash -c "while true; do echo Hello, World!; sleep 1; done"\n',
    "3750b3e9f3962a56c7582929426e9abb012754cf",
  ],
  [
    "[Unit]\nDescription=x\n\n[Service]\nExecStart=/bin/a\nExecStart=\n",
    "db2a4ddb4a8878ecd308d71ce6602cd9c462331d",
  ],
  [
    "[Unit]\nDescription=a b\nSpaced=x y \\\n   z\nAfter=b\n\n[Service]\nExecStart=/bin/a\n",
    "1b0df6a8363cf4eeb27bcb8a8504239f65c4aa5d",
  ],
];

for (const [text, hash] of hashes) {
  test(`hash ${hash.slice(0, 7)}`, () => {
    assert.equal(hashUnitText(printUnitFile(parseUnitFile(text).file)), hash);
  });
}

test("the description is the first one of [Unit]", () => {
  const text = "[Service]\nDescription=no\n[Unit]\nDescription=yes\nDescription=later\n";
  assert.equal(descriptionOf(parseUnitFile(text).file), "yes");
  assert.equal(descriptionOf([]), "");
});

test("any text is read without an error, and what was printed reads and prints the same", () => {
  const piece = fc.constantFrom(
    "[A]",
    "[B]",
    "x=1",
    "y = 2 \\",
    "\n",
    "\r\n",
    "#",
    "\\",
    " ",
    "=",
    "[",
    "]",
    "é",
    "\n\n",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const { file, problems } = parseUnitFile(pieces.join(""));
      // A value that ends in a backslash without going on takes the next line with it once it is printed.
      fc.pre(problems.length === 0 && !file.some(({ value }) => value.endsWith("\\")));
      const printed = printUnitFile(file);
      assert.equal(printUnitFile(parseUnitFile(printed).file), printed);
    }),
    { numRuns: 2000 },
  );
});
