/** Quoted texts as Go's standard library prints them (`%q`, strconv.Quote), because the originals' messages carry them. */

/** A text in double quotes. */
export function goQuoted(text: string): string {
  return `"${Array.from(text, (letter) => escaped(letter, '"')).join("")}"`;
}

/** One character in single quotes. */
export function goQuotedCharacter(character: string): string {
  return `'${escaped(character, "'")}'`;
}

const short: ReadonlyMap<string, string> = new Map([
  ["\x07", "\\a"],
  ["\b", "\\b"],
  ["\f", "\\f"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  ["\v", "\\v"],
  ["\\", "\\\\"],
]);

function escaped(letter: string, quote: string): string {
  if (letter === quote) return `\\${quote}`;
  const known = short.get(letter);
  if (known !== undefined) return known;
  if (/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(letter)) return letter;
  const code = letter.codePointAt(0) ?? 0;
  const digits = code.toString(16);
  if (code < 0x80) return `\\x${digits.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${digits.padStart(4, "0")}` : `\\U${digits.padStart(8, "0")}`;
}
