import { fstatSync } from "node:fs";
import type { Clock, Env } from "../lib/env.ts";
import { createLog, type LeveledLog, type LineStyle, logLevels } from "./journal-log.ts";

/** The longest pause one timer of Node can hold; a longer sleep takes several (2^31 - 1 ms, about 25 days). */
const longestTimerMs = 2_147_483_647;

/** The Env of a running process: the machine's clocks, Math.random and a log on stderr. */
export function realEnv(log: LeveledLog = stderrLog(process.env)): Env & { readonly log: LeveledLog } {
  return { clock: realClock, random: Math.random, log };
}

/** The machine's clocks. */
export const realClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    const end = performance.now() + ms;
    // A timer of Node counts whole milliseconds from the last turn of its loop, and so may ring up to one too early. It warns of
    // a time below zero, which a deadline gets that passes while the process has no processor.
    for (let leftMs = ms; ; leftMs = end - performance.now()) {
      await oneTimer(Math.min(Math.max(0, Math.ceil(leftMs)), longestTimerMs), signal);
      if (performance.now() >= end) return;
    }
  },
};

/** Waits on one timer. Not that of node:timers/promises, which makes an error with a stack for each sleep that is cut short. */
function oneTimer(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/**
 * A log on stderr, in the journal's style when stderr is the journal. Its level is that of `ARGOSY_LOG_LEVEL`
 * (debug, info, warning or error), else info.
 */
export function stderrLog(environment: NodeJS.ProcessEnv): LeveledLog {
  const wanted = environment["ARGOSY_LOG_LEVEL"];
  const level = logLevels.find((name) => name === wanted) ?? "info";
  // A reader of stderr that went away must not end the daemon, and there is nowhere left to tell it.
  if (process.stderr.listenerCount("error") === 0) process.stderr.on("error", () => {});
  const log = createLog(styleOf(environment["JOURNAL_STREAM"]), level, (line) => process.stderr.write(line));
  if (wanted !== undefined && wanted !== level) {
    log.warning(`ARGOSY_LOG_LEVEL is "${wanted}", which is none of ${logLevels.join(", ")}: using info`);
  }
  return log;
}

/**
 * systemd sets JOURNAL_STREAM to the device and inode of the stream it connected (systemd.exec(5)). Children inherit
 * the variable, so only when stderr still is that very stream does journald read it.
 */
function styleOf(journalStream: string | undefined): LineStyle {
  if (journalStream === undefined) return "words";
  const { dev, ino } = fstatSync(2, { bigint: true });
  return journalStream === `${dev}:${ino}` ? "journal" : "words";
}
