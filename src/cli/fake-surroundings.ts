import type { Env } from "../lib/env.ts";
import type { Output, Surroundings } from "./command.ts";

/** An output that keeps what was written, for tests. */
export interface KeptOutput extends Output {
  text(): string;
}

/** Surroundings without a process, for tests of commands: no time passes in them except what commands sleep. */
export function fakeSurroundings(given: {
  readonly variables?: Readonly<Record<string, string>>;
  /** Local files by path. */
  readonly files?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly signal?: AbortSignal;
}): Surroundings & { readonly stdout: KeptOutput; readonly stderr: KeptOutput } {
  return {
    stdout: keptOutput(),
    stderr: keptOutput(),
    stdin: { isTerminal: false, text: async () => given.stdin ?? "" },
    variables: given.variables ?? {},
    files: {
      read: async (path) => given.files?.[path],
      list: async (folder) =>
        Object.keys(given.files ?? {})
          .filter((path) => path.startsWith(`${folder}/`))
          .map((path) => path.slice(folder.length + 1)),
    },
    env: fakeEnv(),
    signal: given.signal ?? new AbortController().signal,
  };
}

function keptOutput(): KeptOutput {
  let kept = "";
  return {
    isTerminal: false,
    write: (text) => {
      kept += text;
    },
    drained: async () => {},
    text: () => kept,
  };
}

/** A clock that jumps forward by what is slept, no chance, no log. */
function fakeEnv(): Env {
  let now = 0;
  return {
    clock: {
      now: () => now,
      monotonic: () => now,
      sleep: async (ms, signal) => {
        signal?.throwIfAborted();
        now += ms;
      },
    },
    random: () => 0.5,
    log: { debug: () => {}, info: () => {}, warning: () => {}, error: () => {} },
  };
}
