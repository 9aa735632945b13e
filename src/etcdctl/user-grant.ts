import type { Command } from "../cli/command.ts";
import { AuthClient } from "../keys/client-auth.ts";
import { nameOf, rolesFlag, rolesOf } from "./auth-arguments.ts";
import type { Connect } from "./connect.ts";
import { exits, settle } from "./outcome.ts";

/** `etcdctl user grant`: gives a user roles. */
export function userGrant(connect: Connect): Command {
  return {
    name: "grant",
    summary: "Give roles to a user",
    usage: "NAME",
    description: "Gives a user more roles.",
    flags: [rolesFlag],
    examples: [{ line: "etcdctl user grant bob --roles reader,writer", meaning: "two roles at once" }],
    run: async (call) =>
      await settle(call, "bare", async () => {
        const roles = rolesOf(call);
        const name = nameOf(call, "user");
        await new AuthClient(await connect(call)).grantUser(name, roles);
        call.stdout.write(`User ${name} updated\n`);
        return exits.done;
      }),
  };
}
