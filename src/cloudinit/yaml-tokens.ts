import { type Cursor, isBlank, isBlankOrEnd, isBreakOrEnd, type Place, refusal } from "./yaml-cursor.ts";

/** What a document is made of, and how its small parts are read. The words of refusals are libyaml's of 2014. */
export type Token = Place &
  (
    | { readonly kind: PlainKind }
    | { readonly kind: "alias" | "anchor"; readonly name: string }
    | { readonly kind: "tag"; readonly handle: string; readonly suffix: string }
    | { readonly kind: "tag-directive"; readonly handle: string; readonly prefix: string }
    | { readonly kind: "version-directive"; readonly version: string }
    | { readonly kind: "scalar"; readonly text: string; readonly isPlain: boolean }
  );

/** Kinds of tokens that carry nothing. */
export type PlainKind =
  | "stream-end"
  | "document-start"
  | "document-end"
  | "list-start"
  | "map-start"
  | "block-end"
  | "["
  | "]"
  | "{"
  | "}"
  | ","
  | "-"
  | "key"
  | "value";

function takeWord(cursor: Cursor): string {
  let word = "";
  while (/[0-9A-Za-z_-]/.test(cursor.peek())) word += cursor.read();
  return word;
}

/** The name behind `&` or `*`, at which the cursor stands. */
export function scanName(cursor: Cursor): string {
  cursor.pass();
  const name = takeWord(cursor);
  if (name === "" || !(isBlankOrEnd(cursor.peek()) || "?:,]}%@`".includes(cursor.peek())))
    throw refusal(cursor, "did not find expected alphabetic or numeric character");
  return name;
}

/** A tag, at whose `!` the cursor stands. */
export function scanTag(cursor: Cursor): { readonly handle: string; readonly suffix: string } {
  const tag = cursor.peek(1) === "<" ? scanVerbatimTag(cursor) : scanShortTag(cursor);
  if (!isBlankOrEnd(cursor.peek())) throw refusal(cursor, "did not find expected whitespace or line break");
  return tag;
}

function scanVerbatimTag(cursor: Cursor): { readonly handle: string; readonly suffix: string } {
  cursor.pass(2);
  const suffix = scanUri(cursor, "");
  if (cursor.peek() !== ">") throw refusal(cursor, "did not find the expected '>'");
  cursor.pass();
  return { handle: "", suffix };
}

function scanShortTag(cursor: Cursor): { readonly handle: string; readonly suffix: string } {
  const head = scanHandle(cursor, false);
  if (head.length > 1 && head.endsWith("!")) return { handle: head, suffix: scanUri(cursor, "") };
  const suffix = scanUri(cursor, head);
  return suffix === "" ? { handle: "", suffix: "!" } : { handle: "!", suffix };
}

function scanHandle(cursor: Cursor, isDirective: boolean): string {
  if (cursor.peek() !== "!") throw refusal(cursor, "did not find expected '!'");
  let handle = cursor.read() + takeWord(cursor);
  if (cursor.peek() === "!") handle += cursor.read();
  else if (isDirective && handle !== "!") throw refusal(cursor, "did not find expected '!'");
  return handle;
}

/** @param head what was read of it already, `!` included; the result lacks that `!` */
function scanUri(cursor: Cursor, head: string): string {
  let uri = head.slice(1);
  let count = head.length;
  while (/[0-9A-Za-z_\-;/?:@&=+$,.!~*'()[\]%]/.test(cursor.peek())) {
    if (cursor.peek() === "%" && !/^[0-9a-fA-F]{2}$/.test(cursor.peek(1) + cursor.peek(2)))
      throw refusal(cursor, "did not find URI escaped octet");
    uri += cursor.read();
    count++;
  }
  if (count === 0) throw refusal(cursor, "did not find expected tag URI");
  return uri;
}

/** A line such as `%YAML 1.1`, at whose `%` the cursor stands. */
export function scanDirective(cursor: Cursor): Token {
  const place = cursor.place();
  cursor.pass();
  const name = takeWord(cursor);
  if (name === "") throw refusal(cursor, "could not find expected directive name");
  if (!isBlankOrEnd(cursor.peek())) throw refusal(cursor, "found unexpected non-alphabetical character");
  const token = directiveOf(name, cursor, place);
  cursor.skipBlanks();
  cursor.skipComment();
  if (!isBreakOrEnd(cursor.peek())) throw refusal(cursor, "did not find expected comment or line break");
  cursor.readBreak();
  return token;
}

function directiveOf(name: string, cursor: Cursor, place: Place): Token {
  // The misspelling is libyaml's.
  if (name !== "YAML" && name !== "TAG") throw refusal(cursor, "found uknown directive name");
  cursor.skipBlanks();
  if (name === "YAML") {
    const major = scanNumber(cursor);
    if (cursor.peek() !== ".") throw refusal(cursor, "did not find expected digit or '.' character");
    cursor.pass();
    return { kind: "version-directive", version: `${major}.${scanNumber(cursor)}`, ...place };
  }
  const handle = scanHandle(cursor, true);
  if (!isBlank(cursor.peek())) throw refusal(cursor, "did not find expected whitespace");
  cursor.skipBlanks();
  const prefix = scanUri(cursor, "");
  if (!isBlankOrEnd(cursor.peek())) throw refusal(cursor, "did not find expected whitespace or line break");
  return { kind: "tag-directive", handle, prefix, ...place };
}

function scanNumber(cursor: Cursor): number {
  let digits = "";
  while (/[0-9]/.test(cursor.peek())) {
    if (digits.length === 9) throw refusal(cursor, "found extremely long version number");
    digits += cursor.read();
  }
  if (digits === "") throw refusal(cursor, "did not find expected version number");
  return Number(digits);
}
