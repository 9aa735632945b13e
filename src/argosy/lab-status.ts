import { type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { openLab } from "../lab/lab.ts";
import { labName, machineTable, nameFlag } from "./lab-flags.ts";

/** `argosy lab status`. */
export const labStatusCommand: Command = {
  name: "status",
  summary: "Show a lab's machines and where they are",
  usage: "",
  description:
    "Lists the machines with their machine-ids, addresses and whether they run. With --json also the first process " +
    "of each, its APIs, the folder through which its files can be seen from here, and its network namespace.",
  flags: [nameFlag, jsonFlag],
  arity: { least: 0, most: 0 },
  examples: [
    { line: "argosy lab status", meaning: "the usual lab" },
    { line: "argosy lab status --json", meaning: "everything a script needs" },
  ],
  run: async (call) => {
    const lab = await openLab(labName(call));
    const status = await lab.status();
    if (call.flags.on("json")) {
      printJson(call, status);
      return exitCodes.done;
    }
    call.stdout.write(
      `Lab "${status.name}" on ${status.subnet} (this machine is ${status.host} on ${status.link})\n`,
    );
    call.stdout.write(machineTable(status.machines));
    return exitCodes.done;
  },
};
