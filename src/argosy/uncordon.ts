import { type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { type ConnectFleet, connectFleet, endpointFlag } from "./connect.ts";
import { findMachine, machineChoices, shownMachine } from "./machine-argument.ts";

/** `argosy uncordon MACHINE`: ends a cordon or a drain. */
export function uncordonCommand(connect: ConnectFleet = connectFleet): Command {
  return {
    name: "uncordon",
    summary: "Let a cordoned or drained machine take units again",
    usage: "MACHINE",
    description:
      "Ends argosy cordon and argosy drain. A drain under way ends where it is: what has moved stays where it is now, and a " +
      "replacement that was starting is taken back. MACHINE is an ID, the beginning of one, or an address.",
    flags: [endpointFlag, jsonFlag],
    arity: { least: 1, most: 1 },
    choices: machineChoices(connect),
    examples: [{ line: "argosy uncordon 4f9c21ab", meaning: "that machine takes units again" }],
    run: async (call) => {
      const client = connect(call);
      const machine = await findMachine(client, call.arguments[0] ?? "");
      const { machine: report } = await client.changeMachine(machine.id, "uncordon");
      if (call.flags.on("json")) printJson(call, report);
      else if (machine.state === "ready") call.stdout.write(`${shownMachine(report)} was not cordoned.\n`);
      else if (!report.present)
        call.stdout.write(`${shownMachine(report)} takes units again once it is back.\n`);
      else call.stdout.write(`${shownMachine(report)} takes units again.\n`);
      return exitCodes.done;
    },
  };
}
