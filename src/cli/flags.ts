import { assert } from "../lib/assert.ts";
import type { Flag, FlagValues } from "./command.ts";

/** What was understood of a command line, or one sentence about why it was not. */
export type ParsedWords =
  | { readonly words: readonly string[]; readonly given: GivenFlags }
  | { readonly problem: string };

/** The values as written, by flag name, in the order they were given. */
export type GivenFlags = ReadonlyMap<string, readonly string[]>;

/**
 * Takes flags out of a command line as Go's flag packages do: one dash or two, `=` or the next word for a value,
 * `--` ends the flags.
 * @param stopAtWord leave everything from the first word that is not a flag untouched
 * @param dashedArguments behind the first word, take what begins with a dash and is no flag for a word
 */
export function parseWords(
  words: readonly string[],
  flags: readonly Flag[],
  stopAtWord: boolean,
  dashedArguments = false,
): ParsedWords {
  const rest: string[] = [];
  const given = new Map<string, string[]>();
  let next = 0;
  while (next < words.length) {
    const word = words[next] ?? "";
    next++;
    if (word === "--") {
      return { words: [...rest, ...words.slice(next)], given };
    }
    if (!word.startsWith("-") || word === "-") {
      if (stopAtWord) return { words: words.slice(next - 1), given };
      rest.push(word);
      continue;
    }
    const found = readFlag(word, words[next], flags);
    if ("problem" in found) {
      if (!dashedArguments || rest.length === 0 || found.problem.startsWith("flag needs")) return found;
      rest.push(word);
      continue;
    }
    for (const { flag, value } of found.values) {
      const problem = problemWithValue(flag, value, word);
      if (problem !== undefined) return { problem };
      given.set(flag.name, [...(given.get(flag.name) ?? []), value]);
    }
    if (found.tookNext) next++;
  }
  return { words: rest, given };
}

interface FoundFlags {
  readonly values: readonly { readonly flag: Flag; readonly value: string }[];
  readonly tookNext: boolean;
}

function readFlag(
  word: string,
  next: string | undefined,
  flags: readonly Flag[],
): FoundFlags | { problem: string } {
  const bare = word.replace(/^--?/, "");
  const equals = bare.indexOf("=");
  const name = equals < 0 ? bare : bare.slice(0, equals);
  const value = equals < 0 ? undefined : bare.slice(equals + 1);
  const flag = flags.find((candidate) => candidate.name === name || candidate.short === name);
  if (flag !== undefined) return withValue(flag, value, word, next);
  if (word.startsWith("--")) return { problem: `unknown flag: --${name}` };
  return readLetters(word, next, flags);
}

/** `-fl` is `-f -l`, and `-n5` is `-n 5`. */
function readLetters(
  word: string,
  next: string | undefined,
  flags: readonly Flag[],
): FoundFlags | { problem: string } {
  const values: { flag: Flag; value: string }[] = [];
  for (let index = 1; index < word.length; index++) {
    const letter = word.charAt(index);
    const flag = flags.find((candidate) => candidate.short === letter);
    if (flag === undefined) return { problem: `unknown shorthand flag: '${letter}' in ${word}` };
    if (flag.kind === "switch") {
      values.push({ flag, value: "true" });
      continue;
    }
    const joined = word.slice(index + 1);
    const last = withValue(flag, joined === "" ? undefined : joined.replace(/^=/, ""), word, next);
    if ("problem" in last) return last;
    return { values: [...values, ...last.values], tookNext: last.tookNext };
  }
  return { values, tookNext: false };
}

function withValue(
  flag: Flag,
  value: string | undefined,
  word: string,
  next: string | undefined,
): FoundFlags | { problem: string } {
  if (value !== undefined) return { values: [{ flag, value }], tookNext: false };
  if (flag.kind === "switch") return { values: [{ flag, value: "true" }], tookNext: false };
  if (next === undefined) return { problem: `flag needs an argument: ${word}` };
  return { values: [{ flag, value: next }], tookNext: true };
}

function problemWithValue(flag: Flag, value: string, written: string): string | undefined {
  const where = written.replace(/=.*/s, "");
  const bad = `invalid argument "${value}" for ${where}`;
  if (flag.kind === "switch" && !truth.has(value)) return `${bad}: it is either true or false`;
  const number = flag.signed === true ? /^-?\d{1,15}$/ : /^\d{1,15}$/;
  if (flag.kind === "number" && !number.test(value)) return `${bad}: it is not a whole number`;
  if (flag.kind === "seconds" && millisecondsOf(value) === undefined) {
    return `${bad}: it is not a duration such as 10, 2.5 or 1m30s`;
  }
  return undefined;
}

/** The spellings Go's strconv.ParseBool takes. */
const truth: ReadonlyMap<string, boolean> = new Map([
  ...["1", "t", "T", "true", "TRUE", "True"].map((word) => [word, true] as const),
  ...["0", "f", "F", "false", "FALSE", "False"].map((word) => [word, false] as const),
]);

const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** Reads seconds (`2.5`) or a Go duration (`1m30s`, `250ms`) as milliseconds; undefined when it is neither. */
export function millisecondsOf(text: string): number | undefined {
  if (/^\d{1,9}(\.\d{1,9})?$/.test(text)) return Number(text) * 1000;
  if (!/^(\d{1,9}(\.\d{1,9})?(h|ms|m|s))+$/.test(text)) return undefined;
  let sum = 0;
  for (const part of text.matchAll(/([\d.]+)(h|ms|m|s)/g)) {
    sum += Number(part[1]) * (unitMs[part[2] ?? ""] ?? 0);
  }
  return sum;
}

/**
 * Lays what was given over the environment and the defaults. An empty variable counts as absent;
 * one with a bad value is a problem.
 */
export function flagValues(
  flags: readonly Flag[],
  given: GivenFlags,
  variables: Readonly<Record<string, string | undefined>>,
): FlagValues | { readonly problem: string } {
  const byName = new Map(flags.map((flag) => [flag.name, flag]));
  const explicit = new Map(given);
  for (const flag of flags) {
    const value = flag.variable === undefined ? undefined : variables[flag.variable];
    if (value === undefined || value === "" || given.has(flag.name)) continue;
    const problem = problemWithValue(flag, value, `the environment variable ${flag.variable}`);
    if (problem !== undefined) return { problem };
    explicit.set(flag.name, [value]);
  }
  const flagOf = (name: string): Flag => {
    const flag = byName.get(name);
    assert(flag !== undefined, `the flag --${name} is declared`);
    return flag;
  };
  const last = (name: string): string | undefined => explicit.get(name)?.at(-1) ?? flagOf(name).otherwise;
  return {
    on: (name) => truth.get(last(name) ?? "false") === true,
    text: last,
    number: (name) => {
      const value = last(name);
      return value === undefined ? undefined : Number(value);
    },
    milliseconds: (name) => {
      const value = last(name);
      return value === undefined ? undefined : millisecondsOf(value);
    },
    all: (name) => explicit.get(flagOf(name).name) ?? [],
    given: (name) => explicit.has(flagOf(name).name),
  };
}
