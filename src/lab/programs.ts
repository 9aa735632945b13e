import { spawn } from "node:child_process";
import { constants } from "node:os";
import { Fault } from "../lib/fault.ts";

/** How a program ended and what it printed. */
export interface Finished {
  /** Its exit code; 128 and the signal's number when a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  /** Its standard input; none when not given. */
  readonly input?: string | Uint8Array;
  /** Its whole environment; ours when not given. */
  readonly environment?: Readonly<Record<string, string>>;
  /** It is killed after this long. */
  readonly limitMs?: number;
  /** It is ended when this is aborted. */
  readonly signal?: AbortSignal;
  /** Gets what it prints, line by line, as soon as it is printed. */
  readonly line?: (line: string, stream: "stdout" | "stderr") => void;
}

/** The most text kept of what one program prints; the rest is read and dropped. */
const mostOutputBytes = 64 * 1024 * 1024;

/** Runs a program to its end. Throws Fault `program-missing` when it cannot be started, `program-too-slow` at its limit. */
export async function runProgram(
  program: string,
  words: readonly string[],
  options: ProgramOptions = {},
): Promise<Finished> {
  const child = spawn(program, words, {
    stdio: ["pipe", "pipe", "pipe"],
    ...(options.environment === undefined ? {} : { env: options.environment }),
  });
  const stdout = gather(child.stdout, (line) => options.line?.(line, "stdout"));
  const stderr = gather(child.stderr, (line) => options.line?.(line, "stderr"));
  // A program that ends without reading its input closes the pipe; its exit code says whether that was an error.
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");

  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.on("error", (error) => {
    reject(new Fault("program-missing", `Cannot run ${program}: ${error.message}.`, { cause: error }));
  });
  child.on("close", (code, signal) => resolve(exitCode(code, signal)));

  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, options.limitMs ?? longestProgramMs);
  const stop = (): void => void child.kill("SIGTERM");
  options.signal?.addEventListener("abort", stop, { once: true });
  try {
    const code = await promise;
    if (late)
      throw new Fault("program-too-slow", `Stopped "${said(program, words)}": it did not end in its time.`);
    return { code, stdout: stdout(), stderr: stderr() };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", stop);
  }
}

/** No program of the lab runs longer than this unless it is given another limit. */
const longestProgramMs = 10 * 60_000;

/** As `runProgram`, and throws Fault `program-failed` with the program's own words when its exit code is not 0. */
export async function expectProgram(
  program: string,
  words: readonly string[],
  options: ProgramOptions = {},
): Promise<string> {
  const finished = await runProgram(program, words, options);
  if (finished.code === 0) return finished.stdout;
  options.signal?.throwIfAborted();
  const reason = lastLines(finished.stderr) || lastLines(finished.stdout) || `exit code ${finished.code}`;
  throw new Fault("program-failed", `"${said(program, words)}" failed: ${reason}`);
}

/** Runs a program on our own terminal, input and output; interrupts are for it, not for us. */
export async function attachProgram(program: string, words: readonly string[]): Promise<number> {
  const child = spawn(program, words, { stdio: "inherit" });
  const passOn = (): void => void child.kill("SIGTERM");
  process.on("SIGINT", leaveToProgram);
  process.on("SIGTERM", passOn);
  try {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(exitCode(code, signal)));
    return await promise;
  } finally {
    process.off("SIGINT", leaveToProgram);
    process.off("SIGTERM", passOn);
  }
}

function leaveToProgram(): void {
  // The terminal sends it to the program too, which decides what it means.
}

function exitCode(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

function gather(stream: NodeJS.ReadableStream, each: (line: string) => void): () => string {
  const pieces: string[] = [];
  let size = 0;
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    size += text.length;
    if (size <= mostOutputBytes) pieces.push(text);
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) each(line);
  });
  stream.on("end", () => {
    if (rest !== "") each(rest);
  });
  return () => pieces.join("");
}

/** The end of what a program said, as one line. */
function lastLines(text: string): string {
  return text.trim().split("\n").slice(-3).join("; ");
}

/** The command line for a message, cut to a readable length. */
function said(program: string, words: readonly string[]): string {
  const line = [program, ...words].join(" ");
  return line.length <= 160 ? line : `${line.slice(0, 157)}...`;
}
