import { showBytes } from "./bytes.ts";

/** JSON as Go's encoder writes it: fields in order, no blanks, and what is special in HTML as `\u` escapes. */
export function goJson(value: object): string {
  return showBytes(wholeGoJson(value));
}

/** The same, but bytes that belong to no character are still told apart, so that it can be kept; `showBytes` makes the other of it. */
export function wholeGoJson(value: object): string {
  const text = JSON.stringify(value);
  // Most texts hold nothing special, and to look costs less than to replace.
  if (!/[\\<>&\u2028\u2029]/.test(text)) return text;
  // Other escapes are the same, and a backslash that is escaped itself begins none.
  return text.replaceAll(/\\[\\bf]|[<>&\u2028\u2029]/g, (found) => {
    if (found === "\\b") return "\\u0008";
    if (found === "\\f") return "\\u000c";
    return found.startsWith("\\") ? found : `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/**
 * The first JSON value of a text, as Go's decoder takes it: what follows is not looked at. Undefined when there is none,
 * or it is not whole.
 */
export function firstJson(text: string): { readonly value: unknown } | undefined {
  const whole = parsed(text);
  if (whole !== undefined) return whole;
  const end = endOfFirst(text);
  return end === undefined ? undefined : parsed(text.slice(0, end));
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

/** Where the object or list ends with which the text begins; undefined when it does not begin or end with one. */
function endOfFirst(text: string): number | undefined {
  const pieces = /"(?:[^"\\]|\\.)*"|[{}[\]]/gs;
  let depth = 0;
  for (const { 0: piece, index } of text.matchAll(pieces)) {
    if (depth === 0 && text.slice(0, index).trim() !== "") return undefined;
    if (piece === "{" || piece === "[") depth++;
    else if (piece === "}" || piece === "]") depth--;
    if (depth <= 0) return index + piece.length;
  }
  return undefined;
}
