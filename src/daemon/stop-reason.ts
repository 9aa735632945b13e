import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Log } from "../lib/env.ts";
import { sentenceOf } from "../lib/fault.ts";

/**
 * Why systemd stops a service of ours:
 * `restart`: it comes back at once; `shutdown`: the machine goes down; `stop`: an operator takes it out of service;
 * `unknown`: no job of systemd's is behind it, such as a signal sent by hand.
 */
export type StopReason = "restart" | "shutdown" | "stop" | "unknown";

/** Targets whose start job means that the machine goes down (systemd.special(7)). */
const goingDown = /^(shutdown|poweroff|reboot|halt|kexec|soft-reboot|exit|umount|final)\.target$/;

/** @param jobs the lines of `systemctl list-jobs --plain --no-legend`: number, unit, type, state */
export function stopReason(jobs: string, service: string): StopReason {
  const rows = jobs.split("\n").map((line) => line.trim().split(/\s+/));
  if (rows.some(([, unit = "", type]) => type === "start" && goingDown.test(unit))) return "shutdown";
  const own = rows.find(([, unit]) => unit === service)?.[2];
  if (own === "restart" || own === "try-restart" || own === "start") return "restart";
  return own === "stop" ? "stop" : "unknown";
}

/** A question that systemd itself ended is asked so often. */
const mostQuestions = 3;

/** Asks systemd for its jobs, at most `limitMs`; when it does not answer the reason is `unknown`, which changes nothing. */
export async function askStopReason(service: string, limitMs: number, log: Log): Promise<StopReason> {
  for (let question = 1; ; question++) {
    try {
      const { stdout } = await promisify(execFile)("systemctl", ["list-jobs", "--plain", "--no-legend"], {
        timeout: limitMs,
      });
      return stopReason(stdout, service);
    } catch (error) {
      if (question < mostQuestions && wasSwept(error)) continue;
      const why = sentenceOf(error)
        .trim()
        .replaceAll(/\s*\n\s*/g, ": ");
      log.warning(`cannot find out why systemd stops ${service}: ${why}`);
      return "unknown";
    }
  }
}

/** Whether the question was taken for a process of the service, all of which systemd ends unless KillMode= says otherwise. */
function wasSwept(error: unknown): boolean {
  const ended = error as { readonly signal?: unknown; readonly killed?: unknown };
  // `killed`: by us, after the limit.
  return ended.signal === "SIGTERM" && ended.killed !== true;
}
