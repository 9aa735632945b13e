import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import process from "node:process";
import { isatty } from "node:tty";
import type { Env, Log } from "../lib/env.ts";
import { Fault, reasonOf, sentenceOf } from "../lib/fault.ts";
import {
  type CommandGroup,
  exitCodes,
  type Files,
  type Input,
  type Output,
  type Surroundings,
} from "./command.ts";
import { runProgram } from "./program.ts";

/** Bytes of a local file or of standard input that a command reads at most. */
const inputLimitBytes = 16 * 1024 * 1024;

/**
 * Runs a program in this process: the edge between a command and the world. Sets the exit code and resolves when the
 * command has ended and what it wrote has been taken.
 */
export async function main(program: CommandGroup): Promise<void> {
  const interrupt = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.once(name, () => {
      interrupt.abort(new Fault("interrupted", `${program.name} was interrupted.`));
    });
  }
  const stdout = output(() => process.stdout, 1, interrupt);
  const stderr = output(() => process.stderr, 2, interrupt);
  try {
    process.exitCode = await runProgram(program, process.argv.slice(2), {
      ...surroundings(interrupt),
      stdout,
      stderr,
    });
  } catch (error) {
    process.stderr.write(`Error: this is a bug in ${program.name}: ${sentenceOf(error)}\n`);
    if (process.env.ARGOSY_DEBUG !== undefined && error instanceof Error)
      process.stderr.write(`${error.stack}\n`);
    process.exitCode = bugExitCode;
  }
  await Promise.all([stdout.taken(), stderr.taken()]);
  const lost = stdout.lost();
  if (lost === undefined) return;
  process.stderr.write(`Error: cannot write the output: ${sentenceOf(lost)}\n`);
  process.exitCode = exitCodes.failed;
}

/** What sysexits.h calls EX_SOFTWARE. */
const bugExitCode = 70;

function surroundings(interrupt: AbortController): Omit<Surroundings, "stdout" | "stderr"> {
  return {
    stdin: standardInput(interrupt.signal),
    variables: process.env,
    files,
    env: terminalEnv,
    signal: interrupt.signal,
  };
}

/** Output of this process. */
interface OwnOutput extends Output {
  /** Resolves when nothing waits to be written any more. */
  taken(): Promise<void>;
  /** Why not all of it arrived, when that was no doing of its reader's: a disk is full, say. */
  lost(): Error | undefined;
}

/** @param open gives the stream; a command that writes nothing to it does not spend the time to make it */
function output(open: () => NodeJS.WriteStream, descriptor: number, interrupt: AbortController): OwnOutput {
  let stream: NodeJS.WriteStream | undefined;
  let gone = false;
  let lost: Error | undefined;
  const opened = (): NodeJS.WriteStream => {
    if (stream !== undefined) return stream;
    stream = open();
    stream.on("error", failed);
    return stream;
  };
  const failed = (error: NodeJS.ErrnoException): void => {
    gone = true;
    // Whoever closed it beforehand wants the command carried out all the same.
    if (error.code === "EBADF") return;
    // A reader such as `head` has seen enough: the command ends quietly.
    if (error.code !== "EPIPE") lost = error;
    interrupt.abort(
      new Fault("output-gone", `nobody reads the output any more: ${error.code ?? error.message}`),
    );
  };
  const isTerminal = isatty(descriptor);
  const columns = isTerminal ? opened().columns : 0;
  return {
    isTerminal,
    ...(columns > 0 ? { columns } : {}),
    write: (text) => {
      if (gone) return;
      if (isTerminal || stream !== undefined) {
        opened().write(text);
        return;
      }
      const rest = writeDirectly(descriptor, Buffer.from(text), failed);
      if (rest.length > 0 && !gone) opened().write(rest);
    },
    lost: () => lost,
    taken: async () => {
      const last = stream;
      if (last !== undefined && !gone) await new Promise<void>((resolve) => last.write("", () => resolve()));
    },
    drained: async () => {
      if (gone || stream === undefined || !stream.writableNeedDrain) return;
      const waiting = stream;
      await new Promise<void>((resolve) => {
        const done = (): void => {
          waiting.off("drain", done);
          waiting.off("error", done);
          waiting.off("close", done);
          resolve();
        };
        waiting.on("drain", done);
        waiting.on("error", done);
        waiting.on("close", done);
      });
    },
  };
}

/**
 * Writes to a file or a pipe as the stream for it would, at once; making that stream takes a fortieth of a short command.
 * Gives what is left for the stream, when the reader is slow and the pipe was opened so that nobody waits.
 */
function writeDirectly(
  descriptor: number,
  bytes: Buffer,
  failed: (error: NodeJS.ErrnoException) => void,
): Buffer {
  let rest = bytes;
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(descriptor, rest));
  } catch (error) {
    const problem = error as NodeJS.ErrnoException;
    if (problem.code !== "EAGAIN") failed(problem);
  }
  return rest;
}

/** @param signal ends the wait for what somebody types, or does not */
function standardInput(signal: AbortSignal): Input {
  return {
    isTerminal: isatty(0),
    text: async () => {
      signal.throwIfAborted();
      const end = (): void => void process.stdin.destroy(signal.reason as Error);
      signal.addEventListener("abort", end, { once: true });
      try {
        return await limitedText(process.stdin, "standard input");
      } finally {
        signal.removeEventListener("abort", end);
      }
    },
  };
}

/** Loaded when a command reads files: that takes longer than most commands have to. */
function filesOfNode(): typeof import("node:fs/promises") {
  return process.getBuiltinModule("node:fs/promises");
}

const files: Files = {
  read: async (path) => {
    try {
      return await readText(path);
    } catch (error) {
      if (error instanceof Fault) throw error;
      if (isAbsence(error)) return undefined;
      throw new Fault("file-unreadable", `Cannot read ${path}: ${reasonOf(error)}.`, { cause: error });
    }
  },
  list: async (folder) => {
    try {
      return await filesOfNode().readdir(folder);
    } catch (error) {
      if (isAbsence(error)) return [];
      throw new Fault("file-unreadable", `Cannot read the folder ${folder}: ${reasonOf(error)}.`, {
        cause: error,
      });
    }
  },
};

/** Opened so that a pipe which nobody writes to, such as a forgotten one of mkfifo, is empty and holds nobody up. */
async function readText(path: string): Promise<string> {
  const { O_NONBLOCK, O_RDONLY } = constants;
  await using file = await filesOfNode().open(path, O_RDONLY | O_NONBLOCK);
  const state = await file.stat();
  if (state.isFIFO()) return await readPipe(path);
  if (!state.isFile()) {
    const what = state.isDirectory() ? "it is a directory" : "it is neither a file nor a pipe";
    throw new Fault("file-unreadable", `Cannot read ${path}: ${what}.`);
  }
  if (state.size > inputLimitBytes) throw tooLong(path);
  return await file.readFile("utf8");
}

/**
 * A pipe without a writer is at its end, but only whoever reads hears so: one that waits is told when a last writer goes, and there
 * may be none. So it is read until it tells that a writer has more, and only then waited for.
 */
async function readPipe(path: string): Promise<string> {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const chunks: Buffer[] = [];
  for (let size = 0; ; ) {
    const chunk = readNow(descriptor);
    if (chunk === undefined) break;
    chunks.push(chunk);
    size += chunk.length;
    if (chunk.length > 0 && size <= inputLimitBytes) continue;
    closeSync(descriptor);
    if (size > inputLimitBytes) throw tooLong(path);
    return Buffer.concat(chunks).toString("utf8");
  }
  const { Socket } = process.getBuiltinModule("node:net");
  const rest = new Socket({ fd: descriptor, readable: true, writable: false });
  return await limitedText(rest, path, Buffer.concat(chunks));
}

/** What a pipe has now; nothing at its end, and undefined when a writer may have more. */
function readNow(descriptor: number): Buffer | undefined {
  const piece = Buffer.alloc(pipePieceBytes);
  try {
    return piece.subarray(0, readSync(descriptor, piece));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return undefined;
    throw error;
  }
}

/** What a pipe of Linux's holds, in bytes. */
const pipePieceBytes = 65_536;

/** The whole of a stream, behind what was taken of it before. Throws Fault `input-too-large`. */
async function limitedText(
  stream: NodeJS.ReadableStream,
  name: string,
  before: Buffer = Buffer.alloc(0),
): Promise<string> {
  const chunks: Buffer[] = [before];
  let size = before.length;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > inputLimitBytes) throw tooLong(name);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function tooLong(name: string): Fault {
  return new Fault("input-too-large", `Cannot read ${name}: it is longer than ${inputLimitBytes} bytes.`);
}

/** Whether there is no such file, or can be none. */
function isAbsence(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    ["ENOENT", "ENOTDIR", "ENAMETOOLONG"].includes(String(error.code))
  );
}

const log: Log = {
  debug: () => {},
  info: () => {},
  warning: (sentence) => void process.stderr.write(`WARNING: ${sentence}\n`),
  error: (sentence) => void process.stderr.write(`ERROR: ${sentence}\n`),
};

/** The longest pause one timer of Node can hold; a longer one would end at once (2^31 - 1 ms, about 25 days). */
const longestTimerMs = 2_147_483_647;

const terminalEnv: Env = {
  clock: {
    now: () => Date.now(),
    // Not performance.now(), which is loaded when it is first used.
    monotonic: () => Number(process.hrtime.bigint()) / 1e6,
    sleep: async (ms, signal) => {
      const { setTimeout: sleep } = process.getBuiltinModule("node:timers/promises");
      try {
        for (let leftMs = ms; leftMs >= 0; leftMs -= longestTimerMs)
          await sleep(Math.min(leftMs, longestTimerMs), undefined, signal === undefined ? {} : { signal });
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      }
    },
  },
  random: drawn,
  log,
};

/** Where the next draw comes from; undefined before the first. */
let drawState: number | undefined;

/** As Math.random, which does not draw by lot in a command: its launcher fixes where V8 begins (`shortNodeFlags`). */
function drawn(): number {
  drawState ??= Number(process.hrtime.bigint() & 0xffff_ffffn) ^ Math.imul(process.pid, 0x9e37_79b1);
  // SplitMix32: a counter, and its bits stirred.
  drawState = (drawState + 0x9e37_79b9) | 0;
  let bits = Math.imul(drawState ^ (drawState >>> 16), 0x21f0_aaad);
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a_2d97);
  return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32;
}
