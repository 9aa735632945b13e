import type { Command } from "../cli/command.ts";
import { AuthClient } from "../keys/client-auth.ts";
import type { Connect } from "./connect.ts";
import { exits, mistaken, settle } from "./outcome.ts";

/** `etcdctl role list`: the names of all roles. */
export function roleList(connect: Connect): Command {
  return {
    name: "list",
    summary: "List the roles",
    usage: "",
    description: "Prints the name of each role, one a line.",
    examples: [{ line: "etcdctl role list", meaning: "all roles" }],
    run: async (call) =>
      await settle(call, "bare", async () => {
        if (call.arguments.length > 0) throw mistaken("No arguments accepted");
        for (const name of await new AuthClient(await connect(call)).roles()) {
          call.stdout.write(`${name}\n`);
        }
        return exits.done;
      }),
  };
}
