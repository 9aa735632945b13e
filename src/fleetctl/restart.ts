import { type Call, type Command, exitCodes } from "../cli/command.ts";
import type { FleetClient } from "../fleet/api-client.ts";
import type { UnitEntity, UnitReport } from "../fleet/api-entities.ts";
import type { UnitName } from "../fleet/model.ts";
import { Fault, isFault } from "../lib/fault.ts";
import { noUnits, submitMissing, type Verb, waitFlags, waitForAll } from "./activate.ts";
import { knownUnits } from "./choices.ts";
import { fail } from "./columns.ts";
import type { Connect } from "./connect.ts";
import { findUnits, isGlobal, notFound, waitUntilDown, wouldDo } from "./deactivate.ts";
import { isPattern, isWanted } from "./names.ts";
import { inParallel } from "./parallel.ts";
import { restartVerdict, startVerdict, stopVerdict, type Verdict } from "./verdicts.ts";

/** `fleetctl restart`: has systemd restart units where they are. */
export function restart(connect: Connect): Command {
  return {
    name: "restart",
    summary: "Restart units on the machines they are on",
    usage: "UNIT...",
    description:
      "Has systemd restart each unit on the machine it is on, a global unit on all its machines, and starts those that are only loaded. Waits until they run again, or have ended with success. A unit keeps its machine. Exit code 1: a unit failed, or is not loaded anywhere.",
    flags: waitFlags,
    choices: knownUnits(connect),
    examples: [
      { line: "fleetctl restart hello.service", meaning: "restart one unit" },
      { line: "fleetctl restart 'web@*'", meaning: "restart all instances, all at once" },
    ],
    run: async (call) => await run(call, connect),
  };
}

const verb: Verb = { name: "restart", state: "launched" };

async function run(call: Call, connect: Connect): Promise<number> {
  if (call.arguments.length === 0) return noUnits(call);
  const client = connect(call);
  const found = await findUnits(call, client, isWanted);
  if (found.length === 0 && call.arguments.every(isPattern)) return notFound(call);
  const failure = await submitMissing(call, client);
  if (failure !== undefined) return failure;
  const idle = found.filter(isIdle);
  for (const { name } of idle) call.stderr.write(`Unable to restart unit ${name} in state inactive\n`);
  const units = found.filter((unit) => !isIdle(unit));
  const names = units.map(({ name }) => name);
  if (call.flags.on("dry-run")) return wouldDo(call, "restart", names);
  const asked = new Map<UnitName, number | undefined>();
  try {
    await inParallel(units, async (unit) => asked.set(unit.name, await ask(call, client, unit)));
  } catch (error) {
    if (call.signal.aborted || !isFault(error)) throw error;
    return fail(call, `Error restarting units: ${error.message}`);
  }
  const judge = (report: UnitReport): Verdict => {
    const number = asked.get(report.name);
    return number === undefined ? startVerdict(report) : restartVerdict(report, number);
  };
  const waitedFor = call.flags.on("no-block") ? tellOfGlobal(call, units) : names;
  const code = await waitForAll(call, client, verb, judge, waitedFor);
  return code === exitCodes.done && idle.length > 0 ? exitCodes.failed : code;
}

/** Tells that global units are triggered; the names of the others. */
function tellOfGlobal(call: Call, units: readonly UnitEntity[]): readonly UnitName[] {
  for (const { name } of units.filter(isGlobal)) call.stdout.write(`Triggered global unit ${name} restart\n`);
  return units.filter((unit) => !isGlobal(unit)).map(({ name }) => name);
}

/** Whether there is nothing of the unit on any machine that could be restarted. */
function isIdle(unit: UnitEntity): boolean {
  if (isGlobal(unit)) return unit.desiredState === "inactive";
  return (unit.currentState ?? "inactive") === "inactive" && unit.machineID === undefined;
}

/** Asks for a restart; gives its number, or undefined when it is done once the unit is started. */
async function ask(call: Call, client: FleetClient, unit: UnitEntity): Promise<number | undefined> {
  const { name, desiredState } = unit;
  if (desiredState === "launched") {
    const number = await client.restart(name);
    if (number !== undefined) return number;
    await stopOverOldApi(call, client, unit);
  }
  await client.setTarget(name, "launched");
  return undefined;
}

/** A server of fleet v1.0.0 knows no restart: the unit is stopped and started. */
async function stopOverOldApi(call: Call, client: FleetClient, unit: UnitEntity): Promise<void> {
  const { name } = unit;
  if (isGlobal(unit)) {
    throw new Fault(
      "no-restart",
      `the API at this endpoint cannot restart the global unit ${name}; stop and start it`,
    );
  }
  await client.setTarget(name, "loaded");
  const problem = await waitUntilDown(call, client, [name], stopVerdict, "loaded");
  if (problem !== undefined) throw new Fault("not-stopped", problem);
}
