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
   * Those of the machines that a plan misses which are not believed to be gone. A plan may be made from another copy of
   * the store than the one `observe` is told from: what that one still shows, or showed before a break, is not gone.
   * @param missing machines that units are placed on and that the plan does not see
   * @param syncedForMs how long the store has been watched without a break; undefined while it is away
   */
  uncertain(missing: Iterable<MachineId>, syncedForMs: number | undefined): ReadonlySet<MachineId> {
    const uncertain = new Set<MachineId>();
    for (const machine of missing) {
      const believed = syncedForMs !== undefined && (syncedForMs >= this.#ttlMs || this.#gone.has(machine));
      if (this.#present.has(machine) || !believed) uncertain.add(machine);
    }
    return uncertain;
  }
}
