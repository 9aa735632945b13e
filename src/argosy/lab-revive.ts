import { type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { openLab } from "../lab/lab.ts";
import { labName, machineName, nameFlag } from "./lab-flags.ts";

/** `argosy lab revive`. */
export const labReviveCommand: Command = {
  name: "revive",
  summary: "Boot a machine that is off, with the disk it had",
  usage: "MACHINE",
  description:
    "Boots the machine again: same disk, same machine-id, same address. Returns when its systemd answers; its services may still be starting. Does nothing when it runs.",
  flags: [nameFlag, jsonFlag],
  arity: { least: 1, most: 1 },
  examples: [{ line: "argosy lab revive m2", meaning: "the second machine comes back" }],
  run: async (call) => {
    const lab = await openLab(labName(call));
    await lab.revive(machineName(call), call.signal);
    if (call.flags.on("json")) printJson(call, await lab.machine(machineName(call)).status());
    else call.stdout.write(`${machineName(call)} is running.\n`);
    return exitCodes.done;
  },
};
