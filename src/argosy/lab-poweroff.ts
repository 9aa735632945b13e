import { type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { openLab } from "../lab/lab.ts";
import { labName, machineName, nameFlag } from "./lab-flags.ts";

/** `argosy lab poweroff`. */
export const labPoweroffCommand: Command = {
  name: "poweroff",
  summary: "Power a machine off in good order",
  usage: "MACHINE",
  description:
    "Asks the machine's systemd to power off and returns when it has. Does nothing when it is off.",
  flags: [nameFlag, jsonFlag],
  arity: { least: 1, most: 1 },
  examples: [{ line: "argosy lab poweroff m2", meaning: "its units stop, then the machine" }],
  run: async (call) => {
    const lab = await openLab(labName(call));
    await lab.poweroff(machineName(call));
    if (call.flags.on("json")) printJson(call, await lab.machine(machineName(call)).status());
    else call.stdout.write(`${machineName(call)} is off.\n`);
    return exitCodes.done;
  },
};
