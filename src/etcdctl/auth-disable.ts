import type { Command } from "../cli/command.ts";
import { AuthClient } from "../keys/client-auth.ts";
import type { Connect } from "./connect.ts";
import { exits, mistaken, settle } from "./outcome.ts";

/** `etcdctl auth disable`: turns access rules off. */
export function authDisable(connect: Connect): Command {
  return {
    name: "disable",
    summary: "Turn access rules off",
    usage: "",
    description: "From now on everybody may do everything; users and roles are kept.",
    examples: [{ line: "etcdctl -u root:secret auth disable", meaning: "needs a user named root" }],
    run: async (call) =>
      await settle(call, "bare", async () => {
        if (call.arguments.length > 0) throw mistaken("No arguments accepted");
        await new AuthClient(await connect(call)).disable();
        call.stdout.write("Authentication Disabled\n");
        return exits.done;
      }),
  };
}
