import type { MachineId } from "./model.ts";

/**
 * Which machines' absence is to be believed. A machine that vanishes while the store is watched without a break has lost
 * its lease: it is gone. But after a break (the store was away, or this engine has just begun) a machine may be missing
 * only because it could not renew, so its absence counts after it has had one whole time to live to come back.
 */
export class AbsenceJudge {
  readonly #ttlMs: number;
  readonly #present = new Set<MachineId>();
  readonly #gone = new Set<MachineId>();

  constructor(ttlMs: number) {
    this.#ttlMs = ttlMs;
  }

  /** Takes in who is present now. @param unbroken whether the store was watched without a break since the last call */
  observe(present: Iterable<MachineId>, unbroken: boolean): void {
    const now = new Set(present);
    for (const machine of this.#present) if (!now.has(machine) && unbroken) this.#gone.add(machine);
    this.#present.clear();
    for (const machine of now) {
      this.#present.add(machine);
      this.#gone.delete(machine);
    }
  }

  /**
   * The machines out of `known` that are absent without being believed to be gone.
   * @param syncedForMs how long the store has been watched without a break; undefined while it is away
   */
  uncertain(known: Iterable<MachineId>, syncedForMs: number | undefined): ReadonlySet<MachineId> {
    const uncertain = new Set<MachineId>();
    if (syncedForMs !== undefined && syncedForMs >= this.#ttlMs) return uncertain;
    for (const machine of known) {
      if (!this.#present.has(machine) && (syncedForMs === undefined || !this.#gone.has(machine)))
        uncertain.add(machine);
    }
    return uncertain;
  }
}
