import type { ManagedUnit } from "../fleet/unit-manager.ts";
import type { UnitName } from "../fleet/model.ts";

/** What a PropertiesChanged signal said about a unit; absent properties did not change. */
export interface StateChange {
  readonly active?: string;
  readonly sub?: string;
}

/**
 * The last known state of every unit of ours, and which of them changed since somebody was told. Pure bookkeeping.
 *
 * What is read and what is signalled overtake each other: a signal may be handled before the answer that was sent ahead of
 * it. So signals that come during a read win over what the read says; a state that is newer still has a signal of its own.
 */
export class UnitStates {
  readonly #known = new Map<UnitName, ManagedUnit>();
  readonly #changed = new Set<UnitName>();
  /** What was signalled, of any unit, since reads are under way. */
  readonly #meanwhile = new Map<UnitName, StateChange>();
  #reads = 0;

  /** A read of states from systemd begins; `endRead` has to follow in any case. */
  beginRead(): void {
    this.#reads++;
  }

  endRead(): void {
    this.#reads--;
    if (this.#reads === 0) this.#meanwhile.clear();
  }

  /** Signals were missed: those that came before say nothing any more. */
  missedSignals(): void {
    this.#meanwhile.clear();
  }

  /** Every unit there is was read; those that nobody knew are taken in silently, `isGone` tells which are no more. */
  putAll(units: readonly ManagedUnit[], isGone: (name: UnitName) => boolean): void {
    const read = new Set(units.map((unit) => unit.name));
    for (const name of this.#known.keys()) if (!read.has(name) && isGone(name)) this.forget(name);
    for (const unit of units) {
      const isNew = !this.#known.has(unit.name);
      this.put(unit);
      if (isNew && !this.#meanwhile.has(unit.name)) this.#changed.delete(unit.name);
    }
  }

  /** A unit was loaded. */
  put(read: ManagedUnit): void {
    const before = this.#known.get(read.name);
    const unit = { ...read, ...this.#meanwhile.get(read.name) };
    this.#known.set(unit.name, unit);
    if (before === undefined || !isSame(before, unit)) this.#changed.add(unit.name);
  }

  forget(name: UnitName): void {
    this.#known.delete(name);
    this.#changed.delete(name);
  }

  get(name: UnitName): ManagedUnit | undefined {
    return this.#known.get(name);
  }

  /** A signal came; units that are not ours are passed over. True when a known state changed. */
  change(name: UnitName, change: StateChange): boolean {
    if (this.#reads > 0) this.#meanwhile.set(name, { ...this.#meanwhile.get(name), ...change });
    const before = this.#known.get(name);
    if (before === undefined) return false;
    const after = { ...before, ...change };
    if (isSame(before, after)) return false;
    this.#known.set(name, after);
    this.#changed.add(name);
    return true;
  }

  /** systemd has just said what the unit's Result is. */
  setResult(name: UnitName, result: string): void {
    const unit = this.#known.get(name);
    if (unit !== undefined) this.#known.set(name, { ...unit, result });
  }

  get hasChanges(): boolean {
    return this.#changed.size > 0;
  }

  /** The names that changed, once. */
  takeChanged(): readonly UnitName[] {
    const names = [...this.#changed];
    this.#changed.clear();
    return names;
  }
}

/**
 * Whether the Result property has to be read to know it: a running or orderly stopped unit has `success`, one on its way
 * keeps what it had.
 */
export function resultIsOpen(unit: { readonly active: string; readonly sub: string }): boolean {
  return unit.active === "failed" || unit.sub.startsWith("auto-restart");
}

function isSame(one: ManagedUnit, other: ManagedUnit): boolean {
  return (
    one.active === other.active &&
    one.sub === other.sub &&
    one.load === other.load &&
    one.hash === other.hash &&
    one.result === other.result
  );
}
