import { readFileSync } from "node:fs";
import process from "node:process";

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Says how busy the machine is: what else runs there moves every figure. */
export function sayLoad(): void {
  const [one, five] = readFileSync("/proc/loadavg", "utf8").split(" ");
  say(`load of this machine: ${one} over the last minute, ${five} over five`);
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
