import type { Indices } from "./indices.ts";

/** What the texts and numbers of a transcript stand for while it is replayed. */
export interface Meaning {
  /** The transcript's own name at the top of the keys. */
  readonly top: string;
  readonly indices: Indices;
  /** Bodies that were kept, by name. */
  readonly captured: ReadonlyMap<string, unknown>;
}

/** How far an expiration may be off, in ms: the answer was some time on its way. */
const expirationSlackMs = 1_600;

type Json = Readonly<Record<string, unknown>>;

/** A text with what its tokens stand for: `${P}` the own name, `${i+N}` an index, `${i020+N}` one with 20 digits. */
export function filledIn(text: string, meaning: Meaning): string {
  return text.replaceAll(/\$\{(P|i|i020)([+-]\d+)?\}/g, (_, kind: string, offset = "0") => {
    if (kind === "P") return meaning.top;
    const index = String(meaning.indices.of(Number(offset)));
    return kind === "i" ? index : index.padStart(20, "0");
  });
}

/**
 * How what came differs from what was recorded, one line each; nothing when it fits.
 * @param nowMs when the answer came, in ms since 1970
 * @param where what the lines say about the place
 */
export function differences(
  recorded: unknown,
  came: unknown,
  meaning: Meaning,
  nowMs: number,
  where: string,
): string[] {
  const off = (expected: string): string[] => [`${where}: ${expected} expected, ${brief(came)} came`];
  if (typeof recorded === "string") {
    const text = filledIn(recorded, meaning);
    return text === came ? [] : off(brief(text));
  }
  if (Array.isArray(recorded)) {
    if (!Array.isArray(came)) return off("a list");
    if (came.length !== recorded.length) return off(`a list of ${recorded.length}`);
    return recorded.flatMap((item, at) => differences(item, came[at], meaning, nowMs, `${where}[${at}]`));
  }
  if (!isObject(recorded)) return recorded === came ? [] : off(brief(recorded));
  const [name = "", more] = Object.keys(recorded);
  if (name.startsWith("$") && more === undefined) {
    return matcherDifferences(name, recorded[name], came, meaning, nowMs, where);
  }
  if (!isObject(came)) return off(brief(recorded));
  const tooMuch = Object.keys(came).filter((field) => !(field in recorded));
  return [
    ...fieldDifferences(recorded, came, meaning, nowMs, where),
    ...tooMuch.map((field) => `${where}.${field}: nothing expected, ${brief(came[field])} came`),
  ];
}

function fieldDifferences(
  recorded: Json,
  came: Json,
  meaning: Meaning,
  nowMs: number,
  where: string,
): string[] {
  return Object.entries(recorded).flatMap(([field, value]) =>
    differences(value, came[field], meaning, nowMs, `${where}.${field}`),
  );
}

function matcherDifferences(
  matcher: string,
  argument: unknown,
  came: unknown,
  meaning: Meaning,
  nowMs: number,
  where: string,
): string[] {
  const unless = (fits: boolean, expected: string): string[] =>
    fits ? [] : [`${where}: ${expected} expected, ${brief(came)} came`];
  switch (matcher) {
    case "$i": {
      const problem = meaning.indices.problem(Number(argument), came);
      return problem === undefined ? [] : [`${where}: ${problem}, ${brief(came)} came`];
    }
    case "$ttl":
      return unless(came === argument || came === Number(argument) - 1, `a ttl of ${brief(argument)}`);
    case "$expires": {
      const instant = typeof came === "string" && came.endsWith("Z") ? Date.parse(came) : Number.NaN;
      const fits = Math.abs(instant - nowMs - Number(argument) * 1000) <= expirationSlackMs;
      return unless(fits, `an instant ${brief(argument)} s from now, as UTC,`);
    }
    case "$re": {
      const pattern = new RegExp(filledIn(String(argument), meaning));
      return unless(typeof came === "string" && pattern.test(came), `a text like ${pattern.source}`);
    }
    case "$type":
      return unless(kindOf(came).includes(String(argument)), String(argument));
    case "$any":
      return unless(came !== undefined, "something");
    case "$repeat": {
      const [text, times] = argument as readonly [string, number];
      return unless(came === text.repeat(times), `${times} times ${brief(text)}`);
    }
    case "$delta": {
      const [name, field, more] = argument as readonly [string, string, number];
      const before = (meaning.captured.get(name) as Json | undefined)?.[field];
      return unless(came === Number(before) + more, `${more} more than ${brief(before)}`);
    }
    case "$subset": {
      if (!isObject(came) || !isObject(argument)) return unless(false, "an object");
      return fieldDifferences(argument, came, meaning, nowMs, where);
    }
    case "$unordered": {
      if (!Array.isArray(came) || !Array.isArray(argument)) return unless(false, "a list");
      const inOrder = argument.toSorted(byText((item) => filledIn(nameOf(item), meaning)));
      return differences(inOrder, came.toSorted(byText(nameOf)), meaning, nowMs, where);
    }
    default:
      return [`${where}: the transcript asks for ${matcher}, which this runner does not know`];
  }
}

/** Every word for what a value is. */
function kindOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return ["array"];
  if (Number.isInteger(value)) return ["number", "integer"];
  return value === null ? [] : [typeof value];
}

/** What tells the items of a list apart: the key of a node, else the whole. */
function nameOf(item: unknown): string {
  return isObject(item) && typeof item["key"] === "string" ? item["key"] : JSON.stringify(item);
}

function byText(textOf: (item: unknown) => string): (one: unknown, other: unknown) => number {
  return (one, other) => {
    const [first, second] = [textOf(one), textOf(other)];
    return first < second ? -1 : Number(first > second);
  };
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
