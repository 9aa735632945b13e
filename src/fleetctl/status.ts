import { type Call, type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import type { FleetClient } from "../fleet/api-client.ts";
import { isFault } from "../lib/fault.ts";
import { withServiceSuffix } from "../unit/name.ts";
import { fail } from "./columns.ts";
import { knownUnits } from "./choices.ts";
import type { Connect } from "./connect.ts";

/** `fleetctl status`: what systemctl says about units on their machines. */
export function status(connect: Connect): Command {
  return {
    name: "status",
    summary: "Show what systemctl says about units, wherever they are",
    usage: "UNIT...",
    description:
      "Prints what systemctl status says about each unit on its machine; about a global unit, on every machine. The exit code is that of systemctl: 3 when a unit does not run.",
    flags: [
      jsonFlag,
      { name: "no-block", kind: "switch", summary: "without effect", hidden: true },
      {
        name: "ssh-port",
        kind: "number",
        summary: "without effect: the API is asked",
        otherwise: "22",
        hidden: true,
      },
    ],
    choices: knownUnits(connect),
    examples: [
      { line: "fleetctl status hello.service", meaning: "one unit, wherever it runs" },
      { line: "fleetctl status --json web@1 web@2", meaning: "place and states of two units, for programs" },
    ],
    run: async (call) => await run(call, connect),
  };
}

async function run(call: Call, connect: Connect): Promise<number> {
  const client = connect(call);
  const names = call.arguments.map(withServiceSuffix);
  if (call.flags.on("json")) return await printReports(call, client, names);
  for (const [index, name] of names.entries()) {
    if (index > 0) call.stdout.write("\n");
    const exitCode = await printStatus(call, client, name);
    if (exitCode !== 0) return exitCode;
  }
  return exitCodes.done;
}

async function printStatus(call: Call, client: FleetClient, name: string): Promise<number> {
  try {
    const { text, exitCode } = await client.status(name);
    call.stdout.write(text);
    return exitCode;
  } catch (error) {
    if (isFault(error, "api-404")) return fail(call, `Unit ${name} does not exist.`);
    if (isFault(error, "api-409")) return fail(call, `Unit ${name} does not appear to be loaded.`);
    throw error;
  }
}

async function printReports(call: Call, client: FleetClient, names: readonly string[]): Promise<number> {
  const changes = names.length === 0 ? undefined : await client.changes(names, 0);
  const reports = changes?.units ?? [];
  printJson(call, reports);
  const known = reports.every((report) => report.desiredState !== undefined || report.states.length > 0);
  return known ? exitCodes.done : exitCodes.failed;
}
