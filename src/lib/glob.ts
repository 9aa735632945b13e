/**
 * True when the whole text fits the pattern, by the rules of Go's path.Match: `*` any run without `/`, `?` one character
 * but `/`, `[a-z]` and `[^a-z]` one character of a class, a backslash takes the next character as it is. A malformed
 * pattern matches nothing. Time is at most pattern length times text length.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  return compile(pattern)?.(text) ?? false;
}

/** False for a pattern that matches nothing because it cannot be read. */
export function isGlob(pattern: string): boolean {
  return compile(pattern) !== undefined;
}

type Step =
  | { readonly kind: "star" }
  | { readonly kind: "any" }
  | { readonly kind: "one"; readonly code: number }
  | { readonly kind: "class"; readonly inverted: boolean; readonly ranges: readonly Range[] };

interface Range {
  readonly from: number;
  readonly to: number;
}

type Matcher = (text: string) => boolean;

const compiled = new Map<string, Matcher | undefined>();
/** Patterns kept compiled. A cluster has far fewer; beyond it the oldest is compiled again when needed. */
const compiledLimit = 4096;

function compile(pattern: string): Matcher | undefined {
  const known = compiled.get(pattern);
  if (known !== undefined || compiled.has(pattern)) return known;
  const oldest = compiled.keys().next().value;
  if (compiled.size >= compiledLimit && oldest !== undefined) compiled.delete(oldest);
  const steps = parse(Array.from(pattern));
  let matcher: Matcher | undefined;
  if (steps !== undefined) {
    // Most texts fit most patterns nowhere near: a search for the longest plain part says so at once.
    const part = longestPart(steps);
    const shortest = steps.filter(({ kind }) => kind !== "star").length;
    matcher = (text) => text.length >= shortest && text.includes(part) && run(steps, text);
  }
  compiled.set(pattern, matcher);
  return matcher;
}

/** The longest run of characters that every fitting text has to contain. */
function longestPart(steps: readonly Step[]): string {
  let longest = "";
  let current = "";
  for (const step of steps) {
    current = step.kind === "one" ? current + String.fromCodePoint(step.code) : "";
    if (current.length > longest.length) longest = current;
  }
  return longest;
}

/** Undefined for a malformed pattern. */
function parse(pattern: readonly string[]): readonly Step[] | undefined {
  const steps: Step[] = [];
  let at = 0;
  while (at < pattern.length) {
    const character = pattern[at] ?? "";
    at++;
    if (character === "*") {
      if (steps.at(-1)?.kind !== "star") steps.push({ kind: "star" });
    } else if (character === "?") {
      steps.push({ kind: "any" });
    } else if (character === "[") {
      const found = parseClass(pattern, at);
      if (found === undefined) return undefined;
      steps.push(found.step);
      at = found.next;
    } else if (character === "\\") {
      const literal = pattern[at];
      if (literal === undefined) return undefined;
      steps.push({ kind: "one", code: codeOf(literal) });
      at++;
    } else {
      steps.push({ kind: "one", code: codeOf(character) });
    }
  }
  return steps;
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}

/** Reads a class from behind its `[`; `next` is the place behind its `]`. */
function parseClass(pattern: readonly string[], start: number): { step: Step; next: number } | undefined {
  let at = start;
  const inverted = pattern[at] === "^";
  if (inverted) at++;
  const ranges: Range[] = [];
  // A `]` at the very beginning closes nothing: a class has at least one range, which cannot begin with `]`.
  while (pattern[at] !== "]" || ranges.length === 0) {
    const from = parseBound(pattern, at);
    if (from === undefined) return undefined;
    at = from.next;
    let to = from;
    if (pattern[at] === "-") {
      const end = parseBound(pattern, at + 1);
      if (end === undefined) return undefined;
      to = end;
      at = end.next;
    }
    ranges.push({ from: from.code, to: to.code });
  }
  return { step: { kind: "class", inverted, ranges }, next: at + 1 };
}

function parseBound(pattern: readonly string[], start: number): { code: number; next: number } | undefined {
  const first = pattern[start];
  if (first === undefined || first === "-" || first === "]") return undefined;
  const at = first === "\\" ? start + 1 : start;
  const code = pattern[at]?.codePointAt(0);
  // Nothing may end here: at least the closing bracket has to follow.
  if (code === undefined || at + 1 >= pattern.length) return undefined;
  return { code, next: at + 1 };
}

/** Only the last star ever has to take more, so going back costs one loop and not a tree. */
function run(steps: readonly Step[], text: string): boolean {
  let step = 0;
  let at = 0;
  let star: { step: number; at: number } | undefined;
  while (at < text.length || step < steps.length) {
    const wanted = steps[step];
    const code = text.codePointAt(at);
    if (wanted?.kind === "star") {
      star = { step, at };
      step++;
    } else if (wanted !== undefined && code !== undefined && fits(wanted, code)) {
      step++;
      at += widthOf(code);
    } else if (star !== undefined) {
      const taken = text.codePointAt(star.at);
      if (taken === undefined || taken === slash) return false;
      star.at += widthOf(taken);
      step = star.step + 1;
      at = star.at;
    } else {
      return false;
    }
  }
  return true;
}

const slash = 0x2f;

function widthOf(code: number): number {
  return code > 0xffff ? 2 : 1;
}

function fits(step: Exclude<Step, { kind: "star" }>, code: number): boolean {
  if (step.kind === "one") return step.code === code;
  if (step.kind === "any") return code !== slash;
  return step.ranges.some(({ from, to }) => from <= code && code <= to) !== step.inverted;
}
