import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { test } from "node:test";

/** More than a pipe holds. */
const many = 300_000;

/** Runs a program of the cli in a process of its own, whose command does what `code` says with its `call`. */
function start(
  code: string,
  flags: readonly string[] = [],
  stdout: number | "pipe" | "ignore" = "pipe",
  before = "",
) {
  const script = `
    import { main } from ${JSON.stringify(new URL("main.ts", import.meta.url).href)};
    const run = async (call) => { ${code}; return 0; };
    const act = { name: "act", summary: "s", usage: "", description: "d", examples: [{ line: "l", meaning: "m" }], run };
    await main({ name: "tool", summary: "s", description: "d", commands: [act] });
    process.exit();`;
  const words = [...flags, "--input-type=module", "--eval", script, "--", "tool", "act"];
  const shell = ["-c", `${before}exec "$0" "$@"`, process.execPath, ...words];
  const child = spawn("sh", shell, { stdio: ["ignore", stdout, "pipe"] });
  if (stdout === "pipe") child.stderr?.pipe(process.stderr);
  return child as ChildProcessByStdio<null, Readable, Readable>;
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

test("output that a full disk does not take is an error, whatever the command says", async () => {
  const full = await open("/dev/full", "w");
  try {
    const child = start(`call.stdout.write("text")`, [], full.fd);
    const pieces: Buffer[] = [];
    child.stderr.on("data", (piece: Buffer) => pieces.push(piece));
    assert.deepEqual(await once(child, "close"), [1, null]);
    assert.match(
      Buffer.concat(pieces).toString(),
      /^Error: cannot write the output: .*no space left on device/,
    );
  } finally {
    await full.close();
  }
});

test("output that was closed beforehand does not keep a command from being carried out", async () => {
  const child = start(
    `call.stdout.write("a"); await new Promise(setImmediate); if (call.signal.aborted) throw new Error("aborted"); call.stderr.write("done")`,
    [],
    "ignore",
    "exec >&-; ",
  );
  const pieces: Buffer[] = [];
  child.stderr.on("data", (piece: Buffer) => pieces.push(piece));
  assert.deepEqual(await once(child, "close"), [0, null]);
  assert.equal(Buffer.concat(pieces).toString(), "done");
});

test("a month is not over at once", async () => {
  const code = `const month = call.env.clock.sleep(31 * 86_400_000, call.signal).then(() => "month", () => "none");
    const moment = call.env.clock.sleep(100).then(() => "moment"); call.stdout.write(await Promise.race([month, moment]))`;
  assert.equal(await textOf(start(code)), "moment");
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
