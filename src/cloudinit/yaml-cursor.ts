/** Where something stands, both counted from 1 with the header as line 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Why a document is no YAML. */
export interface YamlProblem extends Place {
  /** The line that the original names: one less than people count; undefined when it names none. */
  readonly oldLine?: number;
  /** The original's words. */
  readonly text: string;
}

/** Ends the reading of a document. */
export class YamlRefusal extends Error {
  readonly problem: YamlProblem;

  constructor(problem: YamlProblem) {
    super(problem.text);
    this.problem = problem;
  }
}

/**
 * What cannot be read any further. The original's parser counts lines from 0, so it names one line less than people do.
 */
export function refusal(place: Place, text: string): YamlRefusal {
  return new YamlRefusal({
    line: place.line,
    column: place.column,
    oldLine: Math.max(1, place.line - 1),
    text,
  });
}

/** Whether a character ends a line, as YAML 1.1 has it. The end of the text is an empty one. */
export function isBreak(letter: string): boolean {
  return (
    letter === "\n" || letter === "\r" || letter === "\x85" || letter === "\u2028" || letter === "\u2029"
  );
}

export function isBlank(letter: string): boolean {
  return letter === " " || letter === "\t";
}

export function isBreakOrEnd(letter: string): boolean {
  return letter === "" || isBreak(letter);
}

export function isBlankOrEnd(letter: string): boolean {
  return isBlank(letter) || isBreakOrEnd(letter);
}

/** A place that moves through a text. */
export class Cursor implements Place {
  readonly #text: string;
  #index = 0;
  line = 1;
  column = 1;

  constructor(text: string) {
    this.#text = text;
  }

  /** Characters that were passed. */
  get index(): number {
    return this.#index;
  }

  /** The character that many further on; empty behind the end. */
  peek(further = 0): string {
    return this.#text[this.#index + further] ?? "";
  }

  place(): Place {
    return { line: this.line, column: this.column };
  }

  /** Passes characters that end no line. */
  pass(count = 1): void {
    this.#index += count;
    this.column += count;
  }

  /** Passes a character that ends no line and returns it. */
  read(): string {
    const letter = this.peek();
    this.pass();
    return letter;
  }

  /** Passes the end of a line, if there is one, and returns what it stands for. */
  readBreak(): string {
    const letter = this.peek();
    if (!isBreak(letter)) return "";
    this.#index += letter === "\r" && this.peek(1) === "\n" ? 2 : 1;
    this.line++;
    this.column = 1;
    return letter === "\u2028" || letter === "\u2029" ? letter : "\n";
  }

  /** @param before the column, from 1, at which it stops */
  skipSpaces(before = Number.POSITIVE_INFINITY): void {
    while (this.column < before && this.peek() === " ") this.pass();
  }

  skipBlanks(): void {
    while (isBlank(this.peek())) this.pass();
  }

  /** Passes a comment up to the end of its line, if one begins here. */
  skipComment(): void {
    if (this.peek() !== "#") return;
    while (!isBreakOrEnd(this.peek())) this.pass();
  }

  /** Whether `---` or `...` stands alone at the beginning of a line. */
  isAtDocumentMark(): boolean {
    if (this.column !== 1) return false;
    const marks = this.peek() + this.peek(1) + this.peek(2);
    return (marks === "---" || marks === "...") && isBlankOrEnd(this.peek(3));
  }
}
