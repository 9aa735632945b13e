import { readdir } from "node:fs/promises";
import { type Call, type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { spacedTable } from "../lib/table.ts";
import { type BootOutcome, outcomesFolder, readOutcomes } from "./cloudinit-boot.ts";

/** `argosy cloud-config status`. */
export const statusCommand: Command = {
  name: "status",
  summary: "Say how this machine's cloud-configs went when they were last applied",
  usage: "",
  description:
    "Lists each source of user-data that the units of a boot have applied here, whether everything was done, and what " +
    "went wrong. Exits with 1 when something did.",
  flags: [jsonFlag],
  arity: { least: 0, most: 0 },
  examples: [{ line: "argosy cloud-config status", meaning: "after a boot, when something is missing" }],
  run: async (call) => await status(call),
};

async function status(call: Call): Promise<number> {
  const outcomes = await readOutcomes(await readdir(outcomesFolder).catch(() => []));
  if (call.flags.on("json")) printJson(call, { sources: outcomes });
  else if (outcomes.length === 0)
    call.stdout.write("No cloud-config was applied at a boot of this machine.\n");
  else {
    const rows = outcomes.map((each) => [each.source, each.result, each.last, `${each.boots}`]);
    const lines = spacedTable([["SOURCE", "RESULT", "LAST", "TIMES"], ...rows]);
    call.stdout.write(lines.map((line) => `${line}\n`).join(""));
    for (const outcome of outcomes) call.stdout.write(problemsOf(outcome));
  }
  return outcomes.every(({ result }) => result === "applied") ? exitCodes.done : exitCodes.failed;
}

function problemsOf({ source, problems }: BootOutcome): string {
  return problems.map((problem) => `${source}: ${problem}\n`).join("");
}
