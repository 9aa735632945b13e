import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { masterWords, type SshHost, type SshSettings, throughWords, type TunnelEnd } from "./ssh-words.ts";

/** The system's OpenSSH, and what sockets it needs here. */
export interface Ssh {
  /** Runs ssh on the terminal of this process; its exit code, 255 when there was no connection. Throws Fault `no-ssh`. */
  run(words: readonly string[], settings: SshSettings, signal: AbortSignal): Promise<number>;
  /** Opens a tunnel, once for each host, and keeps it for as long as the process lives. */
  tunnel(settings: SshSettings, host: SshHost): Tunnel;
  /** Copies standard input to a socket in the file system and back. Throws Fault `dial`. */
  forward(path: string, signal: AbortSignal): Promise<void>;
}

export interface Tunnel {
  /** Resolves once the connection stands. Throws Fault `no-tunnel` or `no-ssh`. */
  ready(): Promise<void>;
  /** A socket in the file system here, each connection to which leads to `end`. */
  socketTo(end: TunnelEnd): string;
  /** Words with which another ssh reaches a machine through the tunnel. */
  wordsTo(end: SshHost): readonly string[];
}

/** What ssh says with its exit code when it is at fault itself (ssh(1)). */
const sshFailed = 255;

/**
 * Answers what ssh asks when nobody sits at a terminal. That a host is new is answered by a line of standard input, as
 * fleetctl v1.0.0 has it; secrets are only ever taken from a terminal.
 */
const askpass = `#!/bin/sh
case "$1" in
  *"(yes/no"*)
    printf '%s' "$1" >&2
    IFS= read -r answer || [ -n "$answer" ] || exit 1
    case "$answer" in y | Y) answer=yes ;; esac
    case "$answer" in [Yy][Ee][Ss]) echo yes ;; *) echo no ;; esac ;;
  *)
    (: < /dev/tty) 2>/dev/null || exit 1
    printf '%s' "$1" > /dev/tty
    stty -echo < /dev/tty
    IFS= read -r answer < /dev/tty
    stty echo < /dev/tty
    echo > /dev/tty
    printf '%s\\n' "$answer" ;;
esac
`;

let folder: string | undefined;

/** A folder of this process that goes when it ends. */
function ownFolder(): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), "fleetctl-"));
    process.once("exit", () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  return folder;
}

function environment({ strict, knownHosts }: SshSettings): NodeJS.ProcessEnv {
  if (!strict) return process.env;
  mkdirSync(dirname(knownHosts.replace(/^~(?=\/)/, homedir())), { recursive: true, mode: 0o700 });
  if (process.stdin.isTTY) return process.env;
  const path = join(ownFolder(), "askpass");
  writeFileSync(path, askpass, { mode: 0o700 });
  return { ...process.env, SSH_ASKPASS: path, SSH_ASKPASS_REQUIRE: "force" };
}

function noSsh(error: unknown): Fault {
  return new Fault("no-ssh", `cannot run ssh: ${sentenceOf(error)}; install OpenSSH's client`, {
    cause: error,
  });
}

async function run(words: readonly string[], settings: SshSettings, signal: AbortSignal): Promise<number> {
  const child = spawn("ssh", words, { stdio: "inherit", env: environment(settings) });
  const end = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  try {
    const [code] = (await once(child, "close")) as [number | null];
    return code ?? sshFailed;
  } catch (error) {
    throw noSsh(error);
  } finally {
    signal.removeEventListener("abort", end);
  }
}

const tunnels = new Map<string, Tunnel>();

function tunnel(settings: SshSettings, host: SshHost): Tunnel {
  const key = JSON.stringify(host);
  const known = tunnels.get(key);
  if (known !== undefined) return known;
  const control = join(ownFolder(), `master-${tunnels.size}`);
  let standing: Promise<void> | undefined;
  const ready = async (): Promise<void> => {
    standing ??= openMaster(masterWords(settings, host, control), settings);
    await standing;
  };
  const opened: Tunnel = {
    ready,
    socketTo: (end) => {
      const words = throughWords(control, host, end);
      return listen(async (socket) => {
        await ready();
        lead(socket, words);
      });
    },
    wordsTo: (end) => throughWords(control, host, end),
  };
  tunnels.set(key, opened);
  return opened;
}

let sockets = 0;

/** A socket in the file system of which every connection is handed on. It does not keep the process alive. */
function listen(take: (socket: Socket) => Promise<void>): string {
  sockets++;
  const path = join(ownFolder(), `socket-${sockets}`);
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    // Whoever waits for the tunnel is told why there is none.
    take(socket).catch(() => socket.destroy());
  });
  server.listen(path);
  server.unref();
  return path;
}

/** Makes the connection that the others share; it goes with this process. */
async function openMaster(words: readonly string[], settings: SshSettings): Promise<void> {
  const child = spawn("ssh", words, { stdio: ["inherit", "pipe", "inherit"], env: environment(settings) });
  process.once("exit", () => child.kill("SIGTERM"));
  const ended = once(child, "close").then(
    ([code]) => {
      throw new Fault("no-tunnel", `ssh ended with exit code ${code}`);
    },
    (error: unknown) => {
      throw noSsh(error);
    },
  );
  await Promise.race([once(child.stdout, "data"), ended]);
  // It may end later without harm: then the connections through it end.
  ended.catch(() => {});
  letGo(child);
}

function lead(socket: Socket, words: readonly string[]): void {
  const child = spawn("ssh", words, { stdio: ["pipe", "pipe", "inherit"] });
  child.on("error", () => socket.destroy());
  child.on("close", () => socket.destroy());
  child.stdin.on("error", () => socket.destroy());
  socket.on("close", () => child.stdin.destroy());
  socket.pipe(child.stdin);
  child.stdout.pipe(socket);
  socket.unref();
  letGo(child);
}

/** A request that waits for an answer keeps the process alive; the programs that carry it do not. */
function letGo(child: ChildProcess): void {
  child.unref();
  for (const stream of [child.stdin, child.stdout]) (stream as Socket | null)?.unref();
}

async function forward(path: string, signal: AbortSignal): Promise<void> {
  const socket = connect({ path, allowHalfOpen: true });
  try {
    await once(socket, "connect", { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new Fault("dial", sentenceOf(error), { cause: error });
  }
  process.stdin.pipe(socket);
  socket.pipe(process.stdout);
  const lost = (): void => void socket.destroy();
  process.stdin.once("error", lost);
  process.stdout.once("error", lost);
  signal.addEventListener("abort", lost, { once: true });
  socket.on("error", lost);
  if (!socket.destroyed) await once(socket, "close");
  process.stdin.destroy();
}

/** OpenSSH as it is installed here. */
export const openSsh: Ssh = { run, tunnel, forward };
