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
