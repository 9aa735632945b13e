import { matchesGlob } from "../lib/glob.ts";
import type { UnitName } from "./model.ts";

/**
 * Which units name which others by globs (Conflicts or Replaces), worked out once for all units: every pattern that
 * occurs gets a number, so that no glob is matched again while units are placed.
 */
export class Relation {
  readonly #own = new Map<UnitName, readonly number[]>();
  readonly #matched = new Map<UnitName, number[]>();

  constructor(units: readonly { readonly name: UnitName; readonly patterns: readonly string[] }[]) {
    const numbers = new Map<string, number>();
    for (const { name, patterns } of units) {
      if (patterns.length === 0) continue;
      const own = new Set(patterns.map((pattern) => numberOf(numbers, pattern)));
      this.#own.set(name, [...own]);
    }
    const names = units.map((unit) => unit.name);
    for (const [pattern, number] of numbers) {
      const literal = !/[*?[\\]/.test(pattern);
      for (const name of literal ? [pattern] : names) {
        if (!literal && !matchesGlob(pattern, name)) continue;
        const matched = this.#matched.get(name);
        if (matched === undefined) this.#matched.set(name, [number]);
        else matched.push(number);
      }
    }
  }

  /** The patterns that a unit names others by. */
  own(name: UnitName): readonly number[] {
    return this.#own.get(name) ?? [];
  }

  /** The patterns, of any unit, that a name fits. */
  matched(name: UnitName): readonly number[] {
    return this.#matched.get(name) ?? [];
  }

  /** True when `one` names `other`. */
  names(one: UnitName, other: UnitName): boolean {
    const matched = this.matched(other);
    return this.own(one).some((pattern) => matched.includes(pattern));
  }
}

function numberOf(numbers: Map<string, number>, pattern: string): number {
  const known = numbers.get(pattern);
  if (known !== undefined) return known;
  numbers.set(pattern, numbers.size);
  return numbers.size - 1;
}

/** The units of one machine, indexed so that those related to a given unit are found without going through all. */
export class Crowd {
  readonly #relation: Relation;
  readonly #having = new Map<number, Set<UnitName>>();
  readonly #matching = new Map<number, Set<UnitName>>();

  constructor(relation: Relation) {
    this.#relation = relation;
  }

  add(name: UnitName): void {
    for (const pattern of this.#relation.own(name)) enter(this.#having, pattern, name);
    for (const pattern of this.#relation.matched(name)) enter(this.#matching, pattern, name);
  }

  remove(name: UnitName): void {
    for (const pattern of this.#relation.own(name)) this.#having.get(pattern)?.delete(name);
    for (const pattern of this.#relation.matched(name)) this.#matching.get(pattern)?.delete(name);
  }

  /** Units here, other than itself, that a unit names. */
  namedBy(name: UnitName): ReadonlySet<UnitName> {
    return collect(this.#relation.own(name), this.#matching, name);
  }

  /** Units here, other than itself, that name a unit. */
  naming(name: UnitName): ReadonlySet<UnitName> {
    return collect(this.#relation.matched(name), this.#having, name);
  }
}

const nobody: ReadonlySet<UnitName> = new Set();

function enter(index: Map<number, Set<UnitName>>, pattern: number, name: UnitName): void {
  const names = index.get(pattern);
  if (names === undefined) index.set(pattern, new Set([name]));
  else names.add(name);
}

function collect(
  patterns: readonly number[],
  index: ReadonlyMap<number, ReadonlySet<UnitName>>,
  self: UnitName,
): ReadonlySet<UnitName> {
  let found: Set<UnitName> | undefined;
  for (const pattern of patterns) {
    for (const name of index.get(pattern) ?? nobody) {
      if (name === self) continue;
      found ??= new Set();
      found.add(name);
    }
  }
  return found ?? nobody;
}
