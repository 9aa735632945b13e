import type { Env } from "../lib/env.ts";
import { isFault } from "../lib/fault.ts";
import type { LeaseId } from "../store/store.ts";
import type { Scheduled, UnitName, UnitState } from "./model.ts";
import type { PartitionGuard } from "./partition.ts";
import type { StatePublisher } from "./publisher.ts";
import type { ScheduleLines } from "./schedule-lines.ts";

export interface ClaimsOptions {
  readonly publisher: Pick<StatePublisher, "claim">;
  readonly lines: Pick<ScheduleLines, "compareOf">;
  /** This machine's lease, undefined while it is not present. */
  readonly lease: () => LeaseId | undefined;
  readonly partition: Pick<PartitionGuard, "mayStart">;
  /** Knows how every unit of this machine is now. */
  readonly agent: { readonly states: () => ReadonlyMap<UnitName, UnitState> };
}

/** Pause after a claim that the store did not take; the unit is free to be tried again only then. */
const tryAgainMs = 500;

/**
 * Has engines see that a unit which must never run twice is on this machine before it starts here. An engine that takes the
 * unit's line away waits for a machine that shows the unit; one that showed nothing yet would start it unseen.
 */
export class Claims {
  readonly #env: Pick<Env, "clock" | "log">;
  readonly #options: ClaimsOptions;
  /** Lines that had gone from the store, or changed, when their units were to start: newer ones are on their way. */
  readonly #refused = new WeakSet<Scheduled>();

  constructor(env: Pick<Env, "clock" | "log">, options: ClaimsOptions) {
    this.#env = env;
    this.#options = options;
  }

  /** False while a unit must not start, because it cannot be shown to be here. */
  allow(want: Scheduled | undefined): boolean {
    if (want?.stopOnPartition !== true) return true;
    return this.#options.lease() !== undefined && !this.#refused.has(want);
  }

  /**
   * Shows a unit's state while its line is in the store as this machine knows it. False when it is not, when this machine is not
   * present, when the store does not take it (that is no fault of the unit), and when the answer came so late that the lease the
   * state hangs on may have lapsed since: others may have the unit then.
   */
  async claim(want: Scheduled): Promise<boolean> {
    const { lease, lines, partition, publisher, agent } = this.#options;
    const present = lease();
    const state = agent.states().get(want.unit);
    const when = lines.compareOf(want);
    if (present === undefined || state === undefined || when === undefined) return false;
    try {
      const claimed = await publisher.claim(present, state, when);
      if (!claimed) this.#refused.add(want);
      return claimed && lease() === present && partition.mayStart;
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#env.log.warning(`${want.unit} waits: the store cannot be told that it is here: ${error.message}`);
      await this.#env.clock.sleep(tryAgainMs);
      return false;
    }
  }
}
