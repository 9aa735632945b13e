import type { Call } from "../cli/command.ts";
import type { FleetClient } from "../fleet/api-client.ts";
import type { UnitName } from "../fleet/model.ts";
import { matchesGlob } from "../lib/glob.ts";
import { splitName, withServiceSuffix } from "../unit/name.ts";

/** Whether an argument is a pattern: no unit's name has one of these characters. */
export function isPattern(argument: string): boolean {
  return /[*?[]/.test(argument);
}

/** Whether a name is what an argument says: a pattern, or the name with or without `.service`. */
export function isMeant(argument: string, name: UnitName): boolean {
  if (!isPattern(argument)) return withServiceSuffix(argument) === name;
  return matchesGlob(argument, name) || matchesGlob(withServiceSuffix(argument), name);
}

/** Whether a listing shows a unit: all of them, or those that its arguments mean. */
export function isListed({ arguments: args }: Call, name: UnitName): boolean {
  return args.length === 0 || args.some((argument) => isMeant(argument, name));
}

/**
 * The names that arguments stand for, each once: a pattern stands for what it fits in the registry, everything else for
 * itself, whether the registry has it or not.
 */
export async function namesOf(args: readonly string[], client: FleetClient): Promise<readonly UnitName[]> {
  const known = args.some(isPattern) ? (await client.units()).map(({ name }) => name) : [];
  const names = args.flatMap((argument) =>
    isPattern(argument) ? known.filter((name) => isMeant(argument, name)) : [withServiceSuffix(argument)],
  );
  return Array.from(new Set(names));
}

/**
 * Arguments of a verb that creates units, where a pattern stands for the units of the registry that it fits; but never for a
 * template, because those are not started. A pattern that fits none stays as it is.
 */
export async function withPatterns(args: readonly string[], client: FleetClient): Promise<readonly string[]> {
  if (!args.some(isPattern)) return args;
  const known = (await client.units()).map(({ name }) => name);
  return args.flatMap((argument) => {
    const fitting = isPattern(argument) ? known.filter((name) => isMeant(argument, name)) : [];
    const units = fitting.filter((name) => splitName(name)?.isTemplate !== true);
    return units.length > 0 ? units : [argument];
  });
}
