import { type Call, type Command, exitCodes } from "../cli/command.ts";
import type { FleetClient } from "../fleet/api-client.ts";
import { isFault } from "../lib/fault.ts";
import { noUnits, waitFlags } from "./activate.ts";
import { fail } from "./columns.ts";
import { knownUnits } from "./choices.ts";
import type { Connect } from "./connect.ts";
import { findUnits, notFound, waitUntilDown, wouldDo } from "./deactivate.ts";
import { namesOf } from "./names.ts";
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
    choices: knownUnits(connect),
    examples: [
      { line: "fleetctl destroy hello.service", meaning: "stop and remove one unit" },
      { line: "fleetctl destroy --dry-run 'web@*'", meaning: "see which units a pattern means" },
    ],
    run: async (call) => await run(call, connect),
  };
}

async function run(call: Call, connect: Connect): Promise<number> {
  if (call.arguments.length === 0) return noUnits(call);
  const client = connect(call);
  if (call.flags.on("dry-run")) {
    const found = await findUnits(call, client);
    return found.length === 0
      ? notFound(call)
      : wouldDo(
          call,
          "destroy",
          found.map(({ name }) => name),
        );
  }
  const names = await namesOf(call.arguments, client);
  const problems: string[] = [];
  const destroyed: string[] = [];
  const outcomes = await inParallel(names, async (name) => await destroyUnit(client, name));
  call.signal.throwIfAborted();
  for (const [index, outcome] of outcomes.entries()) {
    if (typeof outcome === "object") problems.push(outcome.problem);
    else if (outcome) destroyed.push(names[index] ?? "");
  }
  if (destroyed.length === 0 && problems.length === 0) return notFound(call);
  if (call.flags.on("no-block")) {
    call.stdout.write(destroyed.map((name) => `Destroyed ${name}\n`).join(""));
  } else {
    problems.push(...(await followDestroyed(call, client, destroyed)));
  }
  const [problem] = problems;
  return problem === undefined ? exitCodes.done : fail(call, `Error destroying units: ${problem}`);
}

/** Whether there was such a unit; one that cannot be destroyed does not keep the others. */
async function destroyUnit(
  client: FleetClient,
  name: string,
): Promise<boolean | { readonly problem: string }> {
  try {
    return await client.destroy(name);
  } catch (error) {
    if (!isFault(error)) throw error;
    return { problem: error.message };
  }
}

async function followDestroyed(
  call: Call,
  client: FleetClient,
  names: readonly string[],
): Promise<readonly string[]> {
  try {
    const problem = await waitUntilDown(call, client, names, destroyVerdict, "destroyed");
    return problem === undefined ? [] : [problem];
  } catch (error) {
    if (call.signal.aborted || !isFault(error)) throw error;
    return [error.message];
  }
}
