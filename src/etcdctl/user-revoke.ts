import type { Command } from "../cli/command.ts";
import { AuthClient } from "../keys/client-auth.ts";
import { nameOf, rolesFlag, rolesOf } from "./auth-arguments.ts";
import type { Connect } from "./connect.ts";
import { exits, settle } from "./outcome.ts";

/** `etcdctl user revoke`: takes roles from a user. */
export function userRevoke(connect: Connect): Command {
  return {
    name: "revoke",
    summary: "Take roles from a user",
    usage: "NAME",
    description: "Takes roles from a user.",
    flags: [rolesFlag],
    examples: [{ line: "etcdctl user revoke bob --roles reader,writer", meaning: "two roles at once" }],
    run: async (call) =>
      await settle(call, "bare", async () => {
        const roles = rolesOf(call);
        const name = nameOf(call, "user");
        await new AuthClient(await connect(call)).revokeUser(name, roles);
        call.stdout.write(`User ${name} updated\n`);
        return exits.done;
      }),
  };
}
