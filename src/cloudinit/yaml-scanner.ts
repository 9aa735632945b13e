import { Cursor, isBlankOrEnd, isBreak, type Place, refusal } from "./yaml-cursor.ts";
import { scanBlock, scanPlain, scanQuoted } from "./yaml-scalars.ts";
import { type PlainKind, scanDirective, scanName, scanTag, type Token } from "./yaml-tokens.ts";

/** How deep lists and maps may lie in each other: readers call themselves once for each level. */
export const maxDepth = 500;

/** Characters a key may have at most when its colon is to be found. */
const maxKeyLength = 1024;

/** What may turn out to be a key once a colon follows. */
interface PossibleKey extends Place {
  readonly index: number;
  /** Number of the token it begins with, from the first of the document on. */
  readonly token: number;
  /** Nothing but a key can stand there. */
  readonly isRequired: boolean;
}

/**
 * Cuts a text into tokens as libyaml does (the parser of 2014 that the original used, ported to Go), so that the same
 * texts are refused, at the same lines and in the same words.
 */
export class YamlScanner {
  readonly #cursor: Cursor;
  readonly #queue: Token[] = [];
  #head = 0;
  #taken = 0;
  /** Columns, from 0, of the lists and maps that are open; -1 outside of all. */
  #indent = -1;
  readonly #outer: number[] = [];
  /** For each bracket or brace that is open, and for the text around them all. */
  readonly #keys: (PossibleKey | undefined)[] = [undefined];
  #isKeyAllowed = true;

  constructor(text: string) {
    this.#cursor = new Cursor(text);
  }

  /** The next token, which stays. */
  peek(): Token {
    while (this.#needsMore()) this.#scanMore();
    return this.#queue[this.#head] ?? { kind: "stream-end", ...this.#cursor.place() };
  }

  /** Takes the token that `peek` shows. */
  pass(): void {
    this.#head++;
    this.#taken++;
    if (this.#head < 64 || this.#head * 2 < this.#queue.length) return;
    this.#queue.splice(0, this.#head);
    this.#head = 0;
  }

  get #isInFlow(): boolean {
    return this.#keys.length > 1;
  }

  #needsMore(): boolean {
    if (this.#head === this.#queue.length) return true;
    this.#dropStaleKeys();
    return this.#keys.some((key) => key?.token === this.#taken);
  }

  #scanMore(): void {
    const cursor = this.#cursor;
    this.#skipToToken();
    this.#dropStaleKeys();
    this.#closeTo(cursor.column - 1);
    const letter = cursor.peek();
    if (letter === "") return this.#end();
    if (cursor.column === 1 && letter === "%") return this.#directive();
    if (cursor.isAtDocumentMark()) return this.#documentMark(letter === "-");
    const isAlone = isBlankOrEnd(cursor.peek(1));
    if (letter === "[" || letter === "{") return this.#open(letter);
    if (letter === "]" || letter === "}") return this.#close(letter);
    if (letter === ",") return this.#entry(",");
    if (letter === "-" && isAlone) return this.#dash();
    if (letter === "?" && (this.#isInFlow || isAlone)) return this.#key();
    if (letter === ":" && (this.#isInFlow || isAlone)) return this.#value();
    if (letter === "*" || letter === "&") {
      this.#piece((place) => ({
        kind: letter === "*" ? "alias" : "anchor",
        name: scanName(cursor),
        ...place,
      }));
    } else if (letter === "!") {
      this.#piece((place) => ({ kind: "tag", ...scanTag(cursor), ...place }));
    } else if ((letter === "|" || letter === ">") && !this.#isInFlow) {
      this.#block();
    } else if (letter === "'" || letter === '"') {
      this.#piece((place) => ({ kind: "scalar", text: scanQuoted(cursor), isPlain: false, ...place }));
    } else if (this.#beginsPlain(letter)) {
      this.#plain();
    } else {
      throw refusal(cursor, "found character that cannot start any token");
    }
  }

  #beginsPlain(letter: string): boolean {
    const next = this.#cursor.peek(1);
    if (letter === "-") return next !== " " && next !== "\t";
    if (letter === "?" || letter === ":") return !this.#isInFlow && !isBlankOrEnd(next);
    return !isBlankOrEnd(letter) && !",[]{}#&*!|>'\"%@`".includes(letter);
  }

  #skipToToken(): void {
    const cursor = this.#cursor;
    for (;;) {
      if (cursor.column === 1 && cursor.peek() === "\ufeff") cursor.pass();
      // Where a key may begin a tab is no indentation, and so the beginning of nothing.
      if (this.#isInFlow || !this.#isKeyAllowed) cursor.skipBlanks();
      else cursor.skipSpaces();
      cursor.skipComment();
      if (!isBreak(cursor.peek())) return;
      cursor.readBreak();
      if (!this.#isInFlow) this.#isKeyAllowed = true;
    }
  }

  /** A key and its colon stand in one line, not far from each other. */
  #dropStaleKeys(): void {
    for (const [at, key] of this.#keys.entries()) {
      if (key === undefined) continue;
      const isNear = key.line === this.#cursor.line && key.index + maxKeyLength >= this.#cursor.index;
      if (!isNear) this.#dropKey(at);
    }
  }

  #dropKey(at = this.#keys.length - 1): void {
    if (this.#keys[at]?.isRequired === true) throw refusal(this.#cursor, "could not find expected ':'");
    this.#keys[at] = undefined;
  }

  #saveKey(): void {
    if (!this.#isKeyAllowed) return;
    this.#dropKey();
    const { line, column, index } = this.#cursor;
    this.#keys[this.#keys.length - 1] = {
      line,
      column,
      index,
      token: this.#taken + this.#queue.length - this.#head,
      isRequired: !this.#isInFlow && this.#indent === column - 1,
    };
  }

  #put(token: Token): void {
    this.#queue.push(token);
  }

  /** Begins a list or a map when it lies deeper than what is open. With `token` it begins in front of that one. */
  #openTo(kind: "list-start" | "map-start", place: Place, token?: number): void {
    if (this.#isInFlow || this.#indent >= place.column - 1) return;
    this.#outer.push(this.#indent);
    this.#indent = place.column - 1;
    const at = token === undefined ? this.#queue.length : this.#head + token - this.#taken;
    this.#queue.splice(at, 0, { kind, line: place.line, column: place.column });
  }

  #closeTo(column: number): void {
    if (this.#isInFlow) return;
    while (this.#indent > column) {
      this.#put({ kind: "block-end", ...this.#cursor.place() });
      this.#indent = this.#outer.pop() ?? -1;
    }
  }

  #end(): void {
    const cursor = this.#cursor;
    // A last line without an end counts as if it had one.
    if (cursor.column !== 1) {
      cursor.column = 1;
      cursor.line++;
    }
    this.#closeTo(-1);
    this.#dropKey();
    this.#isKeyAllowed = false;
    this.#put({ kind: "stream-end", ...cursor.place() });
  }

  #directive(): void {
    this.#closeTo(-1);
    this.#dropKey();
    this.#isKeyAllowed = false;
    this.#put(scanDirective(this.#cursor));
  }

  #documentMark(isStart: boolean): void {
    this.#closeTo(-1);
    this.#dropKey();
    this.#isKeyAllowed = false;
    this.#put({ kind: isStart ? "document-start" : "document-end", ...this.#cursor.place() });
    this.#cursor.pass(3);
  }

  #open(kind: "[" | "{"): void {
    if (this.#keys.length > maxDepth)
      throw refusal(this.#cursor, `lists and maps lie more than ${maxDepth} levels deep`);
    this.#saveKey();
    this.#keys.push(undefined);
    this.#isKeyAllowed = true;
    this.#letter(kind);
  }

  #close(kind: "]" | "}"): void {
    this.#dropKey();
    if (this.#isInFlow) this.#keys.pop();
    this.#isKeyAllowed = false;
    this.#letter(kind);
  }

  #entry(kind: "," | "-"): void {
    this.#dropKey();
    this.#isKeyAllowed = true;
    this.#letter(kind);
  }

  #dash(): void {
    if (!this.#isInFlow) {
      if (!this.#isKeyAllowed)
        throw refusal(this.#cursor, "block sequence entries are not allowed in this context");
      this.#openTo("list-start", this.#cursor);
    }
    this.#entry("-");
  }

  #key(): void {
    if (!this.#isInFlow) {
      if (!this.#isKeyAllowed) throw refusal(this.#cursor, "mapping keys are not allowed in this context");
      this.#openTo("map-start", this.#cursor);
    }
    this.#dropKey();
    this.#isKeyAllowed = !this.#isInFlow;
    this.#letter("key");
  }

  #value(): void {
    const key = this.#keys.at(-1);
    if (key !== undefined) {
      const at = this.#head + key.token - this.#taken;
      this.#queue.splice(at, 0, { kind: "key", line: key.line, column: key.column });
      this.#openTo("map-start", key, key.token);
      this.#keys[this.#keys.length - 1] = undefined;
      this.#isKeyAllowed = false;
    } else {
      if (!this.#isInFlow) {
        if (!this.#isKeyAllowed)
          throw refusal(this.#cursor, "mapping values are not allowed in this context");
        this.#openTo("map-start", this.#cursor);
      }
      this.#isKeyAllowed = !this.#isInFlow;
    }
    this.#letter("value");
  }

  /** A token of one letter, at which the cursor stands. */
  #letter(kind: PlainKind): void {
    this.#put({ kind, ...this.#cursor.place() });
    this.#cursor.pass();
  }

  /** What may be a key, or the beginning of one. */
  #piece(scan: (place: Place) => Token): void {
    this.#saveKey();
    this.#isKeyAllowed = false;
    this.#put(scan(this.#cursor.place()));
  }

  #block(): void {
    this.#dropKey();
    this.#isKeyAllowed = true;
    const place = this.#cursor.place();
    this.#put({ kind: "scalar", text: scanBlock(this.#cursor, this.#indent), isPlain: false, ...place });
  }

  #plain(): void {
    let endsLine = false;
    this.#piece((place) => {
      const scanned = scanPlain(this.#cursor, this.#indent + 1, this.#isInFlow);
      endsLine = scanned.endsLine;
      return { kind: "scalar", text: scanned.text, isPlain: true, ...place };
    });
    if (endsLine) this.#isKeyAllowed = true;
  }
}
