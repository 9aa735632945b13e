import type { LineCounter, YAMLError } from "yaml";

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

/**
 * Says what is wrong with a document in the words and with the lines of the parser that the original used (libyaml in
 * Go, which counts lines from 0), from what our own parser found.
 */
export function nameProblem(
  errors: readonly YAMLError[],
  warnings: readonly YAMLError[],
  text: string,
  lines: LineCounter,
): YamlProblem | undefined {
  const directive = warnings.find(({ code }) => code === "BAD_DIRECTIVE");
  const first = directive ?? chosen(errors);
  if (first === undefined) return undefined;
  const { line, col: column } = lines.linePos(first.pos[0]);
  const named = nameOf(first, errors, text, { line, end: lines.linePos(first.pos[1]).line, column });
  return { line, column, oldLine: Math.max(1, named.line - 1), text: named.text };
}

interface Named {
  /** Counted from 1. */
  readonly line: number;
  readonly text: string;
}

/** The error that the original met first. */
function chosen(errors: readonly YAMLError[]): YAMLError | undefined {
  const first = errors[0];
  if (first === undefined) return undefined;
  const dash = errors.find(({ message, pos }) => /block-seq-ind/.test(message) && pos[0] === first.pos[0]);
  return dash ?? first;
}

function nameOf(
  error: YAMLError,
  errors: readonly YAMLError[],
  text: string,
  { line, end, column }: { readonly line: number; readonly end: number; readonly column: number },
): Named {
  switch (error.code) {
    case "BAD_DIRECTIVE":
      return { line, text: "found uknown directive name" };
    case "TAB_AS_INDENT":
    case "BAD_SCALAR_START":
      return { line, text: "found character that cannot start any token" };
    case "BAD_DQ_ESCAPE":
      return { line, text: escapeText(text, error.pos[0]) };
    case "BAD_ALIAS":
    case "ALIAS_PROPS":
      return { line, text: "did not find expected alphabetic or numeric character" };
    case "BLOCK_AS_IMPLICIT_KEY": {
      const wide = errors.find(
        ({ code, pos }) => code === "MULTILINE_IMPLICIT_KEY" && pos[0] === error.pos[0],
      );
      const ending = wide === undefined ? line : lineAt(text, wide.pos[1]);
      return { line: ending, text: "mapping values are not allowed in this context" };
    }
    case "MULTILINE_IMPLICIT_KEY": {
      const deeper = indentOf(lineText(text, end)) > column - 1;
      return {
        line: deeper ? end : Math.min(end, nextLine(text, line)),
        text: deeper ? "mapping values are not allowed in this context" : "could not find expected ':'",
      };
    }
    case "KEY_OVER_1024_CHARS":
      return { line, text: "could not find expected ':'" };
    case "MISSING_CHAR":
      return missing(error.message, text, line, column);
    case "BAD_INDENT":
      return indentation(error.message, text, line, column, error.pos[0]);
    default:
      return unexpected(error.message, text, line, column);
  }
}

function missing(message: string, text: string, line: number, column: number): Named {
  if (message.includes("Missing closing"))
    return { line: lastLine(text), text: "found unexpected end of stream" };
  if (message.includes("followed by map values")) {
    return { line: nextLine(text, line), text: "could not find expected ':'" };
  }
  if (message.includes("directives-end")) return { line, text: "did not find expected <document start>" };
  if (/Flow (map|sequence)|[\]}]/.test(message)) return flowEnd(message, line);
  return { line, text: expectedAt(text, line, column) };
}

function indentation(message: string, text: string, line: number, column: number, offset: number): Named {
  if (!message.startsWith("Flow ")) return { line, text: expectedAt(text, line, column) };
  const colon = /:(?=\s|$)/.exec(text.slice(offset));
  return flowEnd(message, colon === null ? lastLine(text) : lineAt(text, offset + colon.index));
}

function flowEnd(message: string, line: number): Named {
  return {
    line,
    text: message.includes("map") ? "did not find expected ',' or '}'" : "did not find expected ',' or ']'",
  };
}

function unexpected(message: string, text: string, line: number, column: number): Named {
  if (
    message.includes("block-seq-ind") &&
    lineText(text, line)
      .slice(0, column - 1)
      .trim() !== ""
  ) {
    return { line, text: "block sequence entries are not allowed in this context" };
  }
  if (message.startsWith("Not a YAML token"))
    return { line, text: "did not find expected comment or line break" };
  return { line, text: expectedAt(text, line, column) };
}

/** What should stand where something else does: it depends on whether a list or a map is open there. */
function expectedAt(text: string, line: number, column: number): string {
  const all = text.split("\n", line);
  // Our parser names the start of the line where the indentation is what is wrong.
  const depth = Math.max(column - 1, indentOf(lineText(text, line)));
  const above = all
    .slice(1, line - 1)
    .toReversed()
    .find((each) => each.trim() !== "" && !each.trim().startsWith("#") && indentOf(each) <= depth);
  const inList =
    above !== undefined && /^ *-(\s|$)/.test(above) && !lineText(text, line).trim().startsWith("- ");
  return inList ? "did not find expected '-' indicator" : "did not find expected key";
}

function escapeText(text: string, offset: number): string {
  return /^\\[xuU]/.test(text.slice(offset, offset + 2))
    ? "did not find expected hexdecimal number"
    : "found unknown escape character";
}

/** The line of what comes behind a line, comments and blanks aside. */
function nextLine(text: string, line: number): number {
  const all = text.split("\n");
  const next = all.findIndex((each, at) => at >= line && !/^\s*(#|$)/.test(each));
  return next < 0 ? all.length : next + 1;
}

function lastLine(text: string): number {
  return text.split("\n").length;
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

function lineText(text: string, line: number): string {
  return text.split("\n", line).at(-1) ?? "";
}

function indentOf(text: string): number {
  return text.length - text.trimStart().length;
}
