import type { LocalRead } from "./history.ts";

/** Two reads on one machine of which the later one saw less. */
export interface StepBack {
  readonly earlier: LocalRead;
  readonly later: LocalRead;
}

/** The first reads that went back: a read that began after another one ended on the same machine has no lower index. */
export function findStepBack(reads: readonly LocalRead[]): StepBack | undefined {
  const machines = Map.groupBy(reads, (read) => read.machine);
  for (const own of machines.values()) {
    const ended = own.toSorted((one, other) => one.endedAt - other.endedAt);
    let next = 0;
    let highest: LocalRead | undefined;
    for (const later of own.toSorted((one, other) => one.calledAt - other.calledAt)) {
      for (let read = ended[next]; read !== undefined && read.endedAt < later.calledAt; read = ended[next]) {
        if (highest === undefined || read.index > highest.index) highest = read;
        next += 1;
      }
      if (highest !== undefined && later.index < highest.index) return { earlier: highest, later };
    }
  }
  return undefined;
}
