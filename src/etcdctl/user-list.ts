import type { Command } from "../cli/command.ts";
import { AuthClient } from "../keys/client-auth.ts";
import type { Connect } from "./connect.ts";
import { exits, mistaken, settle } from "./outcome.ts";

/** `etcdctl user list`: the names of all users. */
export function userList(connect: Connect): Command {
  return {
    name: "list",
    summary: "List the users",
    usage: "",
    description: "Prints the name of each user, one a line.",
    examples: [{ line: "etcdctl user list", meaning: "all users" }],
    run: async (call) =>
      await settle(call, "bare", async () => {
        if (call.arguments.length > 0) throw mistaken("No arguments accepted");
        for (const name of await new AuthClient(await connect(call)).users()) {
          call.stdout.write(`${name}\n`);
        }
        return exits.done;
      }),
  };
}
