/**
 * Text of bytes that need not be UTF-8. A byte that belongs to no character becomes a lone surrogate, U+DC80 to U+DCFF for 0x80 to 0xFF
 * (as in Python's PEP 383): no UTF-8 holds one, so names and values of any bytes stay apart, as in etcd. JSON keeps them as escapes.
 */
export function textOfBytes(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return textOfAnyBytes(bytes);
  }
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

function textOfAnyBytes(bytes: Uint8Array): string {
  // No character has more units than bytes.
  const units = Buffer.alloc(2 * bytes.length);
  let count = 0;
  let at = 0;
  while (at < bytes.length) {
    const length = characterLength(bytes, at);
    if (length === 0) {
      count = units.writeUInt16LE(0xdc00 + (bytes[at++] ?? 0), count);
      continue;
    }
    let point = (bytes[at] ?? 0) & (length === 1 ? 0x7f : 0xff >> (length + 1));
    for (const end = at++ + length; at < end; at++) point = (point << 6) | ((bytes[at] ?? 0) & 0x3f);
    if (point > 0xffff) {
      point -= 0x10000;
      count = units.writeUInt16LE(0xd800 + (point >> 10), count);
      point = 0xdc00 + (point & 0x3ff);
    }
    count = units.writeUInt16LE(point, count);
  }
  return units.toString("utf16le", 0, count);
}

/** How many bytes the character at `at` has; 0 when the byte there begins none (RFC 3629, section 4). */
function characterLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  const second = bytes[at + 1] ?? 0;
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(second) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const least = first === 0xe0 ? 0xa0 : 0x80;
    const most = first === 0xed ? 0x9f : 0xbf;
    return second >= least && second <= most && follows(bytes[at + 2]) ? 3 : 0;
  }
  if (first < 0xf0 || first > 0xf4) return 0;
  const least = first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xf4 ? 0x8f : 0xbf;
  return second >= least && second <= most && follows(bytes[at + 2]) && follows(bytes[at + 3]) ? 4 : 0;
}

function follows(byte = 0): boolean {
  return byte >= 0x80 && byte <= 0xbf;
}

/** JSON of `JSON.stringify`, in which every byte that belongs to no character is shown as Go shows it, as U+FFFD. */
export function showBytes(json: string): string {
  if (!json.includes("\\udc")) return json;
  // Runs are taken together, for values may hold little else. A backslash that is escaped itself begins no escape.
  const runs = /(?:\\\\){1,1000}|(?:\\udc[89a-f][0-9a-f]){1,1000}/g;
  return json.replaceAll(runs, (run) =>
    run.startsWith("\\u") ? shown.repeat(run.length / shown.length) : run,
  );
}

const shown = "\\ufffd";

/** Text as a key of the store, which takes nothing but characters: a byte that belongs to none is written out. */
export function storedText(text: string): string {
  if (!/[\udc80-\udcff\uffff]/.test(text)) return text;
  return text.replaceAll(/\uffff|[\udc80-\udcff]/gu, (found) =>
    found === "\uffff" ? "\uffff\uffff" : `\uffff${(found.charCodeAt(0) - 0xdc00).toString(16)}`,
  );
}

/** What `storedText` was made of. */
export function textOfStored(stored: string): string {
  if (!stored.includes("\uffff")) return stored;
  return stored.replaceAll(/\uffff(\uffff|[89a-f][0-9a-f])/g, (_, kept: string) =>
    kept === "\uffff" ? kept : String.fromCharCode(0xdc00 + Number.parseInt(kept, 16)),
  );
}
