import { type Call, type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import type { UnitEntity } from "../fleet/api-entities.ts";
import { withServiceSuffix } from "../unit/name.ts";
import { printUnitFile } from "../unit/print.ts";
import { fail } from "./columns.ts";
import { knownUnits } from "./choices.ts";
import type { Connect } from "./connect.ts";
import { findUnits } from "./deactivate.ts";
import { isPattern } from "./names.ts";
import { fileOf } from "./unit-options.ts";

/** `fleetctl cat`: the text of a unit, as the registry has it. */
export function cat(connect: Connect): Command {
  return {
    name: "cat",
    summary: "Print the text of a unit as the registry has it",
    usage: "UNIT",
    description:
      "Prints the text of a unit as the registry has it: what machines load, without comments. A pattern that fits several prints each behind a comment with its name.",
    flags: [jsonFlag],
    choices: knownUnits(connect),
    examples: [{ line: "fleetctl cat hello.service > hello.service", meaning: "get a unit back as a file" }],
    run: async (call) => await run(call, connect),
  };
}

async function run(call: Call, connect: Connect): Promise<number> {
  const [argument] = call.arguments;
  if (argument === undefined || call.arguments.length > 1)
    return fail(call, "One unit file must be provided");
  const client = connect(call);
  const units = await findUnits(call, client);
  const [unit] = units;
  if (unit === undefined) return fail(call, `Unit ${withServiceSuffix(argument)} not found`);
  if (call.flags.on("json")) printJson(call, isPattern(argument) ? units : unit);
  else if (units.length === 1) call.stdout.write(textOf(unit));
  else call.stdout.write(units.map((one) => `# ${one.name}\n${textOf(one)}`).join("\n"));
  return exitCodes.done;
}

function textOf(unit: UnitEntity): string {
  return printUnitFile(fileOf(unit));
}
