import { readFileSync } from "node:fs";
import process from "node:process";

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Says how busy the machine is, and how much of it its host gave to others: both move every figure. */
export function sayLoad(): void {
  const [one, five] = readFileSync("/proc/loadavg", "utf8").split(" ");
  say(
    `load of this machine: ${one} over the last minute, ${five} over five; its host kept back ${withheldPercent()} % of the processor time`,
  );
}

/**
 * Of the processor time that this machine had work for since the run began, the percent that its host gave to other machines
 * (proc(5), stat: steal). 0 on hardware of one's own.
 */
export function withheldPercent(): number {
  const { used, withheld } = processorTime();
  const withheldSince = withheld - atStart.withheld;
  const wanted = used - atStart.used + withheldSince;
  return wanted === 0 ? 0 : Math.round((withheldSince / wanted) * 100);
}

const atStart = processorTime();

/** Of all processors since the machine booted, in its clock ticks. */
function processorTime(): { readonly used: number; readonly withheld: number } {
  const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n");
  const [user = 0, nice = 0, system = 0, , , interrupts = 0, softInterrupts = 0, withheld = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return { used: user + nice + system + interrupts + softInterrupts, withheld };
}

/** @param sorted in ascending order */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return percentile(
    [...values].sort((left, right) => left - right),
    0.5,
  );
}

export function rounded(value: number, digits = 1): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}
