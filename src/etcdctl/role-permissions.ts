import type { Call, Command } from "../cli/command.ts";
import { AuthClient } from "../keys/client-auth.ts";
import { nameOf, permissionsOf, permissionFlags } from "./auth-arguments.ts";
import type { Connect } from "./connect.ts";
import { exits, settle } from "./outcome.ts";

/** `etcdctl role grant`: lets a role read or write more keys. */
export function roleGrant(connect: Connect): Command {
  return {
    name: "grant",
    summary: "Let a role read or write keys",
    usage: "NAME",
    description:
      "Adds a pattern of keys to a role. Exactly one of --read, --write and --readwrite says what for.",
    flags: permissionFlags,
    examples: [
      {
        line: "etcdctl role grant reader --path '/config/*' --read",
        meaning: "may read everything below /config",
      },
    ],
    run: async (call) => await change(call, connect, "grant"),
  };
}

/** `etcdctl role revoke`: lets a role read or write fewer keys. */
export function roleRevoke(connect: Connect): Command {
  return {
    name: "revoke",
    summary: "Take patterns of keys from a role",
    usage: "NAME",
    description:
      "Takes a pattern of keys from a role. Exactly one of --read, --write and --readwrite says what for.",
    flags: permissionFlags,
    examples: [
      { line: "etcdctl role revoke reader --path '/config/*' --read", meaning: "may not read it any more" },
    ],
    run: async (call) => await change(call, connect, "revoke"),
  };
}

async function change(call: Call, connect: Connect, kind: "grant" | "revoke"): Promise<number> {
  return await settle(call, "bare", async () => {
    const permissions = permissionsOf(call);
    const name = nameOf(call, "role");
    const client = new AuthClient(await connect(call));
    // A role that is missing is told as such, and not as a change that cannot be made.
    await client.role(name);
    await client.changePermissions(name, kind, permissions);
    call.stdout.write(`Role ${name} updated\n`);
    return exits.done;
  });
}
