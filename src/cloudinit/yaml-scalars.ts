import { type Cursor, isBlank, isBlankOrEnd, isBreak, isBreakOrEnd, refusal } from "./yaml-cursor.ts";

/** Texts of YAML 1.1: plain, in quotes, and in blocks. The words of refusals are libyaml's. */

/** Line ends and blanks between two pieces of a text, which become one blank or as many line ends as there were but one. */
class Fold {
  #blanks = "";
  #first = "";
  #more = "";
  hasBreak = false;

  /** Takes blanks and line ends. With `checkTab` each tab in front of a text is told first. */
  take(cursor: Cursor, checkTab?: () => void): void {
    for (let letter = cursor.peek(); isBlank(letter) || isBreak(letter); letter = cursor.peek()) {
      if (isBlank(letter)) {
        if (this.hasBreak && letter === "\t") checkTab?.();
        if (this.hasBreak) cursor.pass();
        else this.#blanks += cursor.read();
      } else if (this.hasBreak) {
        this.#more += cursor.readBreak();
      } else {
        this.#blanks = "";
        this.#first = cursor.readBreak();
        this.hasBreak = true;
      }
    }
  }

  /** A line end in quotes that a backslash takes away. */
  escapeBreak(cursor: Cursor): void {
    cursor.pass();
    cursor.readBreak();
    this.hasBreak = true;
  }

  text(): string {
    if (!this.hasBreak) return this.#blanks;
    if (this.#first !== "\n") return this.#first + this.#more;
    return this.#more === "" ? " " : this.#more;
  }
}

/**
 * A text without quotes.
 * @param indent the least column, from 0, at which it goes on in a further line
 * @returns the text, and whether a line ended behind it
 */
export function scanPlain(
  cursor: Cursor,
  indent: number,
  isInFlow: boolean,
): { readonly text: string; readonly endsLine: boolean } {
  let text = "";
  let fold: Fold | undefined;
  for (;;) {
    if (cursor.isAtDocumentMark() || cursor.peek() === "#") break;
    while (!isBlankOrEnd(cursor.peek())) {
      const letter = cursor.peek();
      if (isInFlow && letter === ":" && !isBlankOrEnd(cursor.peek(1))) {
        throw refusal(cursor, "found unexpected ':'");
      }
      if (letter === ":" && isBlankOrEnd(cursor.peek(1))) break;
      if (isInFlow && ",?[]{}".includes(letter)) break;
      if (fold !== undefined) text += fold.text();
      fold = undefined;
      text += cursor.read();
    }
    if (!isBlank(cursor.peek()) && !isBreak(cursor.peek())) break;
    fold ??= new Fold();
    fold.take(cursor, () => {
      // In the words of 2014; libyaml says "violates" since.
      if (cursor.column - 1 < indent) throw refusal(cursor, "found a tab character that violate indentation");
    });
    if (!isInFlow && cursor.column - 1 < indent) break;
  }
  return { text, endsLine: fold?.hasBreak === true };
}

const escapes: Readonly<Record<string, string>> = {
  "0": "\0",
  a: "\x07",
  b: "\b",
  t: "\t",
  "\t": "\t",
  n: "\n",
  v: "\v",
  f: "\f",
  r: "\r",
  e: "\x1b",
  " ": " ",
  '"': '"',
  "'": "'",
  "\\": "\\",
  N: "\x85",
  _: "\xa0",
  L: "\u2028",
  P: "\u2029",
};

const escapedDigits: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/** A text in single or double quotes, of which the first stands at the cursor. */
export function scanQuoted(cursor: Cursor): string {
  const quote = cursor.read();
  let text = "";
  for (;;) {
    if (cursor.isAtDocumentMark()) throw refusal(cursor, "found unexpected document indicator");
    if (cursor.peek() === "") throw refusal(cursor, "found unexpected end of stream");
    const fold = new Fold();
    while (!isBlankOrEnd(cursor.peek())) {
      if (cursor.peek() === quote) {
        if (quote !== "'" || cursor.peek(1) !== "'") break;
        text += "'";
        cursor.pass(2);
      } else if (quote === '"' && cursor.peek() === "\\") {
        if (isBreak(cursor.peek(1))) {
          fold.escapeBreak(cursor);
          break;
        }
        text += scanEscape(cursor);
      } else {
        text += cursor.read();
      }
    }
    if (cursor.peek() === quote) break;
    fold.take(cursor);
    text += fold.text();
  }
  cursor.pass();
  return text;
}

function scanEscape(cursor: Cursor): string {
  const letter = cursor.peek(1);
  const count = Object.hasOwn(escapedDigits, letter) ? escapedDigits[letter] : undefined;
  if (count === undefined) {
    const meant = Object.hasOwn(escapes, letter) ? escapes[letter] : undefined;
    if (meant === undefined) throw refusal(cursor, "found unknown escape character");
    cursor.pass(2);
    return meant;
  }
  cursor.pass(2);
  let digits = "";
  for (let at = 0; at < count; at++) digits += cursor.peek(at);
  if (!/^[0-9a-fA-F]+$/.test(digits) || digits.length < count)
    throw refusal(cursor, "did not find expected hexdecimal number");
  const code = Number.parseInt(digits, 16);
  if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
    throw refusal(cursor, "found invalid Unicode character escape code");
  cursor.pass(count);
  return String.fromCodePoint(code);
}

/**
 * A block of text behind `|` or `>`, at which the cursor stands.
 * @param outer the column, from 0, of what the block belongs to; -1 at the top
 */
export function scanBlock(cursor: Cursor, outer: number): string {
  const isLiteral = cursor.read() === "|";
  const { chomping, deeper } = scanBlockHeader(cursor);
  const first = scanBlockBreaks(cursor, deeper === 0 ? 0 : Math.max(outer, 0) + deeper, outer);
  const { indent } = first;
  let trailing = first.breaks;
  let text = "";
  let ending = "";
  let wasBlank = false;
  while (cursor.column - 1 === indent && cursor.peek() !== "") {
    const beginsBlank = isBlank(cursor.peek());
    if (!isLiteral && ending === "\n" && !wasBlank && !beginsBlank) text += trailing === "" ? " " : "";
    else text += ending;
    text += trailing;
    wasBlank = beginsBlank;
    let line = "";
    while (!isBreakOrEnd(cursor.peek())) line += cursor.read();
    text += line;
    ending = cursor.readBreak();
    trailing = scanBlockBreaks(cursor, indent, outer).breaks;
  }
  if (chomping !== "-") text += ending;
  return chomping === "+" ? text + trailing : text;
}

/** What stands behind `|` or `>` in its line: how its end is kept, and how much deeper it lies than what it belongs to. */
function scanBlockHeader(cursor: Cursor): { readonly chomping: string; readonly deeper: number } {
  let chomping = "";
  let deeper = 0;
  const takeSign = (): void => {
    if (cursor.peek() === "+" || cursor.peek() === "-") chomping = cursor.read();
  };
  takeSign();
  if (/[0-9]/.test(cursor.peek())) {
    if (cursor.peek() === "0") throw refusal(cursor, "found an indentation indicator equal to 0");
    deeper = Number(cursor.read());
    if (chomping === "") takeSign();
  }
  cursor.skipBlanks();
  cursor.skipComment();
  if (!isBreakOrEnd(cursor.peek())) throw refusal(cursor, "did not find expected comment or line break");
  cursor.readBreak();
  return { chomping, deeper };
}

/** Empty lines in front of a line of a block, and its indentation; with 0 the deepest line of these tells it. */
function scanBlockBreaks(
  cursor: Cursor,
  indent: number,
  outer: number,
): { readonly breaks: string; readonly indent: number } {
  let breaks = "";
  let deepest = 0;
  for (;;) {
    cursor.skipSpaces(indent === 0 ? undefined : indent + 1);
    deepest = Math.max(deepest, cursor.column - 1);
    if ((indent === 0 || cursor.column - 1 < indent) && cursor.peek() === "\t")
      throw refusal(cursor, "found a tab character where an indentation space is expected");
    if (!isBreak(cursor.peek())) break;
    breaks += cursor.readBreak();
  }
  return { breaks, indent: indent === 0 ? Math.max(deepest, outer + 1, 1) : indent };
}
