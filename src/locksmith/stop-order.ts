import type { StopAfter, UnitTies } from "./machine-control.ts";

/**
 * In which order units are to be stopped so that none loses what it depends on while it runs. systemd itself keeps stop jobs in
 * the reverse of After= and Before= (systemd.unit(5)), as long as it has heard of both: so units come in that order, and need
 * not wait for each other. Of Requires=, Requisite= and BindsTo= without any order systemd makes none; there the unit that needs
 * the other one has to have ended before. Where units come after each other in a circle, the names decide.
 */
export function stopOrder(units: readonly UnitTies[]): readonly StopAfter[] {
  const inNameOrder = [...units].sort((a, b) => (a.name < b.name ? -1 : 1));
  const sequence = new Sequence(inNameOrder.map(({ name }) => name));
  for (const { name, after } of inNameOrder) for (const other of after) sequence.put(name, other);
  const waits = new Map<string, string[]>();
  for (const { name, requires } of inNameOrder) {
    for (const other of requires) {
      if (!sequence.knows(other) || sequence.isBefore(name, other) || !sequence.put(name, other)) continue;
      waits.set(other, [...(waits.get(other) ?? []), name]);
    }
  }
  return sequence.all().map((name) => ({ name, waitsFor: waits.get(name) ?? [] }));
}

/** Names, of which some have to come before others. */
class Sequence {
  readonly #names: readonly string[];
  /** For each name those that come right after it. */
  readonly #next: ReadonlyMap<string, Set<string>>;

  constructor(names: readonly string[]) {
    this.#names = names;
    this.#next = new Map(names.map((name) => [name, new Set<string>()]));
  }

  knows(name: string): boolean {
    return this.#next.has(name);
  }

  /** Puts one before another; false when one of them is not among the names, or the other one has to be before already. */
  put(first: string, then: string): boolean {
    const next = this.#next.get(first);
    if (next === undefined || first === then || !this.knows(then) || this.isBefore(then, first)) return false;
    next.add(then);
    return true;
  }

  isBefore(first: string, then: string): boolean {
    const seen = new Set([first]);
    for (const name of seen) for (const next of this.#next.get(name) ?? []) seen.add(next);
    return first !== then && seen.has(then);
  }

  all(): readonly string[] {
    const before = new Map(this.#names.map((name) => [name, 0]));
    for (const next of this.#next.values())
      for (const name of next) before.set(name, (before.get(name) ?? 0) + 1);
    const sorted = this.#names.filter((name) => before.get(name) === 0);
    for (const name of sorted) {
      for (const next of this.#next.get(name) ?? []) {
        const left = (before.get(next) ?? 0) - 1;
        before.set(next, left);
        if (left === 0) sorted.push(next);
      }
    }
    return sorted;
  }
}
