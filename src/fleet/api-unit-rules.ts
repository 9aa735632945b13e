import { trimSpace } from "../lib/text.ts";
import { hashUnitText } from "../unit/hash.ts";
import { problemWithName, splitName } from "../unit/name.ts";
import { parseUnitFile } from "../unit/parse.ts";
import { printUnitFile } from "../unit/print.ts";
import type { UnitFile, UnitOption } from "../unit/unit-file.ts";
import { type TargetState, targetStates, type Unit, type UnitName } from "./model.ts";
import { problemWithOptions } from "./options-check.ts";

/** A request to write a unit, before anything about it was checked. */
export interface PutRequest {
  /** The name in the URL, decoded. */
  readonly name: string;
  /** The header as HTTP joins it: several headers become one, with commas. */
  readonly contentType: string | null;
  readonly body: string;
}

/** What a PUT of a unit comes to. */
export type PutDecision =
  | { readonly do: "refuse"; readonly status: number; readonly message: string }
  | { readonly do: "create" | "replace"; readonly unit: NewUnit }
  | { readonly do: "target"; readonly target: TargetState };

export type NewUnit = Pick<Unit, "name" | "text" | "hash" | "target">;

/**
 * Decides on `PUT /units/{name}` in the order of fleet v1.0.0, for the unit as the registry has it now. Unlike there the
 * options are checked whenever they are given, the desired state is one of the three words, and a template is never
 * activated, not even when it is created.
 */
export function decidePut(request: PutRequest, existing: Unit | undefined): PutDecision {
  const problem = problemWithType(request.contentType);
  if (problem !== undefined) return refusal(415, problem);
  const body = readUnitBody(request.body);
  if ("problem" in body) return refusal(400, `unable to decode body: ${body.problem}`);
  const name = body.name === "" ? request.name : body.name;
  if (name !== request.name) {
    const quoted = [JSON.stringify(request.name), JSON.stringify(name)];
    return refusal(400, `name in URL ${quoted[0]} differs from unit name in request body ${quoted[1]}`);
  }
  const badName = problemWithName(name);
  if (badName !== undefined) return refusal(400, badName);
  return decideChange(name, body.options, body.desiredState, existing);
}

function decideChange(
  name: UnitName,
  options: readonly UnitOption[],
  desiredState: string,
  existing: Unit | undefined,
): PutDecision {
  if (existing === undefined && options.length === 0) {
    return refusal(409, "unit does not exist and options field empty");
  }
  const change = options.length === 0 ? undefined : changedUnit(options, existing);
  if (change !== undefined && "problem" in change) return refusal(400, change.problem);
  if (change === undefined && desiredState === "") {
    return refusal(409, "must provide DesiredState to update existing unit");
  }
  const target = targetStates.find((state) => state === (desiredState === "" ? "inactive" : desiredState));
  if (target !== "inactive" && splitName(name)?.isTemplate === true) {
    return refusal(400, `cannot activate template ${JSON.stringify(name)}`);
  }
  if (target === undefined) {
    return refusal(
      400,
      `invalid desiredState ${JSON.stringify(desiredState)}: use ${targetStates.join(", ")}`,
    );
  }
  if (change === undefined) return { do: "target", target };
  return { do: existing === undefined ? "create" : "replace", unit: { name, ...change, target } };
}

/** The new text of a unit, or why it cannot be; undefined when the options are those that it has. */
function changedUnit(
  options: readonly UnitOption[],
  existing: Unit | undefined,
): Pick<Unit, "text" | "hash"> | { readonly problem: string } | undefined {
  const file = filed(options);
  if ("problem" in file) return file;
  const text = printUnitFile(file.file);
  const hash = hashUnitText(text);
  if (existing?.hash === hash) return undefined;
  const problem = problemWithOptions(file.file);
  return problem === undefined ? { text, hash } : { problem };
}

function refusal(status: number, message: string): PutDecision {
  return { do: "refuse", status, message };
}

function problemWithType(contentType: string | null): string | undefined {
  const types = contentType === null ? [] : contentType.split(",");
  if (types.length !== 1) return `expected 1 Content-Type, got ${types.length}`;
  const media = (types[0] ?? "").split(";")[0] ?? "";
  return trimSpace(media) === "application/json"
    ? undefined
    : "only acceptable Content-Type is application/json";
}

interface UnitBody {
  readonly name: string;
  readonly desiredState: string;
  readonly options: readonly UnitOption[];
}

/** Reads the JSON of a unit; fields that are not known are passed over, absent ones are empty. */
function readUnitBody(text: string): UnitBody | { readonly problem: string } {
  const value = readJson(text);
  if ("problem" in value) return value;
  const fields = value.json;
  if (!isRecord(fields)) return { problem: "the unit must be a JSON object" };
  const [name, desiredState, options] = ["name", "desiredState", "options"].map((key) =>
    fieldOf(fields, key),
  );
  if (!isText(name)) return { problem: "name must be text" };
  if (!isText(desiredState)) return { problem: "desiredState must be text" };
  if (options !== null && !Array.isArray(options)) return { problem: "options must be a list" };
  const read: UnitOption[] = [];
  for (const option of (options ?? []) as readonly unknown[]) {
    if (!isRecord(option)) return { problem: "each option must be a JSON object" };
    const [section, key, content] = ["section", "name", "value"].map((part) => fieldOf(option, part));
    if (!isText(section) || !isText(key) || !isText(content)) {
      return { problem: "section, name and value of an option must be text" };
    }
    read.push({ section: section ?? "", name: key ?? "", value: content ?? "" });
  }
  return { name: name ?? "", desiredState: desiredState ?? "", options: read };
}

/** Parses JSON; an empty text is `EOF`, as Go's decoder says it. */
export function readJson(text: string): { readonly json: unknown } | { readonly problem: string } {
  if (trimSpace(text) === "") return { problem: "EOF" };
  try {
    const json: unknown = JSON.parse(text);
    return { json };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : "this is not JSON" };
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A field by its name in any case, as Go's decoder finds it; null when there is none. */
export function fieldOf(record: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(record, name)) return record[name];
  const lower = name.toLowerCase();
  const key = Object.keys(record).find((candidate) => candidate.toLowerCase() === lower);
  return key === undefined ? null : record[key];
}

function isText(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}

/**
 * The unit file that options make. Because a unit is kept as text, options that would read back as others (a value with
 * a line end that starts a new option, for example) are refused.
 */
function filed(options: readonly UnitOption[]): { readonly file: UnitFile } | { readonly problem: string } {
  const { file, problems } = parseUnitFile(printUnitFile(options));
  const [first] = problems;
  if (first !== undefined) return { problem: first.sentence };
  // Reading trims blanks, which can leave a backslash at the end of a line: what was read must read back as well.
  const odd =
    firstDifference(bySection(options), file, saysTheSame) ??
    firstDifference(file, parseUnitFile(printUnitFile(file)).file, isTheSame);
  if (odd === undefined) return { file };
  return {
    problem: `option ${odd.name} of section [${odd.section}] cannot be written as one line of a unit file`,
  };
}

function firstDifference(meant: UnitFile, read: UnitFile, same: Comparison): UnitOption | undefined {
  const differing = meant.find((option, index) => {
    const other = read[index];
    return other === undefined || !same(option, other);
  });
  return differing ?? (meant.length === read.length ? undefined : meant.at(-1));
}

/** In the order in which they are printed: sections in order of first appearance. */
function bySection(options: readonly UnitOption[]): readonly UnitOption[] {
  const order = new Map<string, number>();
  for (const { section } of options) {
    if (!order.has(section)) order.set(section, order.size);
  }
  return options.toSorted((a, b) => (order.get(a.section) ?? 0) - (order.get(b.section) ?? 0));
}

type Comparison = (meant: UnitOption, read: UnitOption) => boolean;

/** Blanks at the ends mean nothing. */
function saysTheSame(meant: UnitOption, read: UnitOption): boolean {
  const pairs = [
    [meant.section, read.section],
    [trimSpace(meant.name), read.name],
    [trimSpace(meant.value.replaceAll("\r\n", "\n")), trimSpace(read.value)],
  ] as const;
  return pairs.every(([a, b]) => a === b);
}

function isTheSame(meant: UnitOption, read: UnitOption): boolean {
  return meant.section === read.section && meant.name === read.name && meant.value === read.value;
}
