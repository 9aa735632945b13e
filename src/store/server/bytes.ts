import type { KeyRange } from "../store.ts";
import { refusals } from "./failures.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Above every key. */
const behindEverything = "\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}";

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
  for (let length = end.length; length >= Math.max(0, end.length - 4); length--) {
    const whole = decoded(end.subarray(0, length));
    if (whole === undefined) continue;
    const next = end[length];
    if (next === undefined) return whole;
    // A continuation byte where a character begins: above all of ASCII, below all else.
    if (next < 0xc2) return `${whole}\u0080`;
    return whole + characterFrom(end.subarray(length));
  }
  throw refusals.notText();
}

/** The lowest character whose bytes are not below these, which are none themselves. */
function characterFrom(bytes: Uint8Array): string {
  const [first = 0] = bytes;
  if (first >= 0xf5) return behindEverything;
  const size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const padded = Uint8Array.from({ length: size }, (_, at) => bytes[at] ?? 0x80);
  for (let at = size - 1; at > 0; at--) {
    // A byte that is too high for its place carries over into the one before.
    if ((padded[at] ?? 0) > 0xbf) {
      padded.fill(0x80, at);
      padded[at - 1] = (padded[at - 1] ?? 0) + 1;
    } else if ((padded[at] ?? 0) < 0x80) padded.fill(0x80, at);
  }
  return decoded(padded) ?? behindEverything;
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}
