import { spawn } from "node:child_process";
import { Readable } from "node:stream";
import type { CommandOutput, JournalOptions, JournalSpan, LocalMachine } from "../fleet/local-machine.ts";
import type { MachineId, UnitName } from "../fleet/model.ts";

/** What systemctl may take to describe one unit. */
const statusLimitMs = 10_000;
/** More text than this of one status is cut: a unit with thousands of processes. */
const mostStatusBytes = 1024 * 1024;

/** systemctl and journalctl of this machine, for the fleet API. */
export function localCommands(id: MachineId): LocalMachine {
  return { id, status: unitStatus, journal: unitJournal };
}

async function unitStatus(unit: UnitName): Promise<CommandOutput> {
  const child = spawn("systemctl", ["status", "--no-pager", "-l", "--", unit], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: statusLimitMs,
  });
  const pieces: Buffer[] = [];
  let size = 0;
  const take = (piece: Buffer): void => {
    if (size < mostStatusBytes) pieces.push(piece.subarray(0, mostStatusBytes - size));
    size += piece.length;
  };
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
  return { text: Buffer.concat(pieces).toString("utf8"), exitCode };
}

function unitJournal(
  unit: UnitName,
  options: JournalOptions & JournalSpan,
  signal: AbortSignal,
): ReadableStream<Uint8Array> {
  const follow = options.follow ? ["--follow"] : [];
  const { sinceMs, endMs } = options;
  const since = sinceMs === undefined ? [] : [`--since=@${(sinceMs / 1000).toFixed(3)}`];
  // journalctl shows what was written at the very end as well, and counts microseconds.
  const until = endMs === undefined ? [] : [`--until=@${((endMs - 1) / 1000).toFixed(3)}999`];
  const shown = [`--lines=${options.lines}`, `--output=${options.output}`, ...since, ...until];
  const child = spawn("journalctl", ["--no-pager", ...shown, ...follow, `--unit=${unit}`], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const end = (): void => void child.kill("SIGTERM");
  if (signal.aborted) end();
  signal.addEventListener("abort", end, { once: true });
  // A reader that goes away ends journalctl; a child that cannot be started ends the stream.
  child.stdout.once("close", end);
  child.once("error", (error) => child.stdout.destroy(error));
  return Readable.toWeb(child.stdout) as ReadableStream<Uint8Array>;
}
