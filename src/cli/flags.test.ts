import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Flag } from "./command.ts";
import { flagValues, millisecondsOf, parseWords } from "./flags.ts";

const flags: readonly Flag[] = [
  { name: "follow", short: "f", kind: "switch", summary: "" },
  { name: "full", short: "l", kind: "switch", summary: "" },
  { name: "lines", short: "n", kind: "number", summary: "", otherwise: "10" },
  { name: "attempts", kind: "number", signed: true, summary: "" },
  { name: "timeout", kind: "seconds", summary: "", otherwise: "3.0", variable: "TIMEOUT" },
  { name: "fields", kind: "text", summary: "", repeated: true },
];

function read(...words: string[]) {
  const parsed = parseWords(words, flags, false);
  assert.ok(!("problem" in parsed), "problem" in parsed ? parsed.problem : "");
  const values = flagValues(flags, parsed.given, {});
  assert.ok(!("problem" in values));
  return { words: parsed.words, values };
}

test("all spellings of a flag mean the same", () => {
  for (const words of [
    ["--lines=5"],
    ["--lines", "5"],
    ["-lines", "5"],
    ["-n", "5"],
    ["-n5"],
    ["-n=5"],
    ["--n", "5"],
  ]) {
    assert.equal(read(...words).values.number("lines"), 5, words.join(" "));
  }
  const both = read("-lf").values;
  assert.deepEqual([both.on("full"), both.on("follow")], [true, true]);
  assert.equal(read("--full=false").values.on("full"), false);
  assert.equal(read("--full", "false").values.on("full"), true);
});

test("a double dash ends the flags, a single one is a word", () => {
  assert.deepEqual(read("a", "-", "--", "--full").words, ["a", "-", "--full"]);
});

test("what begins with a dash and is no flag may be an argument behind the first one", () => {
  const words = (...given: string[]) => parseWords(given, flags, false, true);
  assert.deepEqual(words("key", "-5", "-n", "2"), {
    words: ["key", "-5"],
    given: new Map([["lines", ["2"]]]),
  });
  assert.deepEqual(words("-5"), { problem: "unknown shorthand flag: '5' in -5" });
});

test("bad values and a missing value are named", () => {
  const problem = (...words: string[]) => {
    const parsed = parseWords(words, flags, false);
    return "problem" in parsed ? parsed.problem : undefined;
  };
  assert.equal(problem("--lines=x"), 'invalid argument "x" for --lines: it is not a whole number');
  assert.equal(problem("--lines=-1"), 'invalid argument "-1" for --lines: it is not a whole number');
  assert.equal(problem("--attempts=--1"), 'invalid argument "--1" for --attempts: it is not a whole number');
  assert.equal(read("--attempts", "-1").values.number("attempts"), -1);
  assert.equal(problem("--full=maybe"), 'invalid argument "maybe" for --full: it is either true or false');
  assert.equal(problem("--fields"), "flag needs an argument: --fields");
  assert.equal(problem("-q"), "unknown shorthand flag: 'q' in -q");
  const parsed = parseWords([], flags, false);
  assert.ok(!("problem" in parsed));
  assert.deepEqual(flagValues(flags, parsed.given, { TIMEOUT: "soon" }), {
    problem:
      'invalid argument "soon" for the environment variable TIMEOUT: it is not a duration such as 10, 2.5 or 1m30s',
  });
});

test("durations are seconds or Go durations", () => {
  assert.equal(millisecondsOf("3.0"), 3000);
  assert.equal(millisecondsOf("1m30s"), 90_000);
  assert.equal(millisecondsOf("250ms"), 250);
  assert.equal(millisecondsOf("1 s"), undefined);
  assert.equal(millisecondsOf(""), undefined);
});

test("what is written with = is read back, whatever the values and the order of words", () => {
  const piece = fc.oneof(
    fc.string().map((value) => ({ flag: "fields", value })),
    fc.nat().map((value) => ({ flag: "lines", value: String(value) })),
    fc.boolean().map((value) => ({ flag: "full", value: String(value) })),
    fc
      .string({ minLength: 1 })
      .filter((word) => !word.startsWith("-"))
      .map((value) => ({ flag: undefined, value })),
  );
  fc.assert(
    fc.property(fc.array(piece), fc.array(fc.string()), (pieces, rest) => {
      const written = pieces.map(({ flag, value }) => (flag === undefined ? value : `--${flag}=${value}`));
      const { words, values } = read(...written, "--", ...rest);
      const of = (flag: string | undefined) =>
        pieces.filter((one) => one.flag === flag).map((one) => one.value);
      assert.deepEqual(words, [...of(undefined), ...rest]);
      assert.deepEqual(values.all("fields"), of("fields"));
      assert.equal(values.number("lines"), Number(of("lines").at(-1) ?? "10"));
      assert.equal(values.on("full"), of("full").at(-1) === "true");
    }),
  );
});

test("no command line makes the parser throw", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.constantFrom("--full", "-n", "--", "-ff", "--lines="))),
      (words) => {
        const parsed = parseWords(words, flags, false);
        if ("problem" in parsed) assert.ok(!parsed.problem.includes("undefined"));
      },
    ),
  );
});
