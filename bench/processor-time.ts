import { readFileSync } from "node:fs";

/** Clock ticks of proc(5) are this long, in ms. */
const tickMs = 10;

/** The processor time that processes have taken since their start, theirs and the kernel's for them, in ms (proc(5), stat). */
export function processorMs(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    // The name in parentheses may hold blanks.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, each) => sum + each, 0) * tickMs;
}
