import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { isWindowLength } from "./schema.ts";
import { entryLine, validateUserData } from "./validate.ts";

function report(text: string): readonly string[] {
  return validateUserData(Buffer.from(text)).map(entryLine);
}

test("what is neither cloud-config nor script is refused in one line", () => {
  const refusal = ['line 1: error: must be "#cloud-config" or begin with "#!"'];
  assert.deepEqual(report("hello\n"), refusal);
  assert.deepEqual(report("#include\nhttp://example.com\n"), refusal);
  assert.deepEqual(report("#!/bin/sh\n"), []);
  assert.deepEqual(report(""), []);
});

test("compressed user-data is judged unpacked", () => {
  const packed = gzipSync(Buffer.from("#cloud-config\nhostnam: a\n"));
  assert.deepEqual(validateUserData(packed).map(entryLine), ['line 2: warning: unrecognized key "hostnam"']);
});

test("a null where a rule waits is an incorrect type, where the original crashed", () => {
  assert.deepEqual(report("#cloud-config\ncoreos:\n  update:\n    reboot-strategy:\n"), [
    'line 4: warning: incorrect type for "reboot_strategy" (want string)',
  ]);
});

test("aliases that stand for too much are refused", () => {
  const rows = ["a: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let level = 1; level < 12; level++) {
    rows.push(
      `b${level}: &a${level} [${Array(10)
        .fill(`*a${level - 1}`)
        .join(", ")}]`,
    );
  }
  assert.match(report(`#cloud-config\n${rows.join("\n")}\n`).join("\n"), /once its aliases are followed/);
});

test("lists and maps that lie too deep are refused", () => {
  assert.match(report(`#cloud-config\n${"[".repeat(20_000)}`).join("\n"), /levels deep/);
  assert.match(report(`#cloud-config\n${"- ".repeat(20_000)}`).join("\n"), /levels deep/);
});

test("the length of a window is read in one pass", () => {
  assert.ok(["1h", "-1h", "1h30m", "3fortnights", "1.5h", ".h"].every(isWindowLength));
  assert.ok(!["60", "", "1h30", "1 h", "h1.2.3m", `${"a".repeat(100_000)}!`].some(isWindowLength));
});

test("no text makes the validator fail", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
      for (const entry of validateUserData(Buffer.from(`#cloud-config\n${text}`))) assert.ok(entry.line >= 0);
    }),
  );
});
