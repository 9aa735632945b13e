/**
 * Finds the lines of keys and list elements as the original does: by looking through the text, not by asking the
 * parser. So a word in a block of text may be taken for a key, and a key in quotes has no line.
 */
export class LineFinder {
  readonly #keys = new Map<string, number[]>();
  readonly #elements: number[] = [];

  /** @param text the whole user-data, header included */
  constructor(text: string) {
    for (const [index, line] of text.replaceAll("\r", "").split("\n").entries()) {
      const key = /^ *-? ?(.*?):/.exec(line)?.[1];
      if (key !== undefined) {
        const lines = this.#keys.get(key);
        if (lines === undefined) this.#keys.set(key, [index + 1]);
        else lines.push(index + 1);
      }
      if (/^ *-/.test(line)) this.#elements.push(index + 1);
    }
  }

  /** The first line from `from` on that looks as if it held this key; 0 for none, and 0 below what has none. */
  key(name: string, from: number): number {
    return firstFrom(this.#keys.get(name) ?? [], from);
  }

  /** The first line from `from` on that begins with a dash; 0 for none. */
  element(from: number): number {
    return firstFrom(this.#elements, from);
  }
}

function firstFrom(lines: readonly number[], from: number): number {
  if (from === 0) return 0;
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lines[middle] ?? 0) < from) low = middle + 1;
    else high = middle;
  }
  return lines[low] ?? 0;
}
