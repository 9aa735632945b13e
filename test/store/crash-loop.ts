import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("writer-process.ts", import.meta.url));
/** A round that has come to nothing after this long is a failure: a store that does not open, or a writer that hangs. */
const roundLimitMs = 120_000;

export interface CrashLoopOptions {
  readonly rounds: number;
  readonly writers: number;
  /** Keys in the store besides those of the writers. */
  readonly keys: number;
  /** A number in [0, 1), for the moments of the kills. */
  readonly random: () => number;
  readonly say: (line: string) => void;
}

export interface CrashLoopReport {
  readonly rounds: number;
  /** Rounds that found a store that had been killed, and compared it with the ledger. */
  readonly checked: number;
  readonly acknowledged: number;
  readonly keys: number;
  readonly medianOpenMs: number;
  readonly longestOpenMs: number;
  /** One sentence for each promise that was broken. */
  readonly broken: readonly string[];
}

/** What was promised to the writers, kept by a process that is not killed. */
class Ledger {
  readonly broken: string[] = [];
  acknowledged = 0;
  revision = 0;
  readonly #last: number[] = [];

  acknowledge(writer: number, number: number, revision: number): void {
    this.acknowledged += 1;
    this.#last[writer] = number;
    this.revision = Math.max(this.revision, revision);
  }

  /** Compares what a writer's two keys hold: the last number that was acknowledged, or the one that was under way. */
  check(writer: number, a: number, b: number): void {
    const last = this.#last[writer] ?? 0;
    if (a !== b) this.broken.push(`writer ${writer} finds half a transaction: ${a} and ${b}`);
    if (a < last) this.broken.push(`writer ${writer} was promised ${last} and finds ${a}`);
    if (a > last + 1) this.broken.push(`writer ${writer} never came to ${a}, its last was ${last}`);
    // What was under way and is there stays there.
    this.#last[writer] = Math.max(last, a);
  }

  checkRevision(revision: number): void {
    if (revision < this.revision)
      this.broken.push(`revision ${this.revision} was promised, the store is at ${revision}`);
  }
}

/**
 * Kills a process that writes to a store, again and again at random moments, and compares what is found with a ledger of what it
 * had been promised.
 */
export async function crashLoop(options: CrashLoopOptions): Promise<CrashLoopReport> {
  const folder = await mkdtemp(join(tmpdir(), "argosy-crash-"));
  const ledger = new Ledger();
  const opens: number[] = [];
  let [checked, keys] = [0, 0];
  try {
    for (let round = 1; round <= options.rounds; round++) {
      const found = await oneRound(folder, ledger, options);
      if (found !== undefined) {
        checked += 1;
        opens.push(found.openMs);
        keys = found.keys;
      }
      if (round % 50 === 0)
        options.say(
          `${round} kills, ${ledger.acknowledged} writes acknowledged, ${ledger.broken.length} promises broken`,
        );
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  opens.sort((one, other) => one - other);
  return {
    rounds: options.rounds,
    checked,
    acknowledged: ledger.acknowledged,
    keys,
    medianOpenMs: opens[Math.floor(opens.length / 2)] ?? 0,
    longestOpenMs: opens.at(-1) ?? 0,
    broken: ledger.broken,
  };
}

/** Starts the writers and kills them: while they start, or after some writes. Undefined when the store was not open yet. */
async function oneRound(
  folder: string,
  ledger: Ledger,
  { writers, keys, random }: CrashLoopOptions,
): Promise<{ openMs: number; keys: number } | undefined> {
  const child = spawn(process.execPath, [program, join(folder, "store"), String(writers), String(keys)], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_COMPILE_CACHE: join(folder, "compiled") },
  });
  let [complaint, tooLate] = ["", false];
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text.slice(0, 2_000)));
  const limit = setTimeout(() => {
    tooLate = true;
    child.kill("SIGKILL");
  }, roundLimitMs);
  // One round in five ends while it begins.
  let writesLeft = Math.floor(random() * 150);
  if (random() < 0.2) setTimeout(() => child.kill("SIGKILL"), random() * 300);
  let found: { openMs: number; keys: number } | undefined;
  const ended = once(child, "close");
  for await (const line of createInterface(child.stdout)) {
    const [what = "", ...words] = line.split(" ");
    const [first = 0, second = 0, third = 0] = words.map(Number);
    if (what === "opened") {
      found = { openMs: first, keys: second };
      ledger.checkRevision(third);
    } else if (what === "held") ledger.check(first, second, third);
    else if (what === "acknowledged") {
      ledger.acknowledge(first, second, third);
      if (writesLeft-- === 0) killInAMoment(child, random);
    }
  }
  await ended;
  clearTimeout(limit);
  if (tooLate) ledger.broken.push(`a round did not come to its end within ${roundLimitMs / 1_000} s`);
  if (child.signalCode !== "SIGKILL" || complaint !== "")
    ledger.broken.push(`the writers ended by themselves: ${complaint.trim()}`);
  return found;
}

/** Not always right after an acknowledgement, when the store is idle most. */
function killInAMoment(child: ChildProcess, random: () => number): void {
  setTimeout(() => child.kill("SIGKILL"), random() * 5);
}
