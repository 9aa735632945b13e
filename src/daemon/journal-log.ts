import type { Log, LogFields } from "../lib/env.ts";

/** The levels of `Log`, from the most to the least talkative, with syslog's priority numbers (RFC 5424, 6.2.1). */
const priorities = { debug: 7, info: 6, warning: 4, error: 3 } as const;

/** A level of `Log`. */
export type LogLevel = keyof typeof priorities;

/** Every level by name, most talkative first. */
export const logLevels = Object.keys(priorities) as readonly LogLevel[];

/** A value longer than this many characters is cut, so that one huge input cannot fill the journal. */
const longestValue = 4000;

/**
 * How a line begins: `journal` puts `<N>` in front, which journald takes off again and keeps as the priority
 * (sd-daemon(3)); `words` is for people who read stderr.
 */
export type LineStyle = "journal" | "words";

/** A log whose level can be changed while the daemon runs, as a reload of its settings does. */
export interface LeveledLog extends Log {
  setLevel(level: LogLevel): void;
}

/** A log that hands every line of `level` or more important, newline included, to `write`. */
export function createLog(style: LineStyle, level: LogLevel, write: (line: string) => void): LeveledLog {
  let threshold: number = priorities[level];
  const at = (lineLevel: LogLevel) => (sentence: string, fields?: LogFields) => {
    if (priorities[lineLevel] <= threshold) write(`${formatLine(style, lineLevel, sentence, fields)}\n`);
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warning: at("warning"),
    error: at("error"),
    setLevel(next) {
      threshold = priorities[next];
    },
  };
}

/** One line without its newline: the start its style asks for, the sentence, then the fields as `name=value`. */
export function formatLine(
  style: LineStyle,
  level: LogLevel,
  sentence: string,
  fields: LogFields = {},
): string {
  const start = style === "journal" ? `<${priorities[level]}>` : `${level.toUpperCase()} `;
  const values = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${fieldText(String(value))}`);
  return start + oneLine(sentence) + values.join("");
}

/** A value as it is when it reads as one word, else in double quotes. */
function fieldText(value: string): string {
  return /^[^\s"=\\\p{Cc}]+$/u.test(value) && value.length <= longestValue ? value : `"${quoted(value)}"`;
}

function quoted(value: string): string {
  return oneLine(value.replaceAll("\\", "\\\\").replaceAll('"', '\\"'));
}

/** Control characters are written as escapes: a line of the log stays one line whatever a unit file or client sent. */
function oneLine(text: string): string {
  const whole = text.length > longestValue ? `${text.slice(0, longestValue)}…` : text;
  return whole.replaceAll(/\p{Cc}/gu, (character) => {
    if (character === "\n") return "\\n";
    if (character === "\t") return "\\t";
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
