import { type Call, exitCodes } from "../cli/command.ts";
import type { FleetClient } from "../fleet/api-client.ts";
import type { UnitEntity, UnitReport } from "../fleet/api-entities.ts";
import { requirementsOf } from "../fleet/options.ts";
import { isFault } from "../lib/fault.ts";
import { noUnits, waitLimitMs } from "./activate.ts";
import { fail } from "./columns.ts";
import type { Connect } from "./connect.ts";
import { isNamed, namesOf } from "./names.ts";
import { inParallel } from "./parallel.ts";
import { fileOf } from "./unit-options.ts";
import type { Verdict } from "./verdicts.ts";
import { waitForUnits } from "./wait.ts";

/** A verb that takes units down: stop and unload. */
export interface Deactivation {
  readonly verb: "stop" | "unload";
  readonly target: "loaded" | "inactive";
  /** The verb in the sentence that ends it. */
  readonly past: "stopped" | "unloaded";
  readonly judge: (report: UnitReport) => Verdict;
  /** What to do with a unit in this state: carry on, leave it out, or end with an error. */
  readonly check: (unit: UnitEntity) => "take" | "skip" | { readonly problem: string };
  /** Which units a pattern stands for, of those that it fits; all of them without it. */
  readonly patternsMean?: (unit: UnitEntity) => boolean;
}

/** Carries out stop and unload; returns once no process of the units is left. */
export async function deactivate(call: Call, connect: Connect, deactivation: Deactivation): Promise<number> {
  const { verb, target } = deactivation;
  if (call.arguments.length === 0) return noUnits(call);
  const client = connect(call);
  const found = await findUnits(call, client, deactivation.patternsMean);
  if (found.length === 0) return notFound(call);
  const units: UnitEntity[] = [];
  let code: number = exitCodes.done;
  for (const unit of found) {
    const check = deactivation.check(unit);
    if (check === "take") units.push(unit);
    if (typeof check !== "object") continue;
    code = fail(call, check.problem);
    // One that a pattern happens to fit does not keep the others.
    if (isNamed(call, unit.name)) return code;
  }
  if (call.flags.on("dry-run")) {
    wouldDo(
      call,
      verb,
      units.map(({ name }) => name),
    );
    return code;
  }
  // Global units are not waited for, so that nothing is said of their success.
  const names = units
    .filter((unit) => !isGlobal(unit))
    .map(({ name }) => name)
    .join(" ");
  try {
    await inParallel(units, async ({ name }) => await client.setTarget(name, target));
    const problem = await follow(call, client, deactivation, units);
    if (problem !== undefined) return fail(call, `Failed to ${verb} units [${names}]. err: ${problem}`);
  } catch (error) {
    if (call.signal.aborted || !isFault(error)) throw error;
    return fail(call, `Failed to ${verb} units [${names}]. err: ${error.message}`);
  }
  call.stderr.write(`Successfully ${deactivation.past} units [${names}].\n`);
  return code;
}

async function follow(
  call: Call,
  client: FleetClient,
  { verb, target, judge }: Deactivation,
  units: readonly UnitEntity[],
): Promise<string | undefined> {
  const waitFor: string[] = [];
  for (const unit of units) {
    if (isGlobal(unit)) call.stdout.write(`Triggered global unit ${unit.name} ${verb}\n`);
    else if (call.flags.on("no-block")) call.stdout.write(`Triggered unit ${unit.name} ${verb}\n`);
    else waitFor.push(unit.name);
  }
  return await waitUntilDown(call, client, waitFor, judge, target);
}

/** Waits for units to go down, printing each; the problem of the first one that did not. */
export async function waitUntilDown(
  call: Call,
  client: FleetClient,
  names: readonly string[],
  judge: (report: UnitReport) => Verdict,
  state: string,
): Promise<string | undefined> {
  const outcomes = await waitForUnits({
    client,
    env: call.env,
    names,
    judge,
    settled: (_name, verdict) => {
      if (verdict.kind === "done") call.stdout.write(`${verdict.line}\n`);
    },
    limitMs: waitLimitMs(call),
    signal: call.signal,
  });
  for (const name of names) {
    const verdict = outcomes.get(name);
    if (verdict === undefined) return `timed out waiting for unit ${name} to report state ${state}`;
    if (verdict.kind === "failed") return verdict.sentence;
  }
  return undefined;
}

/**
 * The units that the arguments name and the registry has, each once.
 * @param patternsMean which units a pattern stands for, of those that it fits
 */
export async function findUnits(
  call: Call,
  client: FleetClient,
  patternsMean?: (unit: UnitEntity) => boolean,
): Promise<readonly UnitEntity[]> {
  const names = await namesOf(call.arguments, client, patternsMean);
  const units = await inParallel(names, async (name) => await client.unit(name));
  return units.filter((unit) => unit !== undefined);
}

/** What --dry-run prints in place of doing it. */
export function wouldDo(call: Call, verb: string, names: readonly string[]): number {
  call.stdout.write(names.map((name) => `Would ${verb} unit ${name}\n`).join(""));
  return exitCodes.done;
}

export function notFound(call: Call): number {
  call.stderr.write("Units not found in registry\n");
  return exitCodes.done;
}

export function isGlobal(unit: UnitEntity): boolean {
  return requirementsOf(fileOf(unit), unit.name).global;
}
