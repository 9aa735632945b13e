import { type Call, type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { withServiceSuffix } from "../unit/name.ts";
import { printUnitFile } from "../unit/print.ts";
import { fail } from "./columns.ts";
import { knownUnits } from "./choices.ts";
import type { Connect } from "./connect.ts";
import { fileOf } from "./unit-options.ts";

/** `fleetctl cat`: the text of a unit, as the registry has it. */
export function cat(connect: Connect): Command {
  return {
    name: "cat",
    summary: "Print the text of a unit as the registry has it",
    usage: "UNIT",
    description: "Prints the text of a unit as the registry has it: what machines load, without comments.",
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
  const name = withServiceSuffix(argument);
  const unit = await client.unit(name);
  if (unit === undefined) return fail(call, `Unit ${name} not found`);
  if (call.flags.on("json")) printJson(call, unit);
  else call.stdout.write(printUnitFile(fileOf(unit)));
  return exitCodes.done;
}
