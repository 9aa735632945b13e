import { type Command, exitCodes } from "../cli/command.ts";
import type { Outside } from "./connect.ts";
import { settle } from "./settle.ts";

/** `locksmithctl send-need-reboot`: pretends that an update waits for a reboot. */
export function sendNeedReboot(outside: Outside): Command {
  return {
    name: "send-need-reboot",
    summary: "Tell everybody on this machine that an update waits for a reboot, as a test",
    usage: "",
    description:
      "Sends update-engine's signal StatusUpdate with UPDATE_STATUS_UPDATED_NEED_REBOOT over the system bus, so that it " +
      "can be seen what listens to it; needs root. Prints nothing.",
    arity: { least: 0, most: 0 },
    examples: [{ line: "locksmithctl send-need-reboot", meaning: "busctl monitor shows the signal" }],
    run: async (call) => {
      // The bus drops the signal of anybody else without a word.
      if (outside.userId() !== 0) {
        call.stderr.write("Must be root to send the signal.\n");
        return exitCodes.failed;
      }
      return await settle(call, "Error sending the signal", async () => {
        await outside.emitNeedReboot();
        return exitCodes.done;
      });
    },
  };
}
