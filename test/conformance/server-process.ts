import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** How long a server may take until it serves, on a machine that is busy with other things. */
const startLimitMs = 60_000;
/** Characters of its log that are kept, to explain why it did not start. */
const mostLogCharacters = 10_000;

/** An `argosy etcd` in a process of its own. */
export interface ServerProcess extends AsyncDisposable {
  readonly origin: string;
  readonly pid: number;
  /** From its start until it said where it listens, in ms. */
  readonly readyMs: number;
  /** Asks it to stop, and resolves with its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number>;
}

/** What is run, and with which environment. */
export interface ServerProgram {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

const sources: ServerProgram = {
  command: [process.execPath, fileURLToPath(new URL("../../bin/argosy.ts", import.meta.url))],
  environment: {},
};

/** Starts a server over an embedded store in a folder that goes with it. */
export async function startEmbedded(program?: ServerProgram): Promise<ServerProcess> {
  const folder = await mkdtemp(join(tmpdir(), "argosy-keys-"));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const server = await startServer(["--data-dir", join(folder, "data")], program);
    return {
      ...server,
      async [Symbol.asyncDispose]() {
        await server.stop();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Starts a gateway over members of an etcd. */
export function startOver(endpoints: readonly string[], program?: ServerProgram): Promise<ServerProcess> {
  return startServer(["--store", "etcd", "--endpoints", endpoints.join(",")], program);
}

/**
 * @param words arguments of `argosy etcd`; without an address to listen on it takes a free port
 * @param program left out: the sources as they are
 */
export async function startServer(
  words: readonly string[],
  program: ServerProgram = sources,
): Promise<ServerProcess> {
  const begunMs = performance.now();
  const [command = "", ...before] = program.command;
  const own = words.includes("--listen-client") ? [] : ["--listen-client", "127.0.0.1:0"];
  const child = spawn(command, [...before, "etcd", ...own, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ARGOSY_LOG_LEVEL: "warning", ...program.environment },
  });
  const endWithUs = (): void => void child.kill("SIGKILL");
  process.on("exit", endWithUs);
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  void exited.finally(() => process.off("exit", endWithUs));
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log = (log + text).slice(-mostLogCharacters);
  });
  const limit = setTimeout(endWithUs, startLimitMs);
  const ended = exited.then(() => undefined);
  const said = once(createInterface(child.stdout), "line") as Promise<[string]>;
  const line = await Promise.race([said, ended]);
  clearTimeout(limit);
  const origin = /http:\/\/\S+$/.exec(line?.[0] ?? "")?.[0];
  if (origin === undefined) {
    endWithUs();
    throw new Error(`argosy etcd did not start: ${log.trim() || "it said nothing"}`);
  }
  const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<number> => {
    child.kill(signal);
    const [code] = await exited;
    return code ?? -1;
  };
  return {
    origin,
    pid: child.pid ?? 0,
    readyMs: performance.now() - begunMs,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}
