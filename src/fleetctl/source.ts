import type { Call } from "../cli/command.ts";
import type { FleetClient } from "../fleet/api-client.ts";
import type { UnitEntity } from "../fleet/api-entities.ts";
import type { TargetState, UnitName } from "../fleet/model.ts";
import { problemWithOptions, warningsAbout } from "../fleet/options-check.ts";
import { requirementsOf } from "../fleet/options.ts";
import { Fault, isFault, sentenceOf } from "../lib/fault.ts";
import { type DropIn, dropInFolders, mergeDropIns, problemWithDropInName } from "../unit/drop-ins.ts";
import { hashUnitText } from "../unit/hash.ts";
import { problemWithName, splitName, withServiceSuffix } from "../unit/name.ts";
import { parseUnitFile } from "../unit/parse.ts";
import { printUnitFile } from "../unit/print.ts";
import type { UnitFile } from "../unit/unit-file.ts";
import { withPatterns } from "./names.ts";
import { inParallel } from "./parallel.ts";
import { fileOf } from "./unit-options.ts";

/** The verbs that create units, and the present desired states in which each may replace one (fleetctl v1.0.0). */
export const replaceable: Readonly<Record<"submit" | "load" | "start", readonly TargetState[]>> = {
  submit: ["inactive"],
  load: ["inactive", "loaded"],
  start: ["inactive", "loaded", "launched"],
};

/** The verbs that create units; restart does for those that the registry does not have yet, and replaces none. */
export type CreatingVerb = keyof typeof replaceable | "restart";

/** A unit that a command line names, looked up. */
export interface SourcedUnit {
  readonly name: UnitName;
  /** As the registry has it; undefined when it does not. */
  readonly existing: UnitEntity | undefined;
  /** What is to be written; undefined when the registry keeps what it has. */
  readonly file: UnitFile | undefined;
  /** Where its file was looked for. */
  readonly path: string;
  readonly global: boolean;
}

/**
 * Finds what the arguments of submit, load, start or restart mean, one after the other: the unit in the registry, else the file,
 * else for an instance its template in the registry or beside the file. A template named earlier counts as being in the
 * registry. A pattern stands for units of the registry. Each unit comes once. Nothing is written there.
 */
export async function sourceUnits(
  call: Call,
  client: FleetClient,
  verb: CreatingVerb,
): Promise<readonly SourcedUnit[]> {
  const given = await withPatterns(call.arguments.map(unitOfFolder), client);
  const names = given.map(withServiceSuffix);
  const templates = names.map((name) => splitName(name)?.template).filter((name) => name !== undefined);
  const asked = Array.from(new Set([...names, ...templates]));
  const found = await inParallel(asked, async (name) => await registered(client, name));
  const registry = new Map(asked.map((name, index) => [name, found[index]]));
  const units = new Map<UnitName, SourcedUnit>();
  for (const [index, argument] of given.entries()) {
    const name = names[index] ?? "";
    const former = units.get(name);
    if (former !== undefined) {
      await compareAgain(call, former, argument);
      continue;
    }
    const fileIn = (unit: UnitName): UnitFile | undefined => {
      const existing = registry.get(unit);
      return units.get(unit)?.file ?? (existing === undefined ? undefined : fileOf(existing));
    };
    units.set(name, await sourceUnit(call, verb, { argument, name, existing: registry.get(name), fileIn }));
  }
  return Array.from(units.values());
}

/** A unit that is named again, maybe by another file: only one of two that differ can count. */
async function compareAgain(
  call: Call,
  { name, existing, file, path }: SourcedUnit,
  argument: string,
): Promise<void> {
  const folder = folderOf(argument);
  if (folder + name === path) return;
  const counts = file ?? (existing === undefined ? [] : fileOf(existing));
  const differing = await differingFile(call, name, counts, folder);
  if (differing === undefined) return;
  if (call.flags.on("replace")) {
    const both = `${path} and ${differing.path}`;
    throw new Fault(
      "two-files",
      `two files that differ are given for Unit(${name}): ${both}; name one of them`,
    );
  }
  warnOfFile(call, name, differing);
}

/** What stands before the name in an argument: nothing, or a path that ends with a slash. */
function folderOf(argument: string): string {
  return argument.slice(0, argument.lastIndexOf("/") + 1);
}

/** A folder of drop-ins, which a shell's `web.service*` names as well, means the unit that they belong to. */
function unitOfFolder(argument: string): string {
  const unit = argument.replace(/\.d\/*$/, "");
  return unit !== argument && withServiceSuffix(unit) === unit.slice(unit.lastIndexOf("/") + 1)
    ? unit
    : argument;
}

interface Source {
  /** As it was typed. */
  readonly argument: string;
  readonly name: UnitName;
  readonly existing: UnitEntity | undefined;
  /** The text of a unit in the registry, as it will be when the command has written it. */
  readonly fileIn: (name: UnitName) => UnitFile | undefined;
}

async function sourceUnit(call: Call, verb: CreatingVerb, source: Source): Promise<SourcedUnit> {
  const { argument, name, existing } = source;
  const folder = folderOf(argument);
  if (existing === undefined) {
    const file = await newFile(call, source, folder);
    check(call, name, file);
    return sourced(name, folder, undefined, file);
  }
  if (verb === "restart" || !call.flags.on("replace")) {
    const differing = await differingFile(call, name, fileOf(existing), folder);
    if (differing !== undefined) warnOfFile(call, name, differing);
    return sourced(name, folder, existing, undefined);
  }
  const local = await localFile(call, name, folder);
  if (local === undefined) throw noLocalFile(name, folder);
  if (hashOf(local.file) === hashOf(fileOf(existing))) {
    call.stdout.write(`Found same Unit(${name}) in Registry, nothing to do\n`);
    return sourced(name, folder, existing, undefined);
  }
  if (!replaceable[verb].includes(existing.desiredState)) {
    call.stderr.write(
      `Warning: can not replace Unit(${name}) in state '${existing.desiredState}', use the appropriate command\n`,
    );
    return sourced(name, folder, existing, undefined);
  }
  check(call, name, local.file);
  return sourced(name, folder, existing, local.file);
}

function noLocalFile(name: UnitName, folder: string): Fault {
  const parts = splitName(name);
  const sentence =
    parts?.template === undefined || parts.instance === undefined
      ? `error Unit ${folder}${name} does not seem to be a template unit`
      : `stat ${folder}${parts.template}: no such file or directory`;
  return new Fault("no-file", sentence);
}

async function registered(client: FleetClient, name: UnitName): Promise<UnitEntity | undefined> {
  try {
    return await client.unit(name);
  } catch (error) {
    throw new Fault("registry", `error retrieving Unit(${name}) from Registry: ${sentenceOf(error)}`, {
      cause: error,
    });
  }
}

function sourced(
  name: UnitName,
  folder: string,
  existing: UnitEntity | undefined,
  file: UnitFile | undefined,
): SourcedUnit {
  const effective = file ?? (existing === undefined ? [] : fileOf(existing));
  return { name, existing, file, path: folder + name, global: requirementsOf(effective, name).global };
}

interface LocalFile {
  readonly path: string;
  readonly file: UnitFile;
  readonly kind: "unit" | "template";
}

/** The file of a unit, or of its template. */
async function localFile(call: Call, name: UnitName, folder: string): Promise<LocalFile | undefined> {
  const parts = splitName(name);
  const dropIns = dropInFolders(name, parts?.template);
  const own = await readUnit(call, folder + name);
  if (own !== undefined)
    return { path: folder + name, file: await withDropIns(call, own, folder, dropIns), kind: "unit" };
  if (parts?.template === undefined || parts.instance === undefined) return undefined;
  const template = await readUnit(call, folder + parts.template);
  return template === undefined
    ? undefined
    : {
        path: folder + parts.template,
        file: await withDropIns(call, template, folder, dropIns),
        kind: "template",
      };
}

async function newFile(call: Call, { name, fileIn }: Source, folder: string): Promise<UnitFile> {
  const parts = splitName(name);
  const own = await localFile(call, name, folder);
  if (own?.kind === "unit") return own.file;
  if (parts?.template === undefined || parts.instance === undefined) {
    throw new Fault("no-unit", `unable to find Unit(${name}) in Registry or on filesystem`);
  }
  const inRegistry = fileIn(parts.template);
  if (inRegistry !== undefined) {
    const template = own === undefined ? undefined : await localFile(call, parts.template, folder);
    if (template !== undefined) warnOfTemplate(call, parts.template, inRegistry, template);
  }
  // The registry's template has its own drop-ins in it already.
  if (inRegistry !== undefined) return await withDropIns(call, inRegistry, folder, [`${name}.d`]);
  if (own !== undefined) return own.file;
  throw new Fault(
    "no-unit",
    `failed getting Unit(${folder}${name}) from template: ` +
      `unable to find template Unit(${parts.template}) in Registry or on filesystem`,
  );
}

/** A unit with what the `.conf` files in these folders add to it, as systemd reads it (systemd.unit(5)). */
async function withDropIns(
  call: Call,
  file: UnitFile,
  folder: string,
  folders: readonly string[],
): Promise<UnitFile> {
  const dropIns: DropIn[] = [];
  for (const inner of folders) {
    const names = await call.files.list(folder + inner);
    for (const name of names.filter((each) => problemWithDropInName(each) === undefined)) {
      const added = await readUnit(call, `${folder}${inner}/${name}`);
      if (added !== undefined) dropIns.push({ name, file: added });
    }
  }
  return mergeDropIns(file, dropIns);
}

async function readUnit(call: Call, path: string): Promise<UnitFile | undefined> {
  const text = await readFile(call, path);
  if (text === undefined) return undefined;
  if (text.includes("\0"))
    throw new Fault("bad-file", `failed getting Unit(${path}) from file: it is not text`);
  const { file, problems } = parseUnitFile(text);
  const [problem] = problems;
  if (problem === undefined) return file;
  throw new Fault(
    "bad-file",
    `failed getting Unit(${path}) from file: ${problem.sentence} (line ${problem.line})`,
  );
}

async function readFile(call: Call, path: string): Promise<string | undefined> {
  try {
    return await call.files.read(path);
  } catch (error) {
    throw new Fault("bad-file", `failed getting Unit(${path}) from file: ${sentenceOf(error)}`, {
      cause: error,
    });
  }
}

/** A file that is not what `counts`. */
type DifferingFile = Pick<LocalFile, "path" | "kind">;

/** The local file of a unit, if there is one and it says something else than what counts for the unit. */
async function differingFile(
  call: Call,
  name: UnitName,
  counts: UnitFile,
  folder: string,
): Promise<DifferingFile | undefined> {
  try {
    const local = await localFile(call, name, folder);
    return local === undefined || hashOf(local.file) === hashOf(counts) ? undefined : local;
  } catch (error) {
    // A file that is no unit is another one than the registry's, and no reason to leave that alone (fleetctl v1.0.0).
    if (!isFault(error)) throw error;
    return { path: folder + name, kind: "unit" };
  }
}

function warnOfFile(call: Call, name: UnitName, { path, kind }: DifferingFile): void {
  const file = kind === "template" ? "local template unit file" : "local unit file";
  call.stderr.write(
    `WARNING: Unit ${name} in registry differs from ${file} ${path}. Add --replace to override.\n`,
  );
}

/** A new instance has the registry's template, whatever --replace says, because that replaces units that exist. */
function warnOfTemplate(call: Call, template: UnitName, inRegistry: UnitFile, local: LocalFile): void {
  if (hashOf(local.file) === hashOf(inRegistry)) return;
  call.stderr.write(
    `WARNING: Unit ${template} in registry differs from local template unit file ${local.path}. ` +
      `The registry's is used; to bring the file into effect first: fleetctl submit --replace ${local.path}\n`,
  );
}

/** Refuses what the server would refuse, before anything is written, and warns of options that do nothing. */
function check(call: Call, name: UnitName, file: UnitFile): void {
  const problem = problemWithName(name) ?? problemWithOptions(file) ?? problemWithLack(file);
  if (problem !== undefined) throw new Fault("bad-unit", `failed creating unit ${name}: ${problem}`);
  for (const warning of warningsAbout(file, name)) call.stderr.write(`WARNING: ${warning}\n`);
}

/** A server takes a unit without options for one that it should have already. */
function problemWithLack(file: UnitFile): string | undefined {
  return file.length > 0 ? undefined : "options field empty: there is not one option in its file";
}

function hashOf(file: UnitFile): string {
  return hashUnitText(printUnitFile(file));
}
