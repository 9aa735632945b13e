import type { KeyRange } from "../store.ts";
import { refusals } from "./failures.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Above every key. */
const behindEverything = "\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}";
/** How many characters there are: code points without the halves of surrogate pairs. */
const characterCount = 0x11_0000 - 0x800;

/** The text that bytes are. Throws a Refusal when they are none. */
export function textOf(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    throw refusals.notText();
  }
}

export function bytesOf(text: string): Buffer {
  return Buffer.from(text, "utf8");
}

/**
 * The range that etcd's key and range_end stand for (etcd v3 API): no end is the key alone, an end of one zero byte is
 * everything from the key on, and so is a key of one zero byte with that end.
 */
export function rangeOf(key: Uint8Array, end: Uint8Array): KeyRange {
  if (key.length === 0) throw refusals.emptyKey();
  const from = textOf(key);
  if (end.length === 0) return { from };
  return { from, to: end.length === 1 && end[0] === 0 ? behindEverything : endOf(end) };
}

/**
 * The end of "every key with this prefix" is the prefix with one added to its last byte, which need not be text: then the lowest
 * text above it serves as well, because keys are text.
 */
function endOf(end: Uint8Array): string {
  const whole = decoded(end);
  if (whole !== undefined) return whole;
  const length = wholeCharacters(end);
  const before = decoded(end.subarray(0, length)) ?? "";
  const rest = end.subarray(length);
  const index = lowestFrom((at) => Buffer.compare(bytesOf(characterAt(at)), rest) >= 0);
  if (index < characterCount) return before + characterAt(index);
  return successor(before);
}

/** How many bytes at the beginning are whole characters. */
function wholeCharacters(bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at] ?? 0;
    const size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const character = bytes.subarray(at, at + size);
    if (character.length < size || decoded(character) === undefined) return at;
    at += size;
  }
  return bytes.length;
}

/** The lowest number, up to the count of characters, for which `isReached` holds; it does for all above, too. */
function lowestFrom(isReached: (at: number) => boolean): number {
  let [low, high] = [0, characterCount];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isReached(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function characterAt(index: number): string {
  return String.fromCodePoint(index < 0xd800 ? index : index + 0x800);
}

/** The lowest text above every text that begins with this one. */
function successor(text: string): string {
  const characters = Array.from(text);
  for (let last = characters.pop(); last !== undefined; last = characters.pop()) {
    const point = last.codePointAt(0) ?? 0;
    const index = point < 0xd800 ? point : point - 0x800;
    if (index + 1 < characterCount) return characters.join("") + characterAt(index + 1);
  }
  return behindEverything;
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}
