import { type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import type { Connect } from "./connect.ts";
import { settle } from "./settle.ts";

/** `locksmithctl status`: who holds the slots of a group. */
export function status(connect: Connect): Command {
  return {
    name: "status",
    summary: "Show the free slots and who holds the others",
    usage: "",
    description:
      "Prints how many machines may still take a slot, how many there are in all, and the ids of the holders. With --json " +
      "also the leases and whether reboots are halted.",
    flags: [jsonFlag],
    arity: { least: 0, most: 0 },
    examples: [
      { line: "locksmithctl status", meaning: "the group without a name" },
      { line: "locksmithctl --group db status --json", meaning: "another group, for programs" },
    ],
    run: async (call) =>
      await settle(call, "Error reading the semaphore", async () => {
        const { semaphore, leases, halted } = await connect(call).picture();
        const { free, max, holders } = semaphore;
        if (call.flags.on("json")) {
          printJson(call, {
            available: free,
            max,
            holders: holders.map((id) => ({ id, lease: leases.get(id) ?? null })),
            halted: halted ?? null,
          });
        } else {
          const list = holders.length === 0 ? "" : `\nMACHINE ID\n${holders.join("\n")}\n`;
          call.stdout.write(`Available: ${free}\nMax: ${max}\n${list}`);
          if (halted !== undefined) {
            const reason = halted.reason === "" ? "" : `: ${halted.reason}`;
            call.stderr.write(`Reboots are halted since ${halted.since}${reason}\n`);
          }
        }
        return exitCodes.done;
      }),
  };
}
