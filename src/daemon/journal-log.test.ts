import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createLog, formatLine, logLevels } from "./journal-log.ts";

test("the journal's style puts syslog's priority in front, the words' style the level", () => {
  assert.equal(formatLine("journal", "error", "cannot write"), "<3>cannot write");
  assert.equal(formatLine("journal", "warning", "slow"), "<4>slow");
  assert.equal(formatLine("journal", "info", "ready"), "<6>ready");
  assert.equal(formatLine("journal", "debug", "tick"), "<7>tick");
  assert.equal(formatLine("words", "warning", "slow"), "WARNING slow");
});

test("fields follow as name=value, quoted only when a reader could be misled, and absent ones are left out", () => {
  assert.equal(
    formatLine("journal", "info", "started", {
      unit: "web.service",
      ms: 12,
      ok: true,
      reason: "exit code 1",
      empty: "",
      quote: 'a"b\\c',
      none: undefined,
    }),
    '<6>started unit=web.service ms=12 ok=true reason="exit code 1" empty="" quote="a\\"b\\\\c"',
  );
});

test("whatever is logged stays one line without control characters", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...logLevels),
      fc.string({ unit: "binary" }),
      fc.string({ unit: "binary" }),
      (level, sentence, value) => {
        assert.doesNotMatch(formatLine("journal", level, sentence, { value }), /\p{Cc}/u);
      },
    ),
  );
});

test("a huge value is cut", () => {
  const line = formatLine("journal", "info", "body", { text: "x".repeat(100_000) });
  assert.ok(line.length < 5000, `${line.length} characters`);
});

test("lines below the level are left out, and the level can change", () => {
  const lines: string[] = [];
  const log = createLog("words", "warning", (line) => lines.push(line));
  log.info("one");
  log.error("two");
  log.setLevel("debug");
  log.debug("three");
  assert.deepEqual(lines, ["ERROR two\n", "DEBUG three\n"]);
});
