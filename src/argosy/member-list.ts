import { type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { spacedTable } from "../lib/table.ts";
import { memberRows } from "../membership/picture.ts";
import { hasQuorum } from "../membership/steps.ts";
import { type ConnectMembers, endpointsFlag, withMembers } from "./member-flags.ts";

/** `argosy member list`. */
export function memberListCommand(connect: ConnectMembers): Command {
  return {
    name: "list",
    summary: "Show the members, and the machines that use them",
    usage: "",
    description:
      "One line for each machine: the leader, members, learners (which hold data and have no vote yet), then proxies. " +
      "Works without a quorum, too, and says so.",
    flags: [endpointsFlag, jsonFlag],
    arity: { least: 0, most: 0 },
    examples: [{ line: "argosy member list", meaning: "who holds the data, and who is well" }],
    run: async (call) =>
      await withMembers(call, connect, async (membership) => {
        const picture = await membership.picture();
        const rows = memberRows(picture);
        const quorum = hasQuorum(picture.members, picture.well);
        if (call.flags.on("json")) {
          printJson(call, { quorum, machines: rows });
          return exitCodes.done;
        }
        const lines = rows.map(({ name, role, state, address, machine, member, problem }) =>
          [name || "-", role, state, address || "-", machine.slice(0, 8) || "-", member || "-", problem].map(
            String,
          ),
        );
        const head = ["NAME", "ROLE", "STATE", "ADDRESS", "MACHINE", "MEMBER", "WAITS FOR"];
        for (const line of spacedTable([head, ...lines])) call.stdout.write(`${line.trimEnd()}\n`);
        if (!quorum) {
          call.stdout.write(
            "Too few members are well: nothing can be written. Bring them back, or see argosy member recover --help.\n",
          );
        }
        return exitCodes.done;
      }),
  };
}
