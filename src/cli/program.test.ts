import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../lib/fault.ts";
import type { Call, Command, CommandGroup } from "./command.ts";
import { fakeSurroundings } from "./fake-surroundings.ts";
import { runProgram } from "./program.ts";

function recording(name: string, calls: Call[], extra: Partial<Command> = {}): Command {
  return {
    name,
    summary: `does ${name}`,
    usage: "UNIT...",
    description: `Does ${name}.`,
    examples: [{ line: `tool ${name} a`, meaning: `do ${name}` }],
    run: async (call) => {
      calls.push(call);
      return 0;
    },
    ...extra,
  };
}

function tool(calls: Call[]): CommandGroup {
  return {
    name: "tool",
    summary: "a tool",
    description: "A tool for tests.",
    version: "1.2.3",
    prefixes: true,
    flags: [
      { name: "endpoint", kind: "text", summary: "where", otherwise: "unix:///x", variable: "TOOL_ENDPOINT" },
      { name: "full", short: "l", kind: "switch", summary: "all" },
    ],
    commands: [
      recording("unload", calls),
      recording("unlock", calls, { arity: { least: 1, most: 1 }, usage: "KEY" }),
      recording("exec", calls, { passesFlagsOn: true }),
      recording("broken", calls, {
        run: async () => {
          throw new Fault("x", "Cannot do it: it is broken. Mend it.");
        },
      }),
      { name: "lab", summary: "a lab", description: "A lab.", commands: [recording("up", calls)] },
    ],
  };
}

async function run(words: readonly string[], variables: Record<string, string> = {}) {
  const calls: Call[] = [];
  const surroundings = fakeSurroundings({ variables });
  const code = await runProgram(tool(calls), words, surroundings);
  return { code, calls, out: surroundings.stdout.text(), err: surroundings.stderr.text() };
}

test("a command is found by its name, by a unique prefix and in a group", async () => {
  assert.equal((await run(["unload", "a"])).calls[0]?.path, "tool unload");
  assert.equal((await run(["unloa"])).calls[0]?.path, "tool unload");
  assert.equal((await run(["lab", "up"])).calls[0]?.path, "tool lab up");
});

test("an unknown or ambiguous command and an unknown flag are told on standard error with exit code 2", async () => {
  const ambiguous = await run(["unlo"]);
  assert.equal(ambiguous.code, 2);
  assert.match(
    ambiguous.err,
    /^Error: unknown command "unlo" for "tool"; did you mean "unload" or "unlock"\?\n/,
  );
  const flag = await run(["unload", "--nope"]);
  assert.equal(flag.code, 2);
  assert.equal(flag.err, 'Error: unknown flag: --nope\nRun "tool unload --help" for usage.\n');
  assert.equal(flag.out, "");
  assert.equal((await run(["unload", "-z"])).code, 2);
});

test("flags of the group count before and behind the command; the environment gives way to the command line", async () => {
  const before = await run(["--endpoint", "http://a", "unload"], { TOOL_ENDPOINT: "http://e" });
  assert.equal(before.calls[0]?.flags.text("endpoint"), "http://a");
  const behind = await run(["unload", "x", "--endpoint=http://b", "-l"]);
  assert.equal(behind.calls[0]?.flags.text("endpoint"), "http://b");
  assert.equal(behind.calls[0]?.flags.on("full"), true);
  assert.deepEqual(behind.calls[0]?.arguments, ["x"]);
  const environment = await run(["unload"], { TOOL_ENDPOINT: "http://e" });
  assert.equal(environment.calls[0]?.flags.text("endpoint"), "http://e");
  assert.equal((await run(["unload"], { TOOL_ENDPOINT: "" })).calls[0]?.flags.text("endpoint"), "unix:///x");
});

test("help comes from --help, -h, help and no argument at all, and names the version", async () => {
  for (const words of [["--help"], ["-h"], ["--h"], ["help"], []]) {
    const { code, out } = await run(words);
    assert.equal(code, 0);
    assert.match(out, /VERSION:\n {2}1\.2\.3\n/);
    assert.match(out, /COMMANDS:\n(.*\n)* {2}unload {3}does unload\n/);
  }
  const one = await run(["help", "unload"]);
  assert.match(one.out, /EXAMPLES:\n {2}# do unload\n {2}\$ tool unload a\n/);
  assert.equal((await run(["unload", "--help"])).out, one.out);
  assert.equal((await run(["--help", "unload", "a"])).out, one.out);
  assert.equal((await run(["--help", "nope"])).code, 2);
  assert.equal((await run(["lab"])).code, 0);
  for (const word of ["version", "help"]) {
    const { code, out } = await run(["help", word]);
    assert.equal(code, 0);
    assert.match(out, new RegExp(`^NAME:\n {2}tool ${word} - .*EXAMPLES:\n`, "s"));
  }
  assert.equal((await run(["version", "--help"])).out, (await run(["help", "version"])).out);
  assert.equal((await run(["help", "lab", "version"])).code, 2);
});

test("the version is one line", async () => {
  for (const words of [["version"], ["--version"], ["-v"]]) {
    assert.deepEqual((await run(words)).out, "tool version 1.2.3\n");
  }
  assert.deepEqual(JSON.parse((await run(["version", "--json"])).out), { name: "tool", version: "1.2.3" });
  assert.equal((await run(["version", "--nope"])).code, 2);
});

test("the number of arguments is checked before the command runs", async () => {
  assert.equal((await run(["unlock"])).code, 2);
  assert.equal((await run(["unlock", "a", "b"])).code, 2);
  assert.equal((await run(["unlock", "a"])).calls.length, 1);
});

test("a program may refuse a command line and tell its version in words of its own", async () => {
  const own: CommandGroup = {
    ...tool([]),
    versionText: "tool version: 1\n",
    refusal: { usageCode: 1, unknownCommand: (name) => ({ text: `No '${name}'\n`, code: 3 }) },
  };
  const words = async (...given: string[]) => {
    const surroundings = fakeSurroundings({});
    const code = await runProgram(own, given, surroundings);
    return [code, surroundings.stdout.text(), surroundings.stderr.text()];
  };
  assert.deepEqual(await words("nope"), [3, "", "No 'nope'\n"]);
  assert.deepEqual(await words("--version"), [0, "tool version: 1\n", ""]);
  assert.equal((await words("unload", "--nope"))[0], 1);
});

test("a command that passes flags on keeps what stands behind its first argument", async () => {
  assert.deepEqual((await run(["exec", "-l", "m1", "ls", "-l"])).calls[0]?.arguments, ["m1", "ls", "-l"]);
});

test("a Fault is one sentence and exit code 1; a bug is thrown", async () => {
  const failed = await run(["broken"]);
  assert.equal(failed.code, 1);
  assert.equal(failed.err, "Error: Cannot do it: it is broken. Mend it.\n");
});

test("whatever breaks after an interruption is told by the exit code alone", async () => {
  const exit = async (reason: Fault) => {
    const interrupt = new AbortController();
    const surroundings = fakeSurroundings({ signal: interrupt.signal });
    const broken = recording("follow", [], {
      run: async () => {
        interrupt.abort(reason);
        throw new Error("the stream was cut");
      },
    });
    const code = await runProgram({ ...tool([]), commands: [broken] }, ["follow"], surroundings);
    return [code, surroundings.stderr.text()];
  };
  assert.deepEqual(await exit(new Fault("interrupted", "SIGINT")), [130, ""]);
  assert.deepEqual(await exit(new Fault("output-gone", "EPIPE")), [141, ""]);
});
