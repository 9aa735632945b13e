/** Why a release is not taken on this machine again. */
export type RefusalKind = "bad-signature" | "wrong-file" | "downgrade" | "failed-here" | "rolled-back";

/** A release that this machine refused, and remembers. */
export interface Refusal {
  readonly version: string;
  /** Of its SHA256SUMS; empty: whatever the list says, as for a version that did not run here. */
  readonly digest: string;
  readonly kind: RefusalKind;
  readonly sentence: string;
  /** When it was refused last, in ms since 1970. */
  readonly atMs: number;
  /** How often it was offered and refused. */
  readonly times: number;
}

/** An update that was begun and not yet judged. */
export interface Pending {
  readonly version: string;
  /** What ran when it was begun. */
  readonly from: string;
  /** The boot in which it was begun, or last found waiting. */
  readonly bootId: string;
  /**
   * `installing`: the slot may be half written. `staged`: the next boot takes it. `back`: the next boot takes an older one.
   * `dropped`: the loader is told not to take it, and may not have heard that yet.
   */
  readonly stage: "installing" | "staged" | "back" | "dropped";
  /** How often the machine came up without it. */
  readonly missed: number;
  readonly size: number;
}

/** Downloads of one release that failed. */
export interface Attempts {
  readonly version: string;
  readonly digest: string;
  readonly folder: number;
  readonly failures: number;
  /** How often all folders failed. */
  readonly rounds: number;
  /** Not tried before, in ms since 1970. */
  readonly notBeforeMs: number;
}

export interface Hold {
  readonly reason: string;
  /** ms since 1970. */
  readonly sinceMs: number;
}

/** What outlives a reboot, in one file of the machine's state. */
export interface UpdateMemory {
  /** The first version that ran here; undefined before the engine ran for the first time. */
  readonly aleph?: string;
  /** What ran before the last update; empty once a server was told, undefined before the first check ever. */
  readonly previous?: string;
  readonly lastCheckMs: number;
  readonly refusals: readonly Refusal[];
  readonly pending?: Pending;
  readonly attempts?: Attempts;
  readonly hold?: Hold;
}

export const emptyMemory: UpdateMemory = { lastCheckMs: 0, refusals: [] };

/** The oldest refusals beyond these are forgotten. */
export const mostRefusals = 64;

/** The text of the file. */
export function printMemory(memory: UpdateMemory): string {
  return `${JSON.stringify({ format: 1, ...memory }, null, 2)}\n`;
}

/** Reads the file; undefined when it is none of ours, which is as if the machine were new. */
export function parseMemory(text: string): UpdateMemory | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { format, ...rest } = value as { format?: unknown } & Partial<UpdateMemory>;
  const { refusals, lastCheckMs, pending, attempts, hold, aleph, previous } = rest;
  const isOurs =
    format === 1 &&
    typeof lastCheckMs === "number" &&
    Array.isArray(refusals) &&
    refusals.every((each) => has(each, refusalShape)) &&
    (pending === undefined || has(pending, pendingShape)) &&
    (attempts === undefined || has(attempts, attemptsShape)) &&
    (hold === undefined || has(hold, holdShape)) &&
    (aleph === undefined || typeof aleph === "string") &&
    (previous === undefined || typeof previous === "string");
  return isOurs ? { ...rest, lastCheckMs, refusals } : undefined;
}

type Shape<Kind> = Readonly<Record<keyof Kind, "string" | "number">>;

const refusalShape: Shape<Refusal> = {
  version: "string",
  digest: "string",
  kind: "string",
  sentence: "string",
  atMs: "number",
  times: "number",
};
const pendingShape: Shape<Pending> = {
  version: "string",
  from: "string",
  bootId: "string",
  stage: "string",
  missed: "number",
  size: "number",
};
const attemptsShape: Shape<Attempts> = {
  version: "string",
  digest: "string",
  folder: "number",
  failures: "number",
  rounds: "number",
  notBeforeMs: "number",
};
const holdShape: Shape<Hold> = { reason: "string", sinceMs: "number" };

function has(value: unknown, shape: Readonly<Record<string, "string" | "number">>): boolean {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  return Object.entries(shape).every(([name, kind]) => typeof fields[name] === kind);
}

/** Memory that also holds a refusal; one of the same release is counted up. */
export function withRefusal(memory: UpdateMemory, refusal: Omit<Refusal, "times">): UpdateMemory {
  const before = memory.refusals.find((each) => isSameRelease(each, refusal));
  const others = memory.refusals.filter((each) => each !== before);
  const refusals = [...others, { ...refusal, times: (before?.times ?? 0) + 1 }].slice(-mostRefusals);
  return { ...memory, refusals };
}

function isSameRelease(left: Omit<Refusal, "times">, right: Omit<Refusal, "times">): boolean {
  return left.version === right.version && left.digest === right.digest && left.kind === right.kind;
}

/** Memory without one of its parts; leaving a part out is not the same as having it undefined. */
export function without(memory: UpdateMemory, part: "pending" | "attempts" | "hold"): UpdateMemory {
  const { [part]: _dropped, ...rest } = memory;
  return rest;
}
