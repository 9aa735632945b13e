import type { Command } from "../cli/command.ts";
import { AuthClient } from "../keys/client-auth.ts";
import { nameOf } from "./auth-arguments.ts";
import { isFault } from "../lib/fault.ts";
import type { Connect } from "./connect.ts";
import { exits, mistaken, settle } from "./outcome.ts";

/** `etcdctl role add`: makes a role that allows nothing yet. */
export function roleAdd(connect: Connect): Command {
  return {
    name: "add",
    summary: "Make a role",
    usage: "NAME",
    description: "Makes a role. It allows nothing until role grant gives it patterns.",
    examples: [{ line: "etcdctl role add reader", meaning: "a new role" }],
    run: async (call) =>
      await settle(call, "bare", async () => {
        const name = nameOf(call, "role");
        const client = new AuthClient(await connect(call));
        let exists = true;
        try {
          await client.role(name);
        } catch (error) {
          if (!isFault(error, "auth-error")) throw error;
          exists = false;
        }
        if (exists) throw mistaken(`Role ${name} already exists`);
        await client.addRole(name);
        call.stdout.write(`Role ${name} created\n`);
        return exits.done;
      }),
  };
}
