import { type Call, type Command, exitCodes } from "../cli/command.ts";
import { isFault } from "../lib/fault.ts";
import { withServiceSuffix } from "../unit/name.ts";
import { fail } from "./columns.ts";
import { knownUnits } from "./choices.ts";
import type { Connect } from "./connect.ts";

/** `fleetctl journal`: the journal of a unit, from its machine. */
export function journal(connect: Connect): Command {
  return {
    name: "journal",
    summary: "Print the journal of a unit, wherever it is",
    usage: "UNIT",
    description:
      "Prints the last lines of a unit's journal from the machine it is on; of a global unit, from all machines.",
    flags: [
      { name: "lines", short: "n", kind: "number", summary: "how many lines", otherwise: "10" },
      { name: "follow", short: "f", kind: "switch", summary: "go on printing lines as they come" },
      {
        name: "output",
        short: "o",
        kind: "text",
        placeholder: "FORMAT",
        summary: "journalctl's --output",
        otherwise: "short",
      },
      { name: "json", kind: "switch", summary: "the same as --output=json: one JSON object for each line" },
      {
        name: "sudo",
        kind: "switch",
        summary: "without effect: the API may read every journal",
        hidden: true,
      },
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
      { line: "fleetctl journal --lines=100 hello.service", meaning: "the last 100 lines" },
      { line: "fleetctl journal -f hello.service", meaning: "follow it" },
    ],
    run: async (call) => await run(call, connect),
  };
}

async function run(call: Call, connect: Connect): Promise<number> {
  const [argument] = call.arguments;
  if (argument === undefined || call.arguments.length > 1)
    return fail(call, "One unit file must be provided.");
  const client = connect(call);
  const name = withServiceSuffix(argument);
  const options = {
    lines: call.flags.number("lines") ?? 10,
    follow: call.flags.on("follow"),
    output: call.flags.on("json") ? "json" : (call.flags.text("output") ?? "short"),
  };
  try {
    for await (const piece of client.journal(name, options, call.signal)) {
      call.stdout.write(piece);
      await call.stdout.drained();
    }
    return exitCodes.done;
  } catch (error) {
    if (isFault(error, "api-404")) return fail(call, `Unit ${name} does not exist.`);
    if (isFault(error, "api-409")) return fail(call, `Unit ${name} does not appear to be running.`);
    throw error;
  }
}
