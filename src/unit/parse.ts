import { goQuoted } from "../lib/go-quote.ts";
import { isSpace, trimSpace, utf8Length } from "../lib/text.ts";
import type { UnitFile, UnitOption } from "./unit-file.ts";

/** Something in a unit file that could not be understood. */
export interface Problem {
  /** The line it stands in; the first line is 1. */
  readonly line: number;
  readonly sentence: string;
}

/**
 * A line of this many bytes or more (line end not counted) is a problem (fleet v1.0.0, as systemd's old LINE_MAX). A CR
 * alone ends a line too, for this and for systemd, but for nothing else.
 */
export const lineLimitBytes = 2048;

/**
 * Reads a unit file as fleet v1.0.0 does: free text before the first section and comments are passed over, a value
 * goes on over lines that end in a backslash and keeps the backslashes and line ends. Never throws: what follows a
 * problem is still read. A caller that has to refuse bad files refuses when there is any problem.
 *
 * Two lapses of the original are mended: CRLF means LF everywhere, and a line is too long by its own length only.
 */
export function parseUnitFile(text: string): { file: UnitFile; problems: readonly Problem[] } {
  return new Parser(text.replaceAll("\r\n", "\n")).parse();
}

/** What is shown of a text that should not stand where it does: a file that is no unit may hold anything there. */
const shownCharacters = 60;

function quotedPart(text: string): string {
  const cut = text.length > shownCharacters;
  return goQuoted(cut ? `${text.slice(0, shownCharacters)}…` : text);
}

class Parser {
  readonly #text: string;
  #at = 0;
  readonly #options: UnitOption[] = [];
  readonly #problems: Problem[] = [];
  /** Where line counting stands, so that problems of one file cost one pass together. */
  #counted = { at: 0, line: 1 };

  constructor(text: string) {
    this.#text = text;
  }

  parse(): { file: UnitFile; problems: readonly Problem[] } {
    this.#skipToFirstSection();
    let section = "";
    while (this.#skipSpaceAndComments()) {
      if (this.#text[this.#at] === "[") section = this.#readSection() ?? section;
      else this.#readOption(section);
    }
    const problems = [...longLines(this.#text), ...this.#problems].sort((a, b) => a.line - b.line);
    return { file: this.#options, problems };
  }

  /** Before the first section anything but `[`, `#` and `;` means nothing, wherever it stands in its line. */
  #skipToFirstSection(): void {
    while (this.#at < this.#text.length && this.#text[this.#at] !== "[") {
      if (this.#atComment()) this.#skipComment();
      else this.#at++;
    }
  }

  /** Stops at the first character of a section or an option; false at the end of the file. */
  #skipSpaceAndComments(): boolean {
    while (this.#at < this.#text.length) {
      if (this.#atComment()) this.#skipComment();
      else if (isSpace(this.#text.charAt(this.#at))) this.#at++;
      else return true;
    }
    return false;
  }

  #atComment(): boolean {
    return this.#text[this.#at] === "#" || this.#text[this.#at] === ";";
  }

  /** A comment that ends in a backslash, or a backslash and one space, takes the next line with it. */
  #skipComment(): void {
    let line = this.#takeLine();
    while (/\\ ?$/.test(line) && this.#at < this.#text.length) line = this.#takeLine();
  }

  #readSection(): string | undefined {
    const start = this.#at;
    const end = this.#text.indexOf("]", start);
    if (end < 0) {
      this.#report(start, "unable to find end of section");
      this.#at = this.#text.length;
      return undefined;
    }
    const section = this.#text.slice(start + 1, end);
    this.#at = end + 1;
    const rest = trimSpace(this.#takeLine());
    if (rest !== "") {
      this.#report(
        end,
        `found garbage after section name ${quotedPart(section).slice(1, -1)}: ${quotedPart(rest)}`,
      );
    }
    return section;
  }

  #readOption(section: string): void {
    const start = this.#at;
    while (this.#at < this.#text.length && !"=\r\n".includes(this.#text.charAt(this.#at))) this.#at++;
    if (this.#at === this.#text.length) {
      this.#report(start, "EOF");
      return;
    }
    if (this.#text[this.#at] !== "=") {
      this.#report(start, "unexpected newline encountered while parsing option name");
      this.#takeLine();
      return;
    }
    const name = trimSpace(this.#text.slice(start, this.#at));
    this.#at++;
    this.#options.push({ section, name, value: this.#readValue() });
  }

  #readValue(): string {
    const start = this.#at;
    let end = start;
    let continued = false;
    do {
      const lineStart = this.#at;
      const line = this.#takeLine();
      if (trimSpace(line) === "") {
        end = lineStart;
        break;
      }
      end = lineStart + line.length;
      continued = line.endsWith("\\") && this.#text[end] === "\n";
      if (continued) end++;
    } while (continued);
    const value = trimSpace(this.#text.slice(start, end));
    return continued ? `${value}\n` : value;
  }

  /** The rest of the line without its line end; stands at the start of the next line afterwards. */
  #takeLine(): string {
    const end = this.#text.indexOf("\n", this.#at);
    const line = end < 0 ? this.#text.slice(this.#at) : this.#text.slice(this.#at, end);
    this.#at = end < 0 ? this.#text.length : end + 1;
    return line;
  }

  #report(at: number, sentence: string): void {
    for (let next = this.#counted.at; next < at; next++) {
      if (this.#text[next] === "\n") this.#counted.line++;
    }
    this.#counted.at = at;
    this.#problems.push({ line: this.#counted.line, sentence });
  }
}

function longLines(text: string): Problem[] {
  const problems: Problem[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.split("\r").some((piece) => utf8Length(piece) >= lineLimitBytes)) {
      problems.push({ line: index + 1, sentence: `line too long (max ${lineLimitBytes} bytes)` });
    }
  }
  return problems;
}
