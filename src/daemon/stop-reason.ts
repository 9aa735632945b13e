import { execFile } from "node:child_process";
import { promisify } from "node:util";

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

/** Asks systemd for its jobs, at most `limitMs`; when it does not answer the reason is `unknown`, which changes nothing. */
export async function askStopReason(service: string, limitMs: number): Promise<StopReason> {
  try {
    const { stdout } = await promisify(execFile)("systemctl", ["list-jobs", "--plain", "--no-legend"], {
      timeout: limitMs,
    });
    return stopReason(stdout, service);
  } catch {
    return "unknown";
  }
}
