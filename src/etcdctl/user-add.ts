import type { Command } from "../cli/command.ts";
import { AuthClient } from "../keys/client-auth.ts";
import { nameOf } from "./auth-arguments.ts";
import type { Connect, Outside } from "./connect.ts";
import { exits, settle } from "./outcome.ts";

/** `etcdctl user add`: makes a user. */
export function userAdd(connect: Connect, outside: Outside): Command {
  return {
    name: "add",
    summary: "Make a user",
    usage: "NAME[:PASSWORD]",
    description:
      "Makes a user without roles. The password is asked for when it does not follow the name. A user that exists already gets the password, as with etcdctl 3.4.",
    examples: [{ line: "etcdctl user add bob", meaning: "asks for the password" }],
    run: async (call) =>
      await settle(call, "bare", async () => {
        const given = nameOf(call, "user");
        const colon = given.indexOf(":");
        const name = colon < 0 ? given : given.slice(0, colon);
        const client = new AuthClient(await connect(call));
        const password = colon < 0 ? await outside.askSecret("New password: ", call) : given.slice(colon + 1);
        await client.putPassword(name, password);
        call.stdout.write(`User ${name} created\n`);
        return exits.done;
      }),
  };
}
