import { type Call, type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import type { FleetClient } from "../fleet/api-client.ts";
import type { UnitName } from "../fleet/model.ts";
import { isFault } from "../lib/fault.ts";
import { fail } from "./columns.ts";
import { knownUnits } from "./choices.ts";
import type { Connect, Outside } from "./connect.ts";
import { fitsNothing, isWanted, namesOf } from "./names.ts";
import { isUnanswered, runWhereUnitIs } from "./remote.ts";
import { sshPortFlag } from "./ssh.ts";

/** `fleetctl status`: what systemctl says about units on their machines. */
export function status(connect: Connect, outside: Outside): Command {
  return {
    name: "status",
    summary: "Show what systemctl says about units, wherever they are",
    usage: "UNIT...",
    description:
      "Prints what systemctl status says about each unit on its machine; about a global unit, on every machine. The API is asked, and ssh only where the API does not reach the machine. The exit code is that of systemctl: 3 when a unit does not run.",
    flags: [
      jsonFlag,
      { name: "no-block", kind: "switch", summary: "without effect", hidden: true },
      sshPortFlag,
    ],
    choices: knownUnits(connect),
    examples: [
      { line: "fleetctl status hello.service", meaning: "one unit, wherever it runs" },
      { line: "fleetctl status --json web@1 web@2", meaning: "place and states of two units, for programs" },
    ],
    run: async (call) => await run(call, connect, outside),
  };
}

async function run(call: Call, connect: Connect, outside: Outside): Promise<number> {
  const client = connect(call);
  const names = await namesOf(call.arguments, client, isWanted);
  const [argument] = call.arguments;
  if (names.length === 0 && argument !== undefined) return fitsNothing(call, argument);
  if (call.flags.on("json")) return await printReports(call, client, names);
  for (const [index, name] of names.entries()) {
    if (index > 0) call.stdout.write("\n");
    const exitCode = await printStatus(call, client, outside, name);
    if (exitCode !== 0) return exitCode;
  }
  return exitCodes.done;
}

function doesNotExist(call: Call, name: UnitName): number {
  return fail(call, `Unit ${name} does not exist.`);
}

function isNotLoaded(call: Call, name: UnitName): number {
  return fail(call, `Unit ${name} does not appear to be loaded.`);
}

async function printStatus(
  call: Call,
  client: FleetClient,
  outside: Outside,
  name: UnitName,
): Promise<number> {
  try {
    const { text, exitCode } = await client.status(name);
    call.stdout.write(text);
    return exitCode;
  } catch (error) {
    if (isUnanswered(error)) return await overSsh(call, client, outside, name);
    if (isFault(error, "api-404")) return doesNotExist(call, name);
    if (isFault(error, "api-409")) return isNotLoaded(call, name);
    throw error;
  }
}

/** As fleetctl v1.0.0 did it for every unit: when the API cannot, by ssh on the machine itself. */
async function overSsh(call: Call, client: FleetClient, outside: Outside, name: UnitName): Promise<number> {
  const code = await runWhereUnitIs(call, outside, client, name, ["systemctl", "status", "-l", name]);
  if (code === "missing") return doesNotExist(call, name);
  return code === "nowhere" ? isNotLoaded(call, name) : code;
}

async function printReports(call: Call, client: FleetClient, names: readonly string[]): Promise<number> {
  const changes = names.length === 0 ? undefined : await client.changes(names, 0);
  const reports = changes?.units ?? [];
  printJson(call, reports);
  const missing = reports.filter(
    ({ desiredState, states }) => desiredState === undefined && states.length === 0,
  );
  for (const { name } of missing) doesNotExist(call, name);
  return missing.length === 0 ? exitCodes.done : exitCodes.failed;
}
