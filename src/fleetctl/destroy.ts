import { type Call, type Command, exitCodes } from "../cli/command.ts";
import { isFault } from "../lib/fault.ts";
import { withServiceSuffix } from "../unit/name.ts";
import { noUnits, waitFlags } from "./activate.ts";
import { fail } from "./columns.ts";
import type { Connect } from "./connect.ts";
import { notFound, waitUntilDown } from "./deactivate.ts";
import { inParallel } from "./parallel.ts";
import { destroyVerdict } from "./verdicts.ts";

/** `fleetctl destroy`: removes units from the registry, and from the machines they are on. */
export function destroy(connect: Connect): Command {
  return {
    name: "destroy",
    summary: "Remove units from the registry and from their machines",
    usage: "UNIT...",
    description:
      "Removes units from the registry; the machines they are on stop them and delete their files. Returns when they are gone there.",
    flags: waitFlags,
    examples: [{ line: "fleetctl destroy hello.service", meaning: "stop and remove one unit" }],
    run: async (call) => await run(call, connect),
  };
}

async function run(call: Call, connect: Connect): Promise<number> {
  if (call.arguments.length === 0) return noUnits(call);
  const client = connect(call);
  const names = Array.from(new Set(call.arguments.map(withServiceSuffix)));
  try {
    const found = await inParallel(names, async (name) => await client.destroy(name));
    const destroyed = names.filter((_name, index) => found[index]);
    if (destroyed.length === 0) return notFound(call);
    if (call.flags.on("no-block")) {
      call.stdout.write(destroyed.map((name) => `Destroyed ${name}\n`).join(""));
      return exitCodes.done;
    }
    const problem = await waitUntilDown(call, client, destroyed, destroyVerdict, "destroyed");
    return problem === undefined ? exitCodes.done : fail(call, `Error destroying units: ${problem}`);
  } catch (error) {
    if (call.signal.aborted || !isFault(error)) throw error;
    return fail(call, `Error destroying units: ${error.message}`);
  }
}
