import { type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { openLab } from "../lab/lab.ts";
import { labName, machineName, nameFlag } from "./lab-flags.ts";

/** `argosy lab kill`. */
export const labKillCommand: Command = {
  name: "kill",
  summary: "Cut a machine's power",
  usage: "MACHINE",
  description:
    "Pulls the machine's cable and ends all its processes at once, as a loss of power does: nobody hears a goodbye. Its disk stays as it was at that moment; `revive` boots it again.",
  flags: [nameFlag, jsonFlag],
  arity: { least: 1, most: 1 },
  examples: [{ line: "argosy lab kill m2", meaning: "the second machine is gone without a word" }],
  run: async (call) => {
    const lab = await openLab(labName(call));
    await lab.kill(machineName(call));
    if (call.flags.on("json")) printJson(call, await lab.machine(machineName(call)).status());
    else call.stdout.write(`${machineName(call)} lost power.\n`);
    return exitCodes.done;
  },
};
