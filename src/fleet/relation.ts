import { matchesGlob } from "../lib/glob.ts";
import { compareText } from "../lib/text.ts";
import type { UnitName } from "./model.ts";

/** A unit with the globs by which it names others. */
export interface Naming {
  readonly name: UnitName;
  readonly patterns: readonly string[];
}

/**
 * Which units name which others by globs (Conflicts or Replaces), worked out once for all units: every pattern that
 * occurs gets a number, so that no glob is matched again while units are placed.
 */
export class Relation {
  readonly #numbers = new Map<string, number>();
  readonly #own = new Map<UnitName, readonly number[]>();
  readonly #matched = new Map<UnitName, number[]>();
  /** In order, so that the names with a pattern's first characters lie together. */
  readonly #names: UnitName[];

  constructor(units: readonly Naming[]) {
    this.#names = units.map(({ name }) => name).sort(compareText);
    for (const { name, patterns } of units) this.#number(name, patterns);
    for (const [pattern, number] of this.#numbers) this.#match(pattern, number);
  }

  /** Takes in one more unit; answers which names fit a pattern that no unit had before, with the pattern. */
  add({ name, patterns }: Naming): readonly { readonly name: UnitName; readonly pattern: number }[] {
    this.#names.splice(placeOf(this.#names, name), 0, name);
    for (const [pattern, number] of this.#numbers) {
      if (matchesGlob(pattern, name)) enterList(this.#matched, name, number);
    }
    return this.#number(name, patterns).flatMap(({ pattern, number }) =>
      this.#match(pattern, number).map((fitting) => ({ name: fitting, pattern: number })),
    );
  }

  /** Forgets a unit. Its patterns keep their numbers: others may have them, and no harm is done by one that nobody has. */
  remove(name: UnitName): void {
    const place = placeOf(this.#names, name);
    if (this.#names[place] === name) this.#names.splice(place, 1);
    this.#own.delete(name);
    this.#matched.delete(name);
  }

  /** The patterns that a unit names others by. */
  own(name: UnitName): readonly number[] {
    return this.#own.get(name) ?? [];
  }

  /** The patterns, of any unit, that a name fits. */
  matched(name: UnitName): readonly number[] {
    return this.#matched.get(name) ?? [];
  }

  /** True for a unit that names no other and that none names. */
  isAlone(name: UnitName): boolean {
    return !this.#own.has(name) && !this.#matched.has(name);
  }

  /** True when `one` names `other`. */
  names(one: UnitName, other: UnitName): boolean {
    const matched = this.matched(other);
    return this.own(one).some((pattern) => matched.includes(pattern));
  }

  /** Notes a unit's own patterns; answers those that are new. */
  #number(name: UnitName, patterns: readonly string[]): { pattern: string; number: number }[] {
    const fresh: { pattern: string; number: number }[] = [];
    if (patterns.length === 0) return fresh;
    const own = new Set<number>();
    for (const pattern of patterns) {
      let number = this.#numbers.get(pattern);
      if (number === undefined) {
        number = this.#numbers.size;
        this.#numbers.set(pattern, number);
        fresh.push({ pattern, number });
      }
      own.add(number);
    }
    this.#own.set(name, [...own]);
    return fresh;
  }

  /** Notes which names fit a pattern. */
  #match(pattern: string, number: number): UnitName[] {
    const fitting: UnitName[] = [];
    const start = /^[^*?[\\]*/.exec(pattern)?.[0] ?? "";
    for (let at = placeOf(this.#names, start); at < this.#names.length; at++) {
      const name = this.#names[at] ?? "";
      if (!name.startsWith(start)) break;
      if (!matchesGlob(pattern, name)) continue;
      enterList(this.#matched, name, number);
      fitting.push(name);
    }
    return fitting;
  }
}

/** How many of the sorted names come before a text. */
function placeOf(names: readonly UnitName[], text: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((names[middle] ?? "") < text) low = middle + 1;
    else high = middle;
  }
  return low;
}

function enterList(lists: Map<UnitName, number[]>, name: UnitName, number: number): void {
  const list = lists.get(name);
  if (list === undefined) lists.set(name, [number]);
  else list.push(number);
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

  /** Notes that a unit here fits a pattern that is new. */
  addMatch(name: UnitName, pattern: number): void {
    enter(this.#matching, pattern, name);
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
