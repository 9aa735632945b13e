import { type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { labDown } from "../lab/lab.ts";
import { labName, nameFlag, progressOf } from "./lab-flags.ts";

/** `argosy lab down`. */
export const labDownCommand: Command = {
  name: "down",
  summary: "Remove a lab with its machines and their disks",
  usage: "",
  description:
    "Ends the lab's machines and removes every trace of it: processes, mounts, network interfaces, namespaces, " +
    "control groups and disks, also what an interrupted `up` left. The cached root file system stays, so that the " +
    "next lab is there in seconds. Without such a lab it does nothing.",
  flags: [nameFlag, jsonFlag],
  arity: { least: 0, most: 0 },
  examples: [{ line: "argosy lab down", meaning: "remove the usual lab" }],
  run: async (call) => {
    const name = labName(call);
    await labDown(name, progressOf(call));
    if (call.flags.on("json")) printJson(call, { name, removed: true });
    else call.stdout.write(`Lab "${name}" is gone.\n`);
    return exitCodes.done;
  },
};
