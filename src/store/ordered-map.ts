import { assert } from "../lib/assert.ts";
import { compareKeys } from "./range.ts";
import type { KeyRange } from "./store.ts";

/** Keys in one block before it is split; a block's insertion moves at most this many references. */
const blockSize = 512;

/**
 * A map from text keys to values that can be walked in key order (UTF-8 bytes) from any key.
 * Keys lie in sorted blocks, so that one insertion costs little however many keys there are.
 */
export class OrderedMap<V extends object> implements Iterable<[string, V]> {
  readonly #values = new Map<string, V>();
  readonly #blocks: string[][] = [];

  get size(): number {
    return this.#values.size;
  }

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  set(key: string, value: V): void {
    if (!this.#values.has(key)) this.#insert(key);
    this.#values.set(key, value);
  }

  /** Adds a key above all others, which needs no search. */
  append(key: string, value: V): void {
    const block = this.#blocks.at(-1);
    const last = block?.at(-1);
    assert(last === undefined || compareKeys(last, key) < 0, "an appended key is above all others");
    // Half full, so that insertions later need not split every block.
    if (block !== undefined && block.length < blockSize / 2) block.push(key);
    else this.#blocks.push([key]);
    this.#values.set(key, value);
  }

  /** Whether the key was there. */
  delete(key: string): boolean {
    if (!this.#values.delete(key)) return false;
    const place = this.#blockOf(key);
    const block = at(this.#blocks, place);
    block.splice(lowerBound(block, key), 1);
    if (block.length === 0) this.#blocks.splice(place, 1);
    return true;
  }

  clear(): void {
    this.#values.clear();
    this.#blocks.length = 0;
  }

  /** Keys and values of a range in key order. The map must not change during the walk. */
  *within(range: KeyRange): IterableIterator<[string, V]> {
    if (range.to === undefined) {
      const value = this.#values.get(range.from);
      if (value !== undefined) yield [range.from, value];
      return;
    }
    let place = this.#blockOf(range.from);
    let first = lowerBound(this.#blocks[place] ?? [], range.from);
    for (; place < this.#blocks.length; place++, first = 0) {
      const block = at(this.#blocks, place);
      for (let i = first; i < block.length; i++) {
        const key = at(block, i);
        if (compareKeys(key, range.to) >= 0) return;
        yield [key, this.#value(key)];
      }
    }
  }

  *[Symbol.iterator](): IterableIterator<[string, V]> {
    for (const key of this.keys()) yield [key, this.#value(key)];
  }

  /** Every key in key order. */
  *keys(): IterableIterator<string> {
    for (const block of this.#blocks) yield* block;
  }

  #value(key: string): V {
    const value = this.#values.get(key);
    assert(value !== undefined, "every key in a block has a value");
    return value;
  }

  #insert(key: string): void {
    const place = this.#blockOf(key);
    const block = this.#blocks[place];
    if (block === undefined) {
      this.#blocks.push([key]);
      return;
    }
    block.splice(lowerBound(block, key), 0, key);
    if (block.length > blockSize) this.#blocks.splice(place + 1, 0, block.splice(blockSize / 2));
  }

  /** Index of the last block whose first key is not above `key`; 0 when there is none. */
  #blockOf(key: string): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(at(at(this.#blocks, middle), 0), key) <= 0) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

/** Index of the first key in a sorted array that is not below `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(at(keys, middle), key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  assert(item !== undefined, "the index lies in the array");
  return item;
}
