import type { Command } from "../cli/command.ts";
import { AuthClient } from "../keys/client-auth.ts";
import { nameOf } from "./auth-arguments.ts";
import type { Connect } from "./connect.ts";
import { exits, settle } from "./outcome.ts";

/** `etcdctl user get`: a user with its roles. */
export function userGet(connect: Connect): Command {
  return {
    name: "get",
    summary: "Print the roles of a user",
    usage: "NAME",
    description: "Prints a user and its roles.",
    examples: [{ line: "etcdctl user get bob", meaning: "what bob may be" }],
    run: async (call) =>
      await settle(call, "bare", async () => {
        const name = nameOf(call, "user");
        const { user, roles } = await new AuthClient(await connect(call)).user(name);
        call.stdout.write(`User: ${user}\nRoles: ${roles.map((role) => ` ${role}`).join("")}\n`);
        return exits.done;
      }),
  };
}
