import assert from "node:assert/strict";
import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { test } from "node:test";
import { promisify } from "node:util";

/** More than a pipe holds. */
const many = 300_000;

/** Runs a program of the cli in a process of its own, whose command does what `code` says with its `call`. */
function start(
  code: string,
  flags: readonly string[] = [],
  stdout: number | "pipe" | "ignore" = "pipe",
  before = "",
  stdin: "ignore" | "pipe" = "ignore",
) {
  const script = `
    import { main } from ${JSON.stringify(new URL("main.ts", import.meta.url).href)};
    const run = async (call) => { ${code}; return 0; };
    const act = { name: "act", summary: "s", usage: "", description: "d", examples: [{ line: "l", meaning: "m" }], run };
    await main({ name: "tool", summary: "s", description: "d", commands: [act] });
    process.exit();`;
  const words = [...flags, "--input-type=module", "--eval", script, "--", "tool", "act"];
  const shell = [
    "-c",
    `${before}${before.endsWith("| ") ? "" : "exec "}"$0" "$@"`,
    process.execPath,
    ...words,
  ];
  const child = spawn("sh", shell, { stdio: [stdin, stdout, "pipe"] });
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

test("a file is read, a pipe as well, and what is neither is one sentence", async () => {
  const folder = await mkdtemp(join(tmpdir(), "argosy-files-"));
  const read = async (path: string, before = ""): Promise<string> => {
    const code = `call.stdout.write(String(await call.files.read(${JSON.stringify(path)}).catch((error) => error.message)))`;
    return await textOf(start(code, [], "pipe", before));
  };
  try {
    await writeFile(`${folder}/file`, "text");
    assert.equal(await read(`${folder}/file`), "text");
    assert.equal(await read(`${folder}/none`), "undefined");
    assert.equal(await read(`${folder}/file/below`), "undefined");
    assert.equal(await read("a".repeat(300)), "undefined", "no name can be so long");
    assert.equal(await read(folder), `Cannot read ${folder}: it is a directory.`);
    assert.equal(await read("/dev/zero"), "Cannot read /dev/zero: it is neither a file nor a pipe.");
    assert.equal(await read("/dev/stdin", `printf piped | `), "piped");
    assert.equal(await read("/dev/stdin", `{ printf slow; sleep 0.3; printf ly; } | `), "slowly");
    await promisify(execFile)("mkfifo", [`${folder}/pipe`]);
    assert.equal(await read(`${folder}/pipe`), "", "nobody writes to it, and nobody waits for that");
    const endless = await read("/dev/stdin", "cat /dev/zero | ");
    assert.equal(endless, "Cannot read /dev/stdin: it is longer than 16777216 bytes.");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("an interruption ends the wait for standard input", async () => {
  const code = `call.stdout.write("waits"); await call.stdin.text()`;
  const child = start(code, [], "pipe", "", "pipe");
  await once(child.stdout, "data");
  child.kill("SIGINT");
  assert.deepEqual(await once(child, "exit"), [130, null]);
});
