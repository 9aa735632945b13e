import type { KeyRange } from "./store.ts";

/** The single key. */
export function exactly(key: string): KeyRange {
  return { from: key };
}

/** Every key that begins with `prefix`; the prefix is not empty and ends in an ASCII character. */
export function under(prefix: string): KeyRange {
  const last = prefix.charCodeAt(prefix.length - 1);
  return { from: prefix, to: prefix.slice(0, -1) + String.fromCharCode(last + 1) };
}

/** Keys from `from` up to, and without, `to`. */
export function between(from: string, to: string): KeyRange {
  return { from, to };
}

/** Orders text as its UTF-8 bytes are ordered (UTF-16 units differ above U+FFFF). */
export function compareKeys(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Moves surrogates, which stand for code points above U+FFFF, behind the rest of the 16-bit units. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** Whether a key lies in a range. */
export function contains(range: KeyRange, key: string): boolean {
  if (range.to === undefined) return key === range.from;
  return compareKeys(range.from, key) <= 0 && compareKeys(key, range.to) < 0;
}
