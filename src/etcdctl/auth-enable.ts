import type { Command } from "../cli/command.ts";
import { AuthClient } from "../keys/client-auth.ts";
import type { Connect } from "./connect.ts";
import { exits, mistaken, settle } from "./outcome.ts";

/** `etcdctl auth enable`: turns access rules on. */
export function authEnable(connect: Connect): Command {
  return {
    name: "enable",
    summary: "Turn access rules on",
    usage: "",
    description:
      "From now on users need roles that allow what they do. There must be a user root. Without a user the role guest counts, which at first may do everything with keys.",
    examples: [{ line: "etcdctl auth enable", meaning: "needs a user named root" }],
    run: async (call) =>
      await settle(call, "bare", async () => {
        if (call.arguments.length > 0) throw mistaken("No arguments accepted");
        await new AuthClient(await connect(call)).enable();
        call.stdout.write("Authentication Enabled\n");
        return exits.done;
      }),
  };
}
