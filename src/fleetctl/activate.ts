import { type Call, exitCodes, type Flag } from "../cli/command.ts";
import type { FleetClient } from "../fleet/api-client.ts";
import type { UnitReport } from "../fleet/api-entities.ts";
import type { TargetState } from "../fleet/model.ts";
import { Fault, isFault, sentenceOf } from "../lib/fault.ts";
import { splitName } from "../unit/name.ts";
import { fail } from "./columns.ts";
import type { Connect } from "./connect.ts";
import { machineLegend } from "./legend.ts";
import { inParallel } from "./parallel.ts";
import { type CreatingVerb, type SourcedUnit, sourceUnits } from "./source.ts";
import type { Verdict } from "./verdicts.ts";
import { type Outcomes, waitForUnits } from "./wait.ts";

/** A verb that creates units when need be and asks for a state of them: submit, load and start; restart only creates so. */
export interface Activation {
  readonly verb: CreatingVerb;
  readonly target: TargetState;
  /** Undefined for a verb that does not wait. */
  readonly judge: ((report: UnitReport) => Verdict) | undefined;
}

/** How long one of the attempts of --block-attempts is (fleetctl v1.0.0). */
const attemptMs = 2000;

/** How long to wait at most, in ms; undefined for as long as it takes, which less than one attempt means, too (fleetctl v1.0.0). */
export function waitLimitMs(call: Call): number | undefined {
  const attempts = call.flags.number("block-attempts") ?? 0;
  return attempts < 1 ? undefined : attempts * attemptMs;
}

/** Every verb that changes something has this flag. */
export const dryRunFlag: Flag = {
  name: "dry-run",
  kind: "switch",
  summary: "only tell which units it would change",
};

export const createFlags: readonly Flag[] = [
  { name: "replace", kind: "switch", summary: "replace units of the registry that differ from the files" },
  { name: "sign", kind: "switch", summary: "without effect", hidden: true },
];

export const waitFlags: readonly Flag[] = [
  {
    name: "block-attempts",
    kind: "number",
    signed: true,
    summary: "wait this many times 2 seconds; 0 waits for as long as it takes",
    otherwise: "0",
  },
  { name: "no-block", kind: "switch", summary: "do not wait" },
  dryRunFlag,
];

/** Carries out submit, load and start: all units are written first, then waited for together. */
export async function activate(call: Call, connect: Connect, activation: Activation): Promise<number> {
  if (call.arguments.length === 0) return noUnits(call);
  const client = connect(call);
  const units = await createUnits(call, client, activation);
  if (typeof units === "number") return units;
  if (activation.judge === undefined) return exitCodes.done;
  const triggered = units.filter((unit) => isToChange(unit, activation));
  try {
    await inParallel(triggered, async (unit) => await setTarget(client, unit, activation.target));
  } catch (error) {
    if (call.signal.aborted || !isFault(error)) throw error;
    return fail(call, `Error ${activation.verb}ing units: ${error.message}`);
  }
  const names = (some: readonly SourcedUnit[]): string[] =>
    some.filter(({ global }) => !global).map(({ name }) => name);
  for (const { name, global } of triggered)
    if (global) call.stdout.write(`Triggered global unit ${name} ${activation.verb}\n`);
  const lasting = names(units.filter((unit) => !triggered.includes(unit)));
  return await follow(call, client, activation.verb, activation.judge, names(triggered), lasting);
}

/**
 * Writes the units that the registry does not have, and with --replace those that differ, and tells each. Gives all units that
 * the arguments mean, or the exit code: there is nothing else to do.
 */
async function createUnits(
  call: Call,
  client: FleetClient,
  activation: Activation,
): Promise<readonly SourcedUnit[] | number> {
  let units: readonly SourcedUnit[];
  try {
    units = await sourceUnits(call, client, activation.verb);
  } catch (error) {
    if (call.signal.aborted || !isFault(error)) throw error;
    return fail(call, `Error creating units: ${error.message}`);
  }
  if (call.flags.on("dry-run")) return tellPlan(call, activation, units);
  const created = new Set<string>();
  let problem: string | undefined;
  try {
    const toCreate = units.filter(({ file }) => file !== undefined);
    await inParallel(toCreate, async (unit) => {
      await create(client, unit, activation.target);
      created.add(unit.name);
    });
  } catch (error) {
    if (!isFault(error)) throw error;
    problem = error.message;
  }
  const written = units.filter(({ name }) => created.has(name));
  for (const { name, global } of written) call.stdout.write(`Unit ${name} ${global ? "" : "inactive"}\n`);
  call.signal.throwIfAborted();
  return problem === undefined ? units : fail(call, `Error creating units: ${problem}`);
}

/**
 * For restart: submits units that only files have, as fleetctl v1.0.0 does, and warns of files that differ from the registry.
 * Gives the exit code when that fails.
 */
export async function submitMissing(call: Call, client: FleetClient): Promise<number | undefined> {
  const units = await createUnits(call, client, { verb: "restart", target: "inactive", judge: undefined });
  return units === exitCodes.done || typeof units !== "number" ? undefined : units;
}

function isToChange({ file, existing }: SourcedUnit, { target }: Activation): boolean {
  return file !== undefined || existing?.desiredState !== target;
}

function tellPlan(call: Call, activation: Activation, units: readonly SourcedUnit[]): number {
  const template = activation.judge === undefined ? undefined : units.find(({ name }) => isTemplate(name));
  if (template !== undefined)
    return fail(call, `Error ${activation.verb}ing units: cannot activate template "${template.name}"`);
  for (const unit of units) {
    const { name, file, existing } = unit;
    const write = existing === undefined ? "create" : "replace";
    if (file !== undefined) call.stdout.write(`Would ${write} unit ${name}\n`);
    if (activation.judge !== undefined && isToChange(unit, activation)) {
      call.stdout.write(`Would ${activation.verb} unit ${name}\n`);
    }
  }
  return exitCodes.done;
}

/** A template is only ever submitted; everything else is written together with what is wanted of it, in one request. */
async function create(client: FleetClient, { name, file }: SourcedUnit, target: TargetState): Promise<void> {
  if (file === undefined) return;
  try {
    await client.putUnit(name, file, isTemplate(name) ? "inactive" : target);
  } catch (error) {
    if (!isFault(error)) throw error;
    throw new Fault(error.code, `failed creating unit ${name}: ${error.message}`, { cause: error });
  }
}

async function setTarget(
  client: FleetClient,
  { name, file }: SourcedUnit,
  target: TargetState,
): Promise<void> {
  if (file === undefined || isTemplate(name)) await client.setTarget(name, target);
}

function isTemplate(name: string): boolean {
  return splitName(name)?.isTemplate === true;
}

/**
 * Waits for the units that were triggered. Of the `lasting` ones, which were wanted so before, only what is wrong is told: that
 * one has failed since, or that no machine can take it.
 */
async function follow(
  call: Call,
  client: FleetClient,
  verb: Activation["verb"],
  judge: (report: UnitReport) => Verdict,
  triggered: readonly string[],
  lasting: readonly string[],
): Promise<number> {
  const state = verb === "start" ? "launched" : "loaded";
  const names = call.flags.on("no-block") ? triggered : [...triggered, ...lasting];
  const judgeOne = (report: UnitReport): Verdict =>
    triggered.includes(report.name) ? judge(report) : lastingVerdict(judge(report), report);
  return await waitForAll(call, client, { name: verb, state }, judgeOne, names);
}

function lastingVerdict(verdict: Verdict, report: UnitReport): Verdict {
  const { name, desiredState } = report;
  if (verdict.kind === "unplaced") return verdict;
  if (verdict.kind === "done") return noteOfEnd(verdict, report);
  if (verdict.kind !== "failed") return { kind: "done", line: "" };
  if (desiredState === undefined) return verdict;
  return { ...verdict, sentence: `${verdict.sentence}; to start it again: fleetctl restart ${name}` };
}

/** A unit that is wanted launched and has ended well is no failure, and does not run either: whoever starts it hears so. */
function noteOfEnd({ afterMs = 0 }: Verdict, { name, desiredState, machine, states }: UnitReport): Verdict {
  const state = states.find((each) => each.machine.id === machine?.id);
  if (desiredState !== "launched" || state?.active !== "inactive") return { kind: "done", line: "" };
  const where = machineLegend(state.machine, false);
  const note = `Unit ${name} was started before and has ended on ${where}; to run it again: fleetctl restart ${name}`;
  return { kind: "done", line: "", note, afterMs };
}

/** A verb that waits until units are up: its name, and the state it waits for. */
export interface Verb {
  readonly name: string;
  readonly state: TargetState;
}

/** Waits until each unit has its verdict, and tells them; with --no-block tells only what is asked for. The exit code. */
export async function waitForAll(
  call: Call,
  client: FleetClient,
  verb: Verb,
  judge: (report: UnitReport) => Verdict,
  names: readonly string[],
): Promise<number> {
  if (call.flags.on("no-block")) {
    call.stdout.write(names.map((name) => `Triggered unit ${name} ${verb.name}\n`).join(""));
    return exitCodes.done;
  }
  const patient = call.flags.given("block-attempts");
  try {
    const outcomes = await waitForUnits({
      client,
      env: call.env,
      names,
      judge: (report) => {
        const verdict = judge(report);
        // Whoever says how long to wait waits for a machine that can take the unit, too.
        return patient && verdict.kind === "unplaced" ? { kind: "pending" } : verdict;
      },
      settled: (name, verdict) => tell(call, name, verdict),
      limitMs: waitLimitMs(call),
      signal: call.signal,
    });
    return exitCodeOf(call, names, outcomes, verb.state);
  } catch (error) {
    if (call.signal.aborted || !isFault(error)) throw error;
    return waitFailed(call, sentenceOf(error));
  }
}

function tell(call: Call, name: string, verdict: Verdict): void {
  if (verdict.kind === "done" && verdict.note !== undefined) call.stderr.write(`${verdict.note}\n`);
  if (verdict.kind === "done" && verdict.line !== "") call.stdout.write(`${verdict.line}\n`);
  if (verdict.kind === "failed") call.stderr.write(`Error waiting for units: ${verdict.sentence}\n`);
  if (verdict.kind !== "unplaced") return;
  const lines = verdict.reasons.map(({ machine, why }) =>
    machine === undefined ? `  ${why}` : `  ${machineLegend(machine, false)}: ${why}`,
  );
  const close = `It is placed as soon as a machine fits. To wait for that: --block-attempts=0; to give it up: fleetctl unload ${name}`;
  call.stderr.write([`Unit ${name} cannot be placed on any machine now:`, ...lines, close, ""].join("\n"));
}

function exitCodeOf(call: Call, names: readonly string[], outcomes: Outcomes, state: TargetState): number {
  const late = names.find((name) => !outcomes.has(name));
  if (late !== undefined)
    return waitFailed(call, `timed out waiting for unit ${late} to report state ${state}`);
  const kinds = new Set(Array.from(outcomes.values(), (verdict) => verdict.kind));
  if (kinds.has("failed")) return exitCodes.failed;
  return kinds.has("unplaced") ? exitCodes.notPlaced : exitCodes.done;
}

function waitFailed(call: Call, why: string): number {
  return fail(call, `Error waiting for units: ${why}\nError waiting for unit states, exit status: ${why}`);
}

/** What fleetctl v1.0.0 does when nothing is named: it says so and is content. */
export function noUnits(call: Call): number {
  call.stderr.write("No units given\n");
  return exitCodes.done;
}
