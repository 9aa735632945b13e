import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A server that has not said where it listens by then is broken, in ms. */
const startLimitMs = 60_000;
/** Of its log so many lines are kept, to explain what went wrong. */
const mostLogLines = 200;

const program = fileURLToPath(new URL("../../bin/argosy.ts", import.meta.url));

/** `argosy etcd` in a process of its own. */
export interface Foreground extends AsyncDisposable {
  readonly origin: string;
  /** What it has logged, the last lines. */
  readonly log: readonly string[];
  /** Whether it still runs. */
  readonly running: boolean;
  /** Memory that is its own and in use now, in bytes. */
  memory(): Promise<number>;
}

/**
 * Starts a server on a free port, over a new embedded store.
 * @param endpoints of an etcd v3 to use in its place
 */
export async function startForeground(endpoints?: readonly string[]): Promise<Foreground> {
  const folder = await mkdtemp(join(tmpdir(), "argosy-foreground-"));
  const store =
    endpoints === undefined
      ? ["--data-dir", folder]
      : ["--store", "etcd", "--endpoints", endpoints.join(",")];
  const words = [program, "etcd", ...store, "--listen-client", "127.0.0.1:0"];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "pipe"] });
  const log: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => {
    log.push(line);
    log.splice(0, log.length - mostLogLines);
  });
  const endWithUs = (): void => void child.kill("SIGKILL");
  process.on("exit", endWithUs);
  const end = async (): Promise<void> => {
    process.off("exit", endWithUs);
    await endProcess(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const origin = await originOf(child, log);
    return {
      origin,
      log,
      get running() {
        return child.exitCode === null && child.signalCode === null;
      },
      memory: async () => await residentBytes(child.pid ?? 0),
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Where the server says that it listens. */
async function originOf(child: ChildProcess, log: readonly string[]): Promise<string> {
  const lines = createInterface({ input: child.stdout ?? process.stdin });
  const signal = AbortSignal.timeout(startLimitMs);
  try {
    for (;;) {
      const [line] = (await Promise.race([
        once(lines, "line", { signal }),
        once(child, "exit", { signal }).then(() => [undefined]),
      ])) as [string?];
      if (line === undefined) break;
      const [origin] = /http:\/\/[\w.:[\]-]+/.exec(line) ?? [];
      if (origin !== undefined) return origin;
    }
  } catch {
    // Told below.
  }
  throw new Error(`argosy etcd did not say where it listens:\n${log.join("\n")}`);
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  await gone;
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}
