import { compareText } from "./text.ts";

/** Entries of one block; a block with twice as many is split. A change copies its block and the list of blocks. */
const blockSize = 64;

interface Block<V> {
  readonly keys: readonly string[];
  readonly values: readonly V[];
}

/**
 * A map that is walked in the order of its keys (UTF-16 code units) and never changes: a changed one shares with it every
 * block of entries in which nothing changed, so that a new version of a large map costs what has changed.
 */
export class SortedMap<V> implements ReadonlyMap<string, V> {
  readonly size: number;
  readonly #blocks: readonly Block<V>[];

  private constructor(blocks: readonly Block<V>[]) {
    this.#blocks = blocks;
    this.size = blocks.reduce((sum, block) => sum + block.keys.length, 0);
  }

  static empty<V>(): SortedMap<V> {
    return new SortedMap<V>([]);
  }

  /** This map with other values under these keys; undefined takes a key away. */
  with(changes: ReadonlyMap<string, V | undefined>): SortedMap<V> {
    if (changes.size === 0) return this;
    const sorted = [...changes].sort(([left], [right]) => compareText(left, right));
    const blocks: Block<V>[] = [];
    let next = 0;
    const old = this.#blocks.length === 0 ? [nothing] : this.#blocks;
    for (const [place, block] of old.entries()) {
      // Whatever comes before the first key of the next block belongs here.
      const end = old[place + 1]?.keys[0];
      const first = next;
      next = countWhile(sorted.length, (at) => end === undefined || (sorted[at]?.[0] ?? "") < end);
      if (next === first) blocks.push(block);
      else blocks.push(...split(merged(block, sorted.slice(first, next))));
    }
    return new SortedMap(blocks);
  }

  get(key: string): V | undefined {
    const place = countWhile(this.#blocks.length, (at) => (this.#blocks[at]?.keys[0] ?? "") <= key) - 1;
    const block = this.#blocks[place];
    if (block === undefined) return undefined;
    const at = countWhile(block.keys.length, (each) => (block.keys[each] ?? "") < key);
    return block.keys[at] === key ? block.values[at] : undefined;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  *entries(): MapIterator<[string, V]> {
    for (const { keys, values } of this.#blocks) {
      for (const [at, key] of keys.entries()) yield [key, values[at] as V];
    }
  }

  *keys(): MapIterator<string> {
    for (const { keys } of this.#blocks) yield* keys;
  }

  *values(): MapIterator<V> {
    for (const { values } of this.#blocks) yield* values;
  }

  [Symbol.iterator](): MapIterator<[string, V]> {
    return this.entries();
  }

  forEach(call: (value: V, key: string, map: ReadonlyMap<string, V>) => void): void {
    for (const [key, value] of this) call(value, key, this);
  }

  /** Keys that may differ between this map and another version of it: those of the blocks that the two do not share. */
  suspects(other: SortedMap<V>): Set<string> {
    const suspects = new Set<string>();
    const [ours, theirs] = [new Set(this.#blocks), new Set(other.#blocks)];
    for (const block of ours) if (!theirs.has(block)) for (const key of block.keys) suspects.add(key);
    for (const block of theirs) if (!ours.has(block)) for (const key of block.keys) suspects.add(key);
    return suspects;
  }
}

/** The keys whose values are not the same in two maps, a key that one of them lacks among them. */
export function differentKeys<V>(
  before: ReadonlyMap<string, V>,
  now: ReadonlyMap<string, V>,
  same: (left: V, right: V) => boolean = Object.is,
): string[] {
  if (before === now) return [];
  const suspects =
    before instanceof SortedMap && now instanceof SortedMap
      ? (before as SortedMap<V>).suspects(now as SortedMap<V>)
      : new Set([...before.keys(), ...now.keys()]);
  return [...suspects].filter((key) => {
    const [left, right] = [before.get(key), now.get(key)];
    return left === undefined || right === undefined ? left !== right : !same(left, right);
  });
}

const nothing: Block<never> = { keys: [], values: [] };

/** A block with changes, both in key order. */
function merged<V>(block: Block<V>, changes: readonly (readonly [string, V | undefined])[]): Block<V> {
  const keys: string[] = [];
  const values: V[] = [];
  let old = 0;
  const keepUntil = (key: string | undefined): void => {
    for (; old < block.keys.length; old++) {
      const own = block.keys[old] ?? "";
      if (key !== undefined && own >= key) return;
      keys.push(own);
      values.push(block.values[old] as V);
    }
  };
  for (const [key, value] of changes) {
    keepUntil(key);
    if (block.keys[old] === key) old++;
    if (value === undefined) continue;
    keys.push(key);
    values.push(value);
  }
  keepUntil(undefined);
  return { keys, values };
}

/** As many blocks as the entries need: none for nothing. */
function split<V>({ keys, values }: Block<V>): Block<V>[] {
  if (keys.length === 0) return [];
  if (keys.length < 2 * blockSize) return [{ keys, values }];
  const blocks: Block<V>[] = [];
  for (let first = 0; first < keys.length; first += blockSize) {
    blocks.push({
      keys: keys.slice(first, first + blockSize),
      values: values.slice(first, first + blockSize),
    });
  }
  return blocks;
}

/** How many of so many places, from the first on, something holds for; it holds for none after the first where it does not. */
function countWhile(count: number, holds: (at: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
