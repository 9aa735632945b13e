import type { MachineId } from "./model.ts";

/** What presence says of one machine. */
export interface Presence {
  readonly id: MachineId;
  /** It said that it leaves: its units are stopped, and its presence ends next. */
  readonly leaving: boolean;
}

/**
 * Which machines' absence is to be believed. A machine that vanishes while the store is watched without a break has lost
 * its lease: it is gone. But after a break (the store was away, or this engine has just begun) a machine may be missing
 * only because it could not renew, so its absence counts after it has had one whole time to live to come back. That goes
 * for one that vanishes soon after a break, too: a store that was away longer than leases live may end them all when it is
 * back, before anyone can renew. Who said goodbye is gone at once.
 */
export class AbsenceJudge {
  readonly #ttlMs: number;
  #present: ReadonlyMap<MachineId, Presence> = new Map();
  readonly #gone = new Set<MachineId>();

  constructor(ttlMs: number) {
    this.#ttlMs = ttlMs;
  }

  /**
   * Takes in who is present now.
   * @param watchedMs for how long the store has been watched without a break; undefined when the last call was before one
   */
  observe(present: Iterable<Presence>, watchedMs: number | undefined): void {
    const now = new Map(Array.from(present, (machine) => [machine.id, machine]));
    for (const { id, leaving } of this.#present.values()) {
      const believed = watchedMs !== undefined && (leaving || watchedMs >= this.#ttlMs);
      if (!now.has(id) && believed) this.#gone.add(id);
    }
    for (const id of now.keys()) this.#gone.delete(id);
    this.#present = now;
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
