import type { Command } from "../cli/command.ts";
import { AuthClient } from "../keys/client-auth.ts";
import { nameOf } from "./auth-arguments.ts";
import type { Connect } from "./connect.ts";
import { exits, settle } from "./outcome.ts";

/** `etcdctl user remove`: removes a user. */
export function userRemove(connect: Connect): Command {
  return {
    name: "remove",
    summary: "Remove a user",
    usage: "NAME",
    description: "Removes a user. The user root stays while access rules are on.",
    examples: [{ line: "etcdctl user remove bob", meaning: "one user" }],
    run: async (call) =>
      await settle(call, "bare", async () => {
        const name = nameOf(call, "user");
        await new AuthClient(await connect(call)).removeUser(name);
        call.stdout.write(`User ${name} removed\n`);
        return exits.done;
      }),
  };
}
