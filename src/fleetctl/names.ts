import type { Call } from "../cli/command.ts";
import type { FleetClient } from "../fleet/api-client.ts";
import type { UnitEntity } from "../fleet/api-entities.ts";
import type { UnitName } from "../fleet/model.ts";
import { matchesGlob } from "../lib/glob.ts";
import { splitName, withServiceSuffix } from "../unit/name.ts";
import { fail } from "./columns.ts";

/** Whether an argument is a pattern: no unit's name has one of these characters. */
export function isPattern(argument: string): boolean {
  return /[*?[]/.test(argument);
}

/** Whether a name is what an argument says: a pattern, or the name with or without `.service`. */
export function isMeant(argument: string, name: UnitName): boolean {
  if (!isPattern(argument)) return withServiceSuffix(argument) === name;
  return matchesGlob(argument, name) || matchesGlob(withServiceSuffix(argument), name);
}

/** Whether an argument says just this name, and is no pattern. */
export function isNamed({ arguments: args }: Call, name: UnitName): boolean {
  return args.some((argument) => !isPattern(argument) && isMeant(argument, name));
}

/** Whether a listing shows a unit: all of them, or those that its arguments mean. */
export function isListed({ arguments: args }: Call, name: UnitName): boolean {
  return args.length === 0 || args.some((argument) => isMeant(argument, name));
}

/** For a pattern that stands for nothing. */
export function fitsNothing(call: Call, pattern: string): number {
  return fail(call, `No unit that is loaded or started fits ${pattern}.`);
}

/** Whether a unit is wanted on machines. Templates never are. */
export function isWanted({ desiredState }: UnitEntity): boolean {
  return desiredState !== "inactive";
}

/**
 * The names that arguments stand for, each once: a pattern stands for what it fits in the registry, everything else for
 * itself, whether the registry has it or not.
 * @param means which units a pattern stands for, of those that it fits
 */
export async function namesOf(
  args: readonly string[],
  client: FleetClient,
  means: (unit: UnitEntity) => boolean = () => true,
): Promise<readonly UnitName[]> {
  const units = args.some(isPattern) ? await client.units() : [];
  const known = units.filter(means).map(({ name }) => name);
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
