import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

/** More than a pipe holds. */
const many = 300_000;

/** Runs a program of the cli in a process of its own, whose command does what `code` says with its `call`. */
function start(code: string, flags: readonly string[] = []) {
  const script = `
    import { main } from ${JSON.stringify(new URL("main.ts", import.meta.url).href)};
    const run = async (call) => { ${code}; return 0; };
    const act = { name: "act", summary: "s", usage: "", description: "d", examples: [{ line: "l", meaning: "m" }], run };
    await main({ name: "tool", summary: "s", description: "d", commands: [act] });
    process.exit();`;
  const words = [...flags, "--input-type=module", "--eval", script, "--", "tool", "act"];
  return spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
}

async function textOf(child: ReturnType<typeof start>): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of child.stdout as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

test("everything that was written arrives, in order, before the process ends", async () => {
  const code = `call.stdout.write("a".repeat(${many})); call.stdout.write("ä\\n"); call.stdout.write("b".repeat(${many}))`;
  const expected = `${"a".repeat(many)}ä\n${"b".repeat(many)}`;
  assert.ok((await textOf(start(code))) === expected);
});

test("a reader that goes away ends the command quietly, with what a shell reports for that", async () => {
  const child = start(
    `call.stdout.write("begun"); while (!call.signal.aborted) { call.stdout.write("x"); await new Promise(setImmediate); } call.signal.throwIfAborted()`,
  );
  await once(child.stdout, "data");
  child.stdout.destroy();
  assert.deepEqual(await once(child, "exit"), [141, null]);
});

test("draws differ between processes although V8 begins at the same place", async () => {
  const code = `call.stdout.write([call.env.random(), call.env.random()].join(" "))`;
  const [one, two] = await Promise.all([
    textOf(start(code, ["--random-seed=374862"])),
    textOf(start(code, ["--random-seed=374862"])),
  ]);
  assert.notEqual(one, two);
  const draws = `${one} ${two}`.split(" ").map(Number);
  assert.equal(new Set(draws).size, 4);
  for (const draw of draws) assert.ok(draw >= 0 && draw < 1, String(draw));
});
