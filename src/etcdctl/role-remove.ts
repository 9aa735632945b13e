import type { Command } from "../cli/command.ts";
import { AuthClient } from "../keys/client-auth.ts";
import { nameOf } from "./auth-arguments.ts";
import type { Connect } from "./connect.ts";
import { exits, settle } from "./outcome.ts";

/** `etcdctl role remove`: removes a role. */
export function roleRemove(connect: Connect): Command {
  return {
    name: "remove",
    summary: "Remove a role",
    usage: "NAME",
    description:
      "Removes a role. Users keep the name among their roles, and it allows nothing any more. The role root stays.",
    examples: [{ line: "etcdctl role remove reader", meaning: "one role" }],
    run: async (call) =>
      await settle(call, "bare", async () => {
        const name = nameOf(call, "role");
        await new AuthClient(await connect(call)).removeRole(name);
        call.stdout.write(`Role ${name} removed\n`);
        return exits.done;
      }),
  };
}
