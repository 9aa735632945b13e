import type { Clock } from "../lib/env.ts";
import { differentKeys } from "../lib/sorted-map.ts";
import { Wake } from "../lib/wake.ts";
import type { Revision } from "../store/store.ts";
import type { MachineId, UnitName, UnitState } from "./model.ts";
import type { FleetView, Registry } from "./registry.ts";

/**
 * How long changes are gathered before waiting clients hear of them again, so that a burst costs a few answers: this, and a
 * little more for every unit that is waited for.
 */
const gatherMs = 5;
const gatherMsPerName = 0.1;
const mostGatherMs = 100;

/** Names the log keeps; beyond that it starts afresh, and waiting clients are told everything once. */
const mostNames = 100_000;

/**
 * At which revision each unit last looked different to a client: its record, its place, or systemd's view of it.
 * Follows the registry only while somebody waits; a client that has seen less than the log remembers is told everything.
 */
export class ChangeLog {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #changedAt = new Map<UnitName, Revision>();
  readonly #waiters = new Set<Wake>();
  /** Units that are waited for, counted once for each client. */
  #waitedFor = 0;
  #seen: FleetView | undefined;
  /** The revision from which on the log is complete. */
  #since: Revision = 0;
  #unsubscribe: (() => void) | undefined;
  #gathering = false;
  #stale = true;
  #lastReadMs = Number.NEGATIVE_INFINITY;

  constructor(registry: Registry, clock: Clock) {
    this.#registry = registry;
    this.#clock = clock;
  }

  /**
   * Resolves with the names, out of `names`, that changed after `after`, as soon as there are any; with none once
   * `signal` is aborted.
   */
  async next(names: readonly UnitName[], after: Revision, signal: AbortSignal): Promise<Changes> {
    const wake = new Wake();
    this.#enter(wake);
    this.#waitedFor += names.length;
    try {
      for (;;) {
        const changes = this.#changesOf(names, after);
        if (changes.names.length > 0 || signal.aborted) return changes;
        await wake.next(signal).catch((error: unknown) => {
          if (!signal.aborted) throw error;
        });
      }
    } finally {
      this.#waitedFor -= names.length;
      this.#leave(wake);
    }
  }

  #changesOf(names: readonly UnitName[], after: Revision): Changes {
    const view = this.#read();
    const all = after < this.#since;
    return { view, names: all ? names : names.filter((name) => (this.#changedAt.get(name) ?? 0) > after) };
  }

  #enter(wake: Wake): void {
    if (this.#waiters.size === 0) {
      this.#unsubscribe = this.#registry.subscribe(() => this.#changed());
    }
    this.#waiters.add(wake);
    this.#stale = true;
  }

  #leave(wake: Wake): void {
    this.#waiters.delete(wake);
    if (this.#waiters.size > 0) return;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  #changed(): void {
    if (this.#gathering) return;
    const untilMs = this.#lastReadMs + Math.min(mostGatherMs, gatherMs + this.#waitedFor * gatherMsPerName);
    const pauseMs = untilMs - this.#clock.monotonic();
    if (pauseMs <= 0) {
      this.#report();
      return;
    }
    this.#gathering = true;
    void this.#reportAfter(pauseMs);
  }

  async #reportAfter(pauseMs: number): Promise<void> {
    await this.#clock.sleep(pauseMs);
    this.#gathering = false;
    this.#report();
  }

  #report(): void {
    this.#stale = true;
    for (const waiter of this.#waiters) waiter.wake();
  }

  /** Compares the view with the one read before, and notes what differs at the view's revision. */
  #read(): FleetView {
    const seen = this.#seen;
    if (seen !== undefined && !this.#stale) return seen;
    const view = this.#registry.view();
    this.#lastReadMs = this.#clock.monotonic();
    this.#stale = false;
    this.#seen = view;
    if (seen === undefined || this.#changedAt.size > mostNames) {
      this.#since = view.revision;
      this.#changedAt.clear();
      return view;
    }
    const note = (name: UnitName): void => void this.#changedAt.set(name, view.revision);
    for (const name of differentKeys(seen.units, view.units)) note(name);
    for (const name of differentKeys(seen.placements, view.placements)) note(name);
    for (const name of differentKeys(seen.states, view.states, sameStates)) note(name);
    return view;
  }
}

export interface Changes {
  readonly view: FleetView;
  readonly names: readonly UnitName[];
}

function sameStates(a: ReadonlyMap<MachineId, UnitState>, b: ReadonlyMap<MachineId, UnitState>): boolean {
  return a.size === b.size && Array.from(a).every(([machine, state]) => b.get(machine) === state);
}
