import type { Command } from "../cli/command.ts";
import { openLab } from "../lab/lab.ts";
import { labName, machineName, nameFlag } from "./lab-flags.ts";
import { terminalVariables } from "./lab-exec.ts";

/** `argosy lab shell`. */
export const labShellCommand: Command = {
  name: "shell",
  summary: "Open a shell inside a machine",
  usage: "MACHINE",
  description: "Opens a login shell as root inside the machine, on a terminal of its own there.",
  flags: [nameFlag],
  arity: { least: 1, most: 1 },
  examples: [{ line: "argosy lab shell m2", meaning: "look around on the second machine" }],
  run: async (call) => {
    const lab = await openLab(labName(call));
    // A shell needs a terminal of the machine's own to control jobs; `script` makes one.
    const words = call.stdin.isTerminal
      ? ["script", "--quiet", "--return", "--command", "exec bash --login", "/dev/null"]
      : ["bash", "--login"];
    return await lab.machine(machineName(call)).execAttached(words, terminalVariables(call));
  },
};
