import { type Call, type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { type Lab, openLab } from "../lab/lab.ts";
import { labName, machineName, nameFlag } from "./lab-flags.ts";

/** `argosy lab exec`. */
export const labExecCommand: Command = {
  name: "exec",
  summary: "Run a command inside a machine, or inside all",
  usage: "MACHINE|all -- COMMAND...",
  description:
    "Runs the command as root inside the machine, on this terminal, and exits with its exit code. With `all` it runs " +
    "in every machine at once; each line of output begins with the machine's name, and the exit code is the highest " +
    "of all. What stands behind `--` belongs to the command, flags and all.",
  flags: [nameFlag, jsonFlag],
  arity: { least: 2 },
  examples: [
    { line: "argosy lab exec m1 -- fleetctl list-machines", meaning: "ask the first machine" },
    { line: "argosy lab exec all -- systemctl --failed", meaning: "ask every machine" },
  ],
  run: async (call) => {
    const words = call.arguments.slice(1);
    const lab = await openLab(labName(call));
    if (machineName(call) === "all") return await execEverywhere(call, lab, words);
    const machine = lab.machine(machineName(call));
    if (!call.flags.on("json")) {
      return await machine.execAttached(words, terminalVariables(call));
    }
    const finished = await machine.exec(words, { signal: call.signal });
    printJson(call, { machine: machine.name, ...finished });
    return finished.code;
  },
};

async function execEverywhere(call: Call, lab: Lab, words: readonly string[]): Promise<number> {
  const json = call.flags.on("json");
  const all = await Promise.all(
    lab.machines.map(async (machine) => {
      const line = (text: string, stream: "stdout" | "stderr"): void => {
        if (!json) call[stream].write(`${machine.name}: ${text}\n`);
      };
      const finished = await machine.exec(words, { line, signal: call.signal });
      return { machine: machine.name, ...finished };
    }),
  );
  if (json) printJson(call, all);
  return Math.max(exitCodes.done, ...all.map((finished) => finished.code));
}

/** What programs need to know of the terminal they are shown on. */
export function terminalVariables(call: Call): Readonly<Record<string, string>> {
  const terminal = call.variables["TERM"];
  return terminal === undefined ? {} : { TERM: terminal };
}
