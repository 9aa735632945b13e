import type { UnitName } from "../fleet/model.ts";
import type { UnitSource } from "../fleet/unit-manager.ts";
import { isFault, sentenceOf } from "../lib/fault.ts";
import { hashUnitText } from "../unit/hash.ts";
import { installOf } from "../unit/install.ts";
import { problemWithName, splitName } from "../unit/name.ts";
import { parseUnitFile } from "../unit/parse.ts";
import { inBatch } from "./batch.ts";
import type { Manager, UnitRow } from "./manager.ts";
import type { Reloads } from "./reloads.ts";
import type { UnitDirectory } from "./unit-directory.ts";

/** A unit whose file is in place, with what systemd made of it; templates have no state. */
export interface Loaded {
  readonly name: UnitName;
  readonly hash: string;
  readonly row: UnitRow | undefined;
}

/** A file that was put in place, and what was there before. */
interface Written {
  readonly unit: UnitSource;
  readonly before: string | undefined;
}

/**
 * Puts a batch of units in place: files, links, [Install], then one look at all of them. systemd finds new names by
 * itself, because it notices changed folders; it has to be told to reload only when it holds an older file of the same
 * name, when an [Install] section was carried out, or when two changes fell into one tick of the folder's timestamp and it missed the second.
 */
export async function loadUnits(
  manager: Manager,
  directory: UnitDirectory,
  units: readonly UnitSource[],
  reloads: Reloads,
): Promise<{ loaded: readonly Loaded[]; problems: ReadonlyMap<UnitName, string> }> {
  const problems = new Map<UnitName, string>();
  const written = writeFiles(directory, units, problems);
  await link(manager, directory, written, problems);
  const enabled = await enable(manager, directory, written, problems);
  await takeBack(manager, directory, written, problems);

  const placed = written.filter(({ unit }) => !problems.has(unit.name));
  const replaced = placed.filter(({ before }) => before !== undefined).map(({ unit }) => unit.name);
  const held = await manager.unitsHeld(replaced);
  const outdated = new Set(held.map(({ name }) => name));
  for (const { unit } of placed) {
    if (reloads.isUnread(unit.name) || (enabled && hasInstall(unit.text))) outdated.add(unit.name);
  }
  const readAgain = async (changed: readonly UnitName[]): Promise<void> => {
    try {
      await reloads.reload(changed);
    } catch (error) {
      if (!isFault(error, "bus-refused")) throw error;
      for (const name of changed) problems.set(name, notRead(name, error));
    }
  };
  if (outdated.size > 0) await readAgain([...outdated]);

  const names = placed.map(({ unit }) => unit.name).filter((name) => !splitName(name)?.isTemplate);
  let rows = await unitRows(manager, names);
  const unknown = rows.filter((row) => row.load === "not-found").map((row) => row.name);
  if (outdated.size === 0 && unknown.length > 0) {
    await readAgain(unknown);
    rows = await unitRows(manager, names);
  }
  const byName = new Map(rows.map((row) => [row.name, row]));
  const loaded = placed.map(({ unit }) => {
    return { name: unit.name, hash: hashUnitText(unit.text), row: byName.get(unit.name) };
  });
  for (const { name, row } of loaded) {
    if (row === undefined || row.load === "loaded" || problems.has(name)) continue;
    problems.set(
      name,
      `cannot load ${name}: systemd calls its unit file ${row.load}; see systemctl status ${name}`,
    );
  }
  return { loaded, problems };
}

/**
 * Why `loadUnits` could not put these units in place of those that run, by name. systemd reads no unit file again while /run is
 * nearly full, and tells only when it is asked to.
 */
export async function prepareUnits(
  directory: UnitDirectory,
  units: readonly UnitSource[],
  reloads: Reloads,
): Promise<ReadonlyMap<UnitName, string>> {
  const problems = new Map<UnitName, string>();
  for (const { name, text } of units) {
    try {
      directory.checkRoom(text);
    } catch (error) {
      problems.set(name, notWritten(name, error));
    }
  }
  if (problems.size === units.length) return problems;
  try {
    await reloads.reload([]);
  } catch (error) {
    if (!isFault(error, "bus-refused")) throw error;
    for (const { name } of units) problems.set(name, notRead(name, error));
  }
  return problems;
}

function notWritten(name: UnitName, error: unknown): string {
  return `cannot load ${name}: its unit file cannot be written: ${sentenceOf(error)}`;
}

function notRead(name: UnitName, error: unknown): string {
  return `cannot load ${name}: systemd does not read its unit file: ${sentenceOf(error)}`;
}

function writeFiles(
  directory: UnitDirectory,
  units: readonly UnitSource[],
  problems: Map<UnitName, string>,
): readonly Written[] {
  const written: Written[] = [];
  for (const unit of new Map(units.map((each) => [each.name, each])).values()) {
    const problem = problemWithName(unit.name) ?? foreignProblem(directory, unit.name);
    if (problem !== undefined) {
      problems.set(unit.name, `cannot load ${unit.name}: ${problem}`);
      continue;
    }
    try {
      const before = directory.read(unit.name);
      if (before !== unit.text) directory.write(unit.name, unit.text);
      written.push({ unit, before });
    } catch (error) {
      problems.set(unit.name, notWritten(unit.name, error));
    }
  }
  return written;
}

/** Units that systemd makes without a file, and never stops (systemd.special(7)). */
const perpetual: ReadonlySet<UnitName> = new Set(["-.mount", "-.slice", "init.scope", "system.slice"]);

function foreignProblem(directory: UnitDirectory, name: UnitName): string | undefined {
  if (perpetual.has(name)) return "systemd has a unit of its own of that name; choose another name";
  const path = directory.foreignFile(name);
  if (path === undefined) return undefined;
  return `the machine has a unit of that name in ${path}; choose another name`;
}

/**
 * Makes systemd find the files until the next boot, as `systemctl link --runtime` does. Its own LinkUnitFiles call would do the
 * same and then have systemctl warn about every unit of the machine until somebody reloads.
 */
async function link(
  manager: Manager,
  directory: UnitDirectory,
  written: readonly Written[],
  problems: Map<UnitName, string>,
): Promise<void> {
  const installed = written.filter(({ before }) => before !== undefined && hasInstall(before));
  const refused = await inBatch(
    installed.map(({ unit }) => unit.name),
    (names) => manager.disable(names),
  );
  for (const [name, why] of refused)
    problems.set(name, `cannot load ${name}: systemd keeps what its earlier [Install] section did: ${why}`);
  for (const { unit } of written) {
    if (problems.has(unit.name)) continue;
    try {
      directory.link(unit.name);
    } catch (error) {
      problems.set(
        unit.name,
        `cannot load ${unit.name}: its unit file cannot be linked: ${sentenceOf(error)}`,
      );
    }
  }
}

/** Whether a unit file has anything for systemd to enable, so that systemd has to be asked to take it back. */
export function hasInstall(text: string): boolean {
  return installOf(parseUnitFile(text).file) !== "none";
}

/** Carries out [Install] sections; true when one was, because units that want the new one hear of it only by a reload. */
async function enable(
  manager: Manager,
  directory: UnitDirectory,
  written: readonly Written[],
  problems: Map<UnitName, string>,
): Promise<boolean> {
  // systemd tells of a batch only whether any of it says where to, so the doubtful ones are asked about alone.
  const whole: UnitName[] = [];
  const alone: UnitName[] = [];
  for (const { unit } of written) {
    const install = installOf(parseUnitFile(unit.text).file);
    if (install === "none" || problems.has(unit.name)) continue;
    (install === "somewhere" ? whole : alone).push(unit.name);
  }
  const call = async (names: readonly UnitName[]): Promise<string | undefined> => {
    const carriesInfo = await manager.enable(names.map((name) => directory.pathOf(name)));
    return carriesInfo ? undefined : "its [Install] section names nothing to install it into";
  };
  const refused = new Map(await inBatch(whole, call));
  for (const name of alone) for (const [of, why] of await inBatch([name], call)) refused.set(of, why);
  for (const [name, why] of refused) problems.set(name, `Failed to enable systemd unit ${name}: ${why}`);
  return whole.length + alone.length > refused.size;
}

/** What could not be linked or enabled leaves no trace: the file of before comes back, or none. */
async function takeBack(
  manager: Manager,
  directory: UnitDirectory,
  written: readonly Written[],
  problems: ReadonlyMap<UnitName, string>,
): Promise<void> {
  const broken = written.filter(({ unit }) => problems.has(unit.name));
  const enabled = broken.filter(({ unit }) => hasInstall(unit.text)).map(({ unit }) => unit.name);
  await inBatch(enabled, (names) => manager.disable(names));
  for (const { unit, before } of broken) {
    if (before === undefined) {
      directory.unlink(unit.name);
      directory.remove(unit.name);
    } else {
      directory.write(unit.name, before);
      directory.link(unit.name);
    }
  }
}

/** systemd's view of each name; one it cannot even look up counts as `error`. */
export async function unitRows(manager: Manager, names: readonly UnitName[]): Promise<readonly UnitRow[]> {
  const rows: UnitRow[] = [];
  const refused = await inBatch(names, async (some) => {
    rows.push(...(await manager.unitsNamed(some)));
  });
  for (const name of refused.keys()) rows.push({ name, load: "error", active: "inactive", sub: "dead" });
  return rows;
}
