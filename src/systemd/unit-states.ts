import type { ManagedUnit } from "../fleet/unit-manager.ts";
import type { UnitName } from "../fleet/model.ts";

/** What a PropertiesChanged signal said about a unit; absent properties did not change. */
export interface StateChange {
  readonly active?: string;
  readonly sub?: string;
}

/** The last known state of every unit of ours, and which of them changed since somebody was told. Pure bookkeeping. */
export class UnitStates {
  readonly #known = new Map<UnitName, ManagedUnit>();
  readonly #changed = new Set<UnitName>();

  /** Replaces everything by what was read afresh. */
  replaceAll(units: readonly ManagedUnit[]): void {
    this.#known.clear();
    this.#changed.clear();
    for (const unit of units) this.#known.set(unit.name, unit);
  }

  /** A unit was loaded or read afresh. */
  put(unit: ManagedUnit): void {
    const before = this.#known.get(unit.name);
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
    const before = this.#known.get(name);
    if (before === undefined) return false;
    const after = { ...before, active: change.active ?? before.active, sub: change.sub ?? before.sub };
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
