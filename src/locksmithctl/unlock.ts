import { type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import type { Connect } from "./connect.ts";
import { machineOf } from "./machine-id.ts";
import { settle } from "./settle.ts";

/** `locksmithctl unlock`: gives a slot back. */
export function unlock(connect: Connect): Command {
  return {
    name: "unlock",
    summary: "Give the slot of this machine, or another one, back",
    usage: "[ID]",
    description:
      "Gives a machine's slot back; without ID that of this one. Prints nothing; exit code 1 when it holds none.",
    flags: [jsonFlag],
    arity: { least: 0, most: 1 },
    examples: [
      { line: "locksmithctl unlock", meaning: "this machine" },
      {
        line: "locksmithctl unlock 69d27b356a94476da859461d3a3bc6fd",
        meaning: "a machine that will not come back",
      },
    ],
    run: async (call) =>
      await settle(call, "Error unlocking", async () => {
        const id = await machineOf(call);
        await connect(call).unlock(id);
        if (call.flags.on("json")) printJson(call, { id });
        return exitCodes.done;
      }),
  };
}
