import { fstatSync } from "node:fs";
import { setTimeout as timeout } from "node:timers/promises";
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
    try {
      let left = ms;
      do {
        await timeout(Math.min(left, longestTimerMs), undefined, signal ? { signal } : {});
        left -= longestTimerMs;
      } while (left > 0);
    } catch (error) {
      // Node rejects with an AbortError of its own; callers are promised the reason they aborted with.
      signal?.throwIfAborted();
      throw error;
    }
    signal?.throwIfAborted();
  },
};

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
