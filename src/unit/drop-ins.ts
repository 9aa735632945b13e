import { compareText } from "../lib/text.ts";
import type { UnitFile } from "./unit-file.ts";

/** A file that adds to a unit's own, as systemd reads it from `NAME.service.d/` (systemd.unit(5)). */
export interface DropIn {
  /** The file's name, such as `10-memory.conf`. */
  readonly name: string;
  readonly file: UnitFile;
}

/** Drop-ins that one unit may have. */
export const mostDropIns = 100;

/** Why this cannot be the name of a drop-in; undefined for a good one. */
export function problemWithDropInName(name: string): string | undefined {
  return /^[^/\s\0][^/\0]{0,200}\.conf$/.test(name)
    ? undefined
    : `${JSON.stringify(name)} cannot be the name of a drop-in: it must be a file's name that ends in .conf`;
}

/**
 * A unit with its drop-ins as one file. systemd reads drop-ins behind the unit's own file, in the order of their names, and
 * each assignment adds to a list or takes the place of the one before it, whichever file it stands in; so the unit means the
 * same. Of two drop-ins of one name the later one counts, as those of an instance do before those of its template.
 */
export function mergeDropIns(file: UnitFile, dropIns: readonly DropIn[]): UnitFile {
  const byName = new Map(dropIns.map((dropIn) => [dropIn.name, dropIn.file]));
  const inOrder = [...byName].sort(([a], [b]) => compareText(a, b));
  return [...file, ...inOrder.flatMap(([, added]) => added)];
}

/** The folders that systemd reads a unit's drop-ins from, those that count less first: its template's, then its own. */
export function dropInFolders(name: string, template: string | undefined): readonly string[] {
  return template === undefined || template === name ? [`${name}.d`] : [`${template}.d`, `${name}.d`];
}
