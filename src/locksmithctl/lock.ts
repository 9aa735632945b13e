import { type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import type { Connect } from "./connect.ts";
import { leaseFlag, leaseMsOf, tellReleased } from "./lease-flag.ts";
import { machineOf } from "./machine-id.ts";
import { settle } from "./settle.ts";

/** `locksmithctl lock`: takes a slot. */
export function lock(connect: Connect): Command {
  return {
    name: "lock",
    summary: "Take a slot for this machine, or another one",
    usage: "[ID]",
    description:
      "Takes one of the group's slots for a machine; without ID for this one, by its machine-id. A machine that has a slot " +
      "keeps it, and its lease begins again. Prints nothing; exit code 1 when no slot is free. The slot is free for the next " +
      "one when the lease is over, so a machine that never comes back blocks nobody; --lease off keeps it until it is given " +
      "back, as with locksmith 0.6.2.",
    flags: [leaseFlag(), jsonFlag],
    arity: { least: 0, most: 1 },
    examples: [
      { line: "locksmithctl lock", meaning: "this machine" },
      { line: "locksmithctl lock db1 --lease 30m", meaning: "db1, for half an hour at most" },
      { line: "locksmithctl lock db1 --lease off", meaning: "db1, until it is given back" },
    ],
    run: async (call) =>
      await settle(call, "Error locking", async () => {
        const [id, leaseMs] = [await machineOf(call), leaseMsOf(call)];
        const { already, released } = await connect(call).lock(id, leaseMs);
        tellReleased(call, released);
        if (call.flags.on("json")) printJson(call, { id, already, released });
        return exitCodes.done;
      }),
  };
}
