import { type Command, exitCodes } from "../cli/command.ts";
import { Fault } from "../lib/fault.ts";
import type { Connect, Outside } from "./connect.ts";
import { leaseFlag, leaseMsOf, tellReleased } from "./lease-flag.ts";
import { machineOf } from "./machine-id.ts";
import { settle } from "./settle.ts";

/** `locksmithctl reboot`: takes a slot and reboots this machine. */
export function reboot(connect: Connect, outside: Outside): Command {
  return {
    name: "reboot",
    summary: "Take a slot and reboot this machine",
    usage: "",
    description:
      "Takes a slot for this machine once, without waiting for one, and asks logind to reboot; needs root. The slot stays " +
      "taken while the machine is down: give it back with locksmithctl unlock when the machine is well again, or leave that to " +
      "the end of the lease. When logind refuses, a slot that was taken for this is given back.",
    flags: [leaseFlag()],
    arity: { least: 0, most: 0 },
    examples: [{ line: "locksmithctl reboot", meaning: "exit code 1 when another machine is rebooting" }],
    run: async (call) => {
      if (outside.userId() !== 0) {
        call.stderr.write("Must be root to initiate reboot.\n");
        return exitCodes.failed;
      }
      return await settle(call, "Error locking", async () => {
        const [id, leaseMs] = [await machineOf(call), leaseMsOf(call)];
        const lock = connect(call);
        const { already, released, rebootUntilMs } = await lock.lock(id, leaseMs);
        tellReleased(call, released);
        if (call.env.clock.monotonic() >= rebootUntilMs) {
          throw new Fault(
            "lease-old",
            "the lease was half over when the answer came; nothing was rebooted, try again",
          );
        }
        return await settle(call, "Error rebooting", async () => {
          try {
            await outside.reboot();
          } catch (error) {
            if (!already) await lock.unlock(id);
            throw error;
          }
          return exitCodes.done;
        });
      });
    },
  };
}
