import { type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { type ConnectFleet, connectFleet, endpointFlag } from "./connect.ts";
import { findMachine, machineChoices, shownMachine } from "./machine-argument.ts";

/** `argosy cordon MACHINE`: no new unit comes to the machine. */
export function cordonCommand(connect: ConnectFleet = connectFleet): Command {
  return {
    name: "cordon",
    summary: "Keep new units away from a machine",
    usage: "MACHINE",
    description:
      "The machine keeps what it runs and gets no new unit, not even a global one, until argosy uncordon. It stays so when " +
      "it is restarted. MACHINE is an ID, the beginning of one, or an address.",
    flags: [endpointFlag, jsonFlag],
    arity: { least: 1, most: 1 },
    choices: machineChoices(connect),
    examples: [{ line: "argosy cordon 4f9c21ab", meaning: "nothing new comes to that machine" }],
    run: async (call) => {
      const client = connect(call);
      const machine = await findMachine(client, call.arguments[0] ?? "");
      const { machine: report } = await client.changeMachine(machine.id, "cordon");
      if (call.flags.on("json")) printJson(call, report);
      else
        call.stdout.write(
          `${shownMachine(report)} takes no new units, and keeps ${report.units.length}.\n` +
            `Take it back with: argosy uncordon ${report.id.slice(0, 8)}\n`,
        );
      return exitCodes.done;
    },
  };
}
