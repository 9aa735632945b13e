import type { EventNote } from "./events.ts";
import type { MachineId, UnitName, UnitState } from "./model.ts";

/** States of one unit that are written down within `windowMs`; what comes beyond that is counted only. */
const mostInWindow = 20;
const windowMs = 60_000;

/** What was last written down about a unit, and how often of late. */
interface Written {
  readonly text: string;
  readonly windowStartMs: number;
  readonly count: number;
  readonly omitted: number;
}

/**
 * Decides which changes of unit states are worth an event: those that an operator would see, and of a unit that starts
 * over and over not each one, so that it does not push everything else out of the history.
 */
export class StateNotes {
  readonly #machine: MachineId;
  readonly #monotonic: () => number;
  readonly #written = new Map<UnitName, Written>();

  /** @param monotonic a clock that never jumps, in ms */
  constructor(machine: MachineId, monotonic: () => number) {
    this.#machine = machine;
    this.#monotonic = monotonic;
  }

  /** The events for these changes; a unit without a state has gone from the machine. */
  of(
    changes: readonly { readonly unit: UnitName; readonly state: UnitState | undefined }[],
  ): readonly EventNote[] {
    return changes.flatMap(({ unit, state }) => {
      const note = this.#note(unit, state);
      return note === undefined ? [] : [note];
    });
  }

  /** Takes back that something was written down about these units: the transaction with it failed. */
  forget(units: readonly UnitName[]): void {
    for (const unit of units) this.#written.delete(unit);
  }

  #note(unit: UnitName, state: UnitState | undefined): EventNote | undefined {
    const machine = this.#machine;
    if (state === undefined) {
      this.#written.delete(unit);
      return { kind: "state.changed", unit, machine, because: "not on this machine any more" };
    }
    const { load, active, sub, result, problem } = state;
    const seen = {
      active,
      sub,
      load,
      ...(result === undefined || result === "success" ? {} : { result }),
      ...(problem === undefined ? {} : { problem }),
    };
    const text = JSON.stringify(seen);
    const now = this.#monotonic();
    const before = this.#written.get(unit);
    if (before?.text === text) return undefined;
    const fresh = before === undefined || now - before.windowStartMs >= windowMs;
    const count = fresh ? 0 : before.count;
    const windowStartMs = fresh ? now : before.windowStartMs;
    const omitted = before?.omitted ?? 0;
    if (count >= mostInWindow) {
      this.#written.set(unit, { text, windowStartMs, count, omitted: omitted + 1 });
      return undefined;
    }
    this.#written.set(unit, { text, windowStartMs, count: count + 1, omitted: 0 });
    return { kind: "state.changed", unit, machine, state: seen, ...(omitted === 0 ? {} : { omitted }) };
  }
}
