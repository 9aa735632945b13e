import { isRunning } from "./reconcile.ts";
import type { ManagedUnit } from "./unit-manager.ts";

/** What an agent has systemd do with a unit. */
export type Step = "loading" | "starting" | "restarting" | "stopping" | "unloading";

/** Steps that end with a unit that was started. */
export function isStarting(step: Step | undefined): boolean {
  return step === "starting" || step === "restarting";
}

/** A unit that is being loaded, or is about to start. It is told of once it runs, so that a start is told of once. */
export function isComing({ active }: Pick<ManagedUnit, "active">, step: Step | undefined): boolean {
  return active === "inactive" && (step === "loading" || step === "starting");
}

/** Whether a unit that was started is over, and nobody starts it now; false for one that is not known. */
export function hasEnded(unit: Pick<ManagedUnit, "active"> | undefined, step: Step | undefined): boolean {
  return unit !== undefined && !isRunning(unit) && !isStarting(step);
}

/**
 * How long to gather between two passes and between two writes of states, in ms. The more units are under way, the longer both
 * gather, so that a burst costs few of them and a single start none.
 */
export function passGapMs(busyUnits: number): number {
  return Math.min(50, Math.max(0, busyUnits - 1));
}

export function publishGapMs(busyUnits: number): number {
  return Math.min(250, 40 + 4 * Math.max(0, busyUnits - 1));
}
