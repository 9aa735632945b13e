import { type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { Fault } from "../lib/fault.ts";
import type { Connect } from "./connect.ts";
import { settle } from "./settle.ts";

/** `locksmithctl set-max`: changes the number of slots. */
export function setMax(connect: Connect): Command {
  return {
    name: "set-max",
    summary: "Change how many machines may hold a slot at once",
    usage: "NUMBER",
    description:
      "Sets the number of slots of the group and prints the old and the new one. 0 lets nobody begin. Machines that hold a " +
      "slot keep it, even when there are more of them than slots.",
    flags: [jsonFlag],
    examples: [{ line: "locksmithctl set-max 2", meaning: "two machines at a time" }],
    run: async (call) =>
      await settle(call, "Error setting value", async () => {
        const [text = "", ...others] = call.arguments;
        if (text === "" || others.length > 0) {
          call.stderr.write("New maximum value must be set.\n");
          return exitCodes.failed;
        }
        const max = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
        if (!Number.isSafeInteger(max)) throw new Fault("bad-max", `"${text}" is not a whole number`);
        const old = await connect(call).setMax(max);
        if (call.flags.on("json")) printJson(call, { oldMax: old, max });
        else call.stdout.write(`Old-Max: ${old}\nMax: ${max}\n`);
        return exitCodes.done;
      }),
  };
}
