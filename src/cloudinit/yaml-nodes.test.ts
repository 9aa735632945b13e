import assert from "node:assert/strict";
import { test } from "node:test";
import { readYaml, type Tree } from "./tree.ts";

/** What libyaml says about a text below the header, with the line the original names. */
const refused: readonly (readonly [string, number, string])[] = [
  ["hostname: @a\n", 1, "found character that cannot start any token"],
  ["a: |x\n  b\n", 1, "did not find expected comment or line break"],
  ["a: |0\n  b\n", 1, "found an indentation indicator equal to 0"],
  ["a: |\n\tb\n", 2, "found a tab character where an indentation space is expected"],
  ["a:\n  b: c\n\td: e\n", 3, "found a tab character that violate indentation"],
  ["  a: b\nc: d\n", 2, "did not find expected <document start>"],
  ["a:\n  - b\n - c\n", 3, "did not find expected key"],
  ["hello\nworld: a\n", 2, "mapping values are not allowed in this context"],
  ["a: b\nhello", 3, "could not find expected ':'"],
  ["a: b\nhello\nc: d\n", 3, "could not find expected ':'"],
  ["write_files:\n  - path: /a\n    content: foo\n  bar\n", 5, "could not find expected ':'"],
  ["users:\n  - name: a\n\n  name: b\n", 4, "did not find expected '-' indicator"],
  ["users:\n  name: a\n  - b\n", 3, "did not find expected key"],
  ["users:\n  - name: a\n  - name b\n    shell: c\n", 4, "mapping values are not allowed in this context"],
  ['a: "b\nc: "d"\n', 2, "did not find expected key"],
  ["a: 'x\n---\n", 2, "found unexpected document indicator"],
  ['a: "b\n', 2, "found unexpected end of stream"],
  ['a: "b\n\n\\q"\n', 3, "found unknown escape character"],
  ['a: "\\x4"\n', 1, "did not find expected hexdecimal number"],
  ['a: "\\ud800"\n', 1, "found invalid Unicode character escape code"],
  ["a: ]\n", 1, "did not find expected node content"],
  ["a: [b,, c]\n", 1, "did not find expected node content"],
  ["a: [b}\n", 1, "did not find expected ',' or ']'"],
  ["a: {b: c]\n", 1, "did not find expected ',' or '}'"],
  ["a: [b,\n c\n d: e\n", 3, "did not find expected ',' or ']'"],
  ["a: [http://b]\n", 1, "found unexpected ':'"],
  ["a: - b\n", 1, "block sequence entries are not allowed in this context"],
  ["a: ? b\n", 1, "mapping keys are not allowed in this context"],
  [": b\n", 1, "did not find expected key"],
  ["a: &x *x\n", 1, "did not find expected key"],
  ["a: &\n", 1, "did not find expected alphabetic or numeric character"],
  ["a: !x!y b\n", 1, "found undefined tag handle"],
  ["a: !<b\n", 1, "did not find the expected '>'"],
  ["%YAML 2.0\n---\na: b\n", 1, "found incompatible YAML document"],
  ["%YAML 1.1\n%YAML 1.1\n---\n", 2, "found duplicate %YAML directive"],
  ["%FOO\n---\n", 1, "found uknown directive name"],
  ["--- a: b\n", 1, "mapping values are not allowed in this context"],
  ["...\na: b\n", 1, "did not find expected node content"],
  [`${"k".repeat(1030)}: a\n`, 1, "mapping values are not allowed in this context"],
];

for (const [text, line, words] of refused) {
  test(`refuses ${JSON.stringify(text.slice(0, 60))} as libyaml does`, () => {
    const read = readYaml(`#cloud-config\n${text}`);
    assert.ok("problem" in read);
    assert.deepEqual([read.problem.oldLine, read.problem.text], [line, words]);
  });
}

const understood: readonly (readonly [string, unknown])[] = [
  ["a: 'x\ny'\nb: \"c\n\n  d\\\n  e\"\n", { a: "x y", b: "c\nde" }],
  [
    "a: |\n  x\n\n   y\n\nb: |+2\n   z\n\nc: >-\n  p\n  q\n\n   r\n  s\n",
    { a: "x\n\n y\n", b: " z\n\n", c: "p q\n\n r\ns" },
  ],
  ["a: one\n  two\n\n  three # no\nb: c#d\n", { a: "one two\nthree", b: "c#d" }],
  [
    "a:\n- b\n-\n  - c\n- d: e\n  f:\nx: [g, {h: i}, j: k, ]\n",
    { a: ["b", ["c"], { d: "e", f: "" }], x: ["g", { h: "i" }, { j: "k" }] },
  ],
  ["? a\n: b\n? c\n", { a: "b", c: "" }],
  ["a: {b: c, d, }\n", { a: { b: "c", d: "" } }],
  ["a:\r\n  b: c\r\n", { a: { b: "c" } }],
  ["a: *later\nb: &later c\n", { a: "c", b: "c" }],
  ["a: &x 1\nb: *x\nc: &x 2\n", { a: "1", b: "2", c: "2" }],
  ["\ufeffa: b\n", { a: "b" }],
  ["--- !!map\na: !!str\n...\n", { a: "" }],
  ["a: b\n---\nc: [d\n", { a: "b" }],
];

for (const [text, meaning] of understood) {
  test(`understands ${JSON.stringify(text.slice(0, 60))}`, () => {
    const read = readYaml(`#cloud-config\n${text}`);
    assert.ok(!("problem" in read), "problem" in read ? read.problem.text : "");
    assert.deepEqual(read.root === undefined ? undefined : letters(read.root), meaning);
  });
}

function letters(tree: Tree): unknown {
  if (tree.kind === "scalar") return tree.text;
  if (tree.kind === "list") return tree.items.map(letters);
  return Object.fromEntries(tree.entries.map(({ key, value }) => [key.text, letters(value)]));
}

test("names the place as people count and no line of the original where only the meaning is wrong", () => {
  const read = readYaml("#cloud-config\na: b\nc: !!int x\n");
  assert.ok("problem" in read);
  assert.deepEqual(read.problem, { line: 3, column: 4, text: "cannot decode !!str `x` as a !!int" });
});
