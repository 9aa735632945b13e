import { matchesGlob } from "../lib/glob.ts";
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
  /** The patterns by their plain beginnings, as far as `indexedLength`. */
  readonly #byStart = new Map<string, { readonly pattern: string; readonly number: number }[]>();
  readonly #startLengths = new Set<number>();
  /** Names by as many of their first characters. */
  readonly #names = new Map<string, Set<UnitName>>();

  constructor(units: readonly Naming[]) {
    for (const { name, patterns } of units) {
      enterSet(this.#names, name.slice(0, indexedLength), name);
      this.#number(name, patterns);
    }
    for (const [pattern, number] of this.#numbers) this.#match(pattern, number);
  }

  /** Takes in one more unit; answers which names fit a pattern that no unit had before, with the pattern. */
  add({ name, patterns }: Naming): readonly { readonly name: UnitName; readonly pattern: number }[] {
    enterSet(this.#names, name.slice(0, indexedLength), name);
    for (const length of this.#startLengths) {
      for (const { pattern, number } of this.#byStart.get(name.slice(0, length)) ?? []) {
        if (matchesGlob(pattern, name)) enterList(this.#matched, name, number);
      }
    }
    return this.#number(name, patterns).flatMap(({ pattern, number }) =>
      this.#match(pattern, number).map((fitting) => ({ name: fitting, pattern: number })),
    );
  }

  /** Forgets a unit. Its patterns keep their numbers: others may have them, and no harm is done by one that nobody has. */
  remove(name: UnitName): void {
    this.#names.get(name.slice(0, indexedLength))?.delete(name);
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
        const start = plainStart(pattern).slice(0, indexedLength);
        this.#startLengths.add(start.length);
        enterList(this.#byStart, start, { pattern, number });
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
    for (const name of this.#beginning(plainStart(pattern))) {
      if (!matchesGlob(pattern, name)) continue;
      enterList(this.#matched, name, number);
      fitting.push(name);
    }
    return fitting;
  }

  /** Every name that begins with a text, and some that do not. */
  *#beginning(start: string): Iterable<UnitName> {
    if (start.length >= indexedLength) {
      yield* this.#names.get(start.slice(0, indexedLength)) ?? [];
      return;
    }
    for (const [key, names] of this.#names) if (key.startsWith(start)) yield* names;
  }
}

/** By how many of their first characters names, and the plain beginnings of patterns, are found. */
const indexedLength = 8;

/** The characters that a name has to begin with to fit a glob. */
function plainStart(pattern: string): string {
  return /^[^*?[\\]*/.exec(pattern)?.[0] ?? "";
}

function enterList<Member>(lists: Map<string, Member[]>, key: string, member: Member): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [member]);
  else list.push(member);
}

/** In which crowds a cluster has units that have, or fit, each pattern; a crowd is told by what it was made with. */
export class Whereabouts<Place> {
  readonly having = new Map<number, Set<Place>>();
  readonly matching = new Map<number, Set<Place>>();
  readonly #relation: Relation;

  constructor(relation: Relation) {
    this.#relation = relation;
  }

  /** Where a unit, which itself is nowhere, would meet one that it names or that names it. */
  meeting(name: UnitName): ReadonlySet<Place> {
    const sets = [
      ...this.#relation.own(name).map((pattern) => this.matching.get(pattern)),
      ...this.#relation.matched(name).map((pattern) => this.having.get(pattern)),
    ].filter((places) => places !== undefined);
    const [first = new Set<Place>(), ...others] = sets;
    return others.length === 0 ? first : new Set(sets.flatMap((places) => [...places]));
  }
}

/** The units of one machine, indexed so that those related to a given unit are found without going through all. */
export class Crowd<Place> {
  readonly #relation: Relation;
  readonly #place: Place;
  readonly #everywhere: Whereabouts<Place>;
  readonly #having = new Map<number, Set<UnitName>>();
  readonly #matching = new Map<number, Set<UnitName>>();

  constructor(relation: Relation, place: Place, everywhere: Whereabouts<Place>) {
    this.#relation = relation;
    this.#place = place;
    this.#everywhere = everywhere;
  }

  add(name: UnitName): void {
    for (const pattern of this.#relation.own(name)) {
      enterSet(this.#having, pattern, name);
      enterSet(this.#everywhere.having, pattern, this.#place);
    }
    for (const pattern of this.#relation.matched(name)) this.addMatch(name, pattern);
  }

  remove(name: UnitName): void {
    for (const pattern of this.#relation.own(name)) {
      if (leave(this.#having, pattern, name)) leave(this.#everywhere.having, pattern, this.#place);
    }
    for (const pattern of this.#relation.matched(name)) {
      if (leave(this.#matching, pattern, name)) leave(this.#everywhere.matching, pattern, this.#place);
    }
  }

  /** Notes that a unit here fits a pattern that is new. */
  addMatch(name: UnitName, pattern: number): void {
    enterSet(this.#matching, pattern, name);
    enterSet(this.#everywhere.matching, pattern, this.#place);
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

function enterSet<Key, Member>(sets: Map<Key, Set<Member>>, key: Key, member: Member): void {
  const members = sets.get(key);
  if (members === undefined) sets.set(key, new Set([member]));
  else members.add(member);
}

/** True when nobody is left. */
function leave<Member>(index: Map<number, Set<Member>>, pattern: number, member: Member): boolean {
  const members = index.get(pattern);
  members?.delete(member);
  if (members?.size === 0) index.delete(pattern);
  return members === undefined || members.size === 0;
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
