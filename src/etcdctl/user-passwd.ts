import type { Command } from "../cli/command.ts";
import { AuthClient } from "../keys/client-auth.ts";
import { nameOf } from "./auth-arguments.ts";
import type { Connect, Outside } from "./connect.ts";
import { exits, settle } from "./outcome.ts";

/** `etcdctl user passwd`: changes a password. */
export function userPasswd(connect: Connect, outside: Outside): Command {
  return {
    name: "passwd",
    summary: "Change the password of a user",
    usage: "NAME",
    description: "Asks for another password and gives it to a user.",
    examples: [{ line: "etcdctl user passwd bob", meaning: "asks for the password" }],
    run: async (call) =>
      await settle(call, "bare", async () => {
        const name = nameOf(call, "user");
        const client = new AuthClient(await connect(call));
        await client.putPassword(name, await outside.askSecret("New password: ", call));
        call.stdout.write("Password updated\n");
        return exits.done;
      }),
  };
}
