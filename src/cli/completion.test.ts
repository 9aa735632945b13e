import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command, CommandGroup } from "./command.ts";
import { choicesFor, withCompletion } from "./completion.ts";
import { fakeSurroundings } from "./fake-surroundings.ts";
import { runProgram } from "./program.ts";
import { Fault } from "../lib/fault.ts";

const plain: Pick<Command, "usage" | "description" | "examples" | "run"> = {
  usage: "",
  description: "",
  examples: [{ line: "", meaning: "" }],
  run: async () => 0,
};

const program: CommandGroup = withCompletion({
  name: "prog",
  summary: "A program",
  description: "",
  version: "1",
  prefixes: true,
  flags: [{ name: "endpoint", kind: "text", summary: "where", variable: "PROG_ENDPOINT" }],
  commands: [
    {
      ...plain,
      name: "stop",
      summary: "Stop units",
      flags: [
        { name: "no-block", kind: "switch", summary: "do not wait" },
        { name: "secret", kind: "switch", summary: "", hidden: true },
        { name: "order", kind: "text", short: "o", summary: "", choices: { words: ["name", "age"] } },
      ],
      choices: {
        ask: async ({ flags, arguments: typed }) => [
          { word: "a.service", meaning: flags.text("endpoint") ?? "nowhere" },
          { word: "b.service", meaning: `after ${typed.length}` },
        ],
      },
    },
    {
      ...plain,
      name: "start",
      summary: "Start units",
      arity: { least: 1, most: 1 },
      choices: {
        files: true,
        ask: async () => {
          throw new Fault("endpoint-unreachable", "no");
        },
      },
    },
    {
      ...plain,
      name: "list",
      summary: "List",
      flags: [
        { name: "fields", kind: "text", summary: "", choices: { words: ["unit", "hash"], commas: true } },
      ],
    },
    { ...plain, name: "slow", summary: "Slow", choices: { ask: () => new Promise(() => {}) } },
    { ...plain, name: "ssh", summary: "Run", passesFlagsOn: true, choices: { words: ["one"] } },
    { ...plain, name: "old", summary: "Old", hidden: true },
    { name: "lab", summary: "Labs", description: "", commands: [{ ...plain, name: "up", summary: "Up" }] },
  ],
});

/** What fits at the end of a line, words split at single blanks. */
async function fitting(line: string, variables: Readonly<Record<string, string>> = {}): Promise<string> {
  const words = line.split(" ").slice(1);
  const { files, choices } = await choicesFor(program, words, fakeSurroundings({ variables }));
  const shown = choices.map(({ word, meaning }) =>
    meaning?.startsWith("after") ? `${word}(${meaning})` : word,
  );
  return [...shown, ...(files ? ["FILES"] : [])].join(" ");
}

const rows: readonly (readonly [line: string, fits: string])[] = [
  ["prog ", "stop start list slow ssh lab completion help version"],
  ["prog st", "stop start"],
  ["prog --", "--endpoint --help --version"],
  ["prog --endpoint ", ""],
  ["prog --endpoint x st", "stop start"],
  ["prog --nope x st", ""],
  ["prog nope ", ""],
  ["prog help st", "stop start"],
  ["prog help lab ", "up help"],
  ["prog lab ", "up help"],
  ["prog stop ", "a.service b.service(after 0)"],
  ["prog stop a.service ", "b.service(after 1)"],
  ["prog sto b", "b.service(after 0)"],
  ["prog stop --", "--endpoint --no-block --order --help"],
  ["prog stop --no-block --", "--endpoint --order --help"],
  ["prog stop -- --", ""],
  ["prog stop --order ", "name age"],
  ["prog stop -o ", "name age"],
  ["prog stop --order=n", "--order=name"],
  ["prog stop --order name b", "b.service(after 0)"],
  ["prog start x", "FILES"],
  ["prog start x ", ""],
  ["prog list --fields unit,", "unit,unit unit,hash"],
  ["prog list --fields=unit,h", "--fields=unit,hash"],
  ["prog slow ", ""],
  ["prog ssh -", "--endpoint --help"],
  ["prog ssh one -", ""],
  ["prog completion ", "bash zsh fish"],
];

test("what a shell offers at the end of each line", async () => {
  for (const [line, fits] of rows) {
    const sorted = (text: string): string => text.split(" ").sort().join(" ");
    assert.equal(sorted(await fitting(line)), sorted(fits), line);
  }
});

test("what has to be asked for is asked with the flags and the environment of the line", async () => {
  const words = ["--endpoint", "here", "stop", "a"];
  const { choices } = await choicesFor(program, words, fakeSurroundings({}));
  assert.deepEqual(choices, [{ word: "a.service", meaning: "here" }]);
  const there = fakeSurroundings({ variables: { PROG_ENDPOINT: "there" } });
  assert.deepEqual((await choicesFor(program, ["stop", "a"], there)).choices[0]?.meaning, "there");
});

test("the hidden command answers with a line for each word", async () => {
  const surroundings = fakeSurroundings({});
  assert.equal(await runProgram(program, ["__complete", "--", "stop", "--no"], surroundings), 0);
  assert.equal(surroundings.stdout.text(), "only\n--no-block\tdo not wait\n");
});

test("a shell that there is no completion for is refused", async () => {
  const surroundings = fakeSurroundings({});
  assert.equal(await runProgram(program, ["completion", "csh"], surroundings), 1);
  assert.equal(
    surroundings.stderr.text(),
    "Error: there is no completion for csh, only for bash, zsh, fish\n",
  );
});

test("a prefix that people know keeps its meaning", async () => {
  const surroundings = fakeSurroundings({});
  assert.equal(await runProgram(program, ["c"], surroundings), 2);
});
