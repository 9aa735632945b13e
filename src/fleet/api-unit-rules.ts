import { goQuoted } from "../lib/go-quote.ts";
import { trimSpace, utf8Length } from "../lib/text.ts";
import { type DropIn, mergeDropIns, mostDropIns, problemWithDropInName } from "../unit/drop-ins.ts";
import { hashUnitText } from "../unit/hash.ts";
import { problemWithName, splitName } from "../unit/name.ts";
import { parseUnitFile } from "../unit/parse.ts";
import { printUnitFile } from "../unit/print.ts";
import type { UnitFile, UnitOption } from "../unit/unit-file.ts";
import { type TargetState, targetStates, type Unit, type UnitName } from "./model.ts";
import { problemWithOptions, warningsAbout } from "./options-check.ts";

/** A request to write a unit, before anything about it was checked. */
export interface PutRequest {
  /** The name in the URL, decoded. */
  readonly name: string;
  /** The header as HTTP joins it: several headers become one, with commas. */
  readonly contentType: string | null;
  readonly body: string;
}

/** Bytes of text that a unit may have; what its template and its drop-ins bring counts as well. */
const mostTextBytes = 1024 * 1024;

/** What a PUT of a unit comes to. */
export type PutDecision =
  | { readonly do: "refuse"; readonly status: number; readonly message: string }
  | {
      readonly do: "create" | "replace";
      readonly unit: NewUnit;
      /** What its author should hear of although it is taken. */
      readonly warnings: readonly string[];
    }
  | { readonly do: "target"; readonly target: TargetState };

/** What the registry has of a unit, and of the template whose instance it is. */
export interface Registered {
  readonly unit: Unit | undefined;
  readonly template: Unit | undefined;
}

export type NewUnit = Pick<Unit, "name" | "text" | "hash" | "target">;

/**
 * Decides on `PUT /units/{name}` in the order of fleet v1.0.0, for the unit as the registry has it now. Unlike there the
 * options are checked whenever they are given, the desired state is one of the three words, and a template is never
 * activated, not even when it is created. An instance without options is made from its template in the registry.
 */
export function decidePut(request: PutRequest, registered: Registered): PutDecision {
  const problem = problemWithType(request.contentType);
  if (problem !== undefined) return refusal(415, problem);
  const body = readUnitBody(request.body);
  if ("problem" in body) return refusal(400, `unable to decode body: ${body.problem}`);
  const name = body.name === "" ? request.name : body.name;
  if (name !== request.name) {
    const quoted = [goQuoted(request.name), goQuoted(name)];
    return refusal(400, `name in URL ${quoted[0]} differs from unit name in request body ${quoted[1]}`);
  }
  const badName = problemWithName(name);
  if (badName !== undefined) return refusal(400, badName);
  return decideChange(name, body, registered);
}

function decideChange(name: UnitName, body: UnitBody, registered: Registered): PutDecision {
  const { desiredState } = body;
  const existing = registered.unit;
  const written = optionsOf(body, registered);
  if ("problem" in written) return refusal(400, written.problem);
  const { options } = written;
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
    return refusal(400, `cannot activate template ${goQuoted(name)}`);
  }
  if (target === undefined) {
    return refusal(400, `invalid desiredState ${goQuoted(desiredState)}: use ${targetStates.join(", ")}`);
  }
  if (change === undefined) return { do: "target", target };
  const { text, hash, file } = change;
  const unit = { name, text, hash, target };
  return { do: existing === undefined ? "create" : "replace", unit, warnings: warningsAbout(file, name) };
}

/** The options that a body asks for, its drop-ins among them; a new instance has those of its template. */
function optionsOf(
  { options, dropIns }: UnitBody,
  { unit, template }: Registered,
): { readonly options: readonly UnitOption[] } | { readonly problem: string } {
  const fromTemplate = options.length === 0 && unit === undefined && template !== undefined;
  const own = fromTemplate ? parseUnitFile(template.text).file : options;
  if (dropIns.length > 0 && own.length === 0)
    return { problem: "dropIns are given without the options that they add to" };
  return { options: mergeDropIns(own, dropIns) };
}

/** The new text of a unit, or why it cannot be; undefined when the options are those that it has. */
function changedUnit(
  options: readonly UnitOption[],
  existing: Unit | undefined,
): (Pick<Unit, "text" | "hash"> & { readonly file: UnitFile }) | { readonly problem: string } | undefined {
  const file = filed(options);
  if ("problem" in file) return file;
  const text = printUnitFile(file.file);
  if (utf8Length(text) > mostTextBytes)
    return { problem: `the unit has more than ${mostTextBytes} bytes of text with its drop-ins` };
  const hash = hashUnitText(text);
  if (existing?.hash === hash) return undefined;
  const problem = problemWithOptions(file.file);
  return problem === undefined ? { text, hash, file: file.file } : { problem };
}

function refusal(status: number, message: string): PutDecision {
  return { do: "refuse", status, message };
}

function problemWithType(contentType: string | null): string | undefined {
  // A comma inside of quotes belongs to a parameter.
  const types = contentType === null ? [] : contentType.replaceAll(/"[^"]*"/g, "").split(",");
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
  readonly dropIns: readonly DropIn[];
}

/** Reads the JSON of a unit; fields that are not known are passed over, absent ones are empty. */
function readUnitBody(text: string): UnitBody | { readonly problem: string } {
  const value = readJson(text);
  if ("problem" in value) return value;
  // To Go's decoder null is a value that says nothing, here and in every field.
  const fields = value.json ?? {};
  if (!isRecord(fields)) return { problem: "the unit must be a JSON object" };
  const [name, desiredState, options] = ["name", "desiredState", "options"].map((key) =>
    fieldOf(fields, key),
  );
  if (!isText(name)) return { problem: "name must be text" };
  if (!isText(desiredState)) return { problem: "desiredState must be text" };
  const read = readOptions(options);
  if ("problem" in read) return read;
  const dropIns = readDropIns(fieldOf(fields, "dropIns"));
  if ("problem" in dropIns) return dropIns;
  return { name: name ?? "", desiredState: desiredState ?? "", ...read, ...dropIns };
}

function readDropIns(value: unknown): { readonly dropIns: readonly DropIn[] } | { readonly problem: string } {
  if (value === null) return { dropIns: [] };
  if (!Array.isArray(value) || value.length > mostDropIns)
    return { problem: `dropIns must be a list of at most ${mostDropIns}` };
  const dropIns: DropIn[] = [];
  for (const dropIn of value as readonly unknown[]) {
    if (!isRecord(dropIn)) return { problem: "each drop-in must be a JSON object" };
    const name = fieldOf(dropIn, "name");
    const badName = typeof name === "string" ? problemWithDropInName(name) : "a drop-in must have a name";
    if (typeof name !== "string" || badName !== undefined) return { problem: badName ?? "" };
    const read = readOptions(fieldOf(dropIn, "options"));
    if ("problem" in read) return read;
    dropIns.push({ name, file: read.options });
  }
  return { dropIns };
}

function readOptions(
  options: unknown,
): { readonly options: readonly UnitOption[] } | { readonly problem: string } {
  if (options !== null && !Array.isArray(options)) return { problem: "options must be a list" };
  const read: UnitOption[] = [];
  for (const option of (options ?? []) as readonly unknown[]) {
    if (!isRecord(option)) return { problem: "each option must be a JSON object" };
    const [section, key, content] = ["section", "name", "value"].map((part) => fieldOf(option, part));
    if (!isText(section) || !isText(key) || !isText(content)) {
      return { problem: "section, name and value of an option must be text" };
    }
    read.push({ section: wellFormed(section), name: wellFormed(key), value: wellFormed(content) });
  }
  return { options: read };
}

/** Parses JSON; an empty text is `EOF` and one that is cut off `unexpected EOF`, as Go's decoder says it. */
export function readJson(text: string): { readonly json: unknown } | { readonly problem: string } {
  if (trimSpace(text) === "") return { problem: "EOF" };
  try {
    const json: unknown = JSON.parse(text);
    return { json };
  } catch (error) {
    const problem = error instanceof Error ? error.message : "this is not JSON";
    const at = /at position (\d+)/.exec(problem)?.[1];
    const isCutOff = /^Unexpected end of JSON input|^Unterminated string/.test(problem);
    return { problem: isCutOff || Number(at) === text.length ? "unexpected EOF" : problem };
  }
}

/** A text as it can be kept: half of a pair of UTF-16 is U+FFFD, as to Go's decoder. */
function wellFormed(text: string | null): string {
  return (text ?? "").toWellFormed();
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
