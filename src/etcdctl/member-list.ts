import type { Command } from "../cli/command.ts";
import { MembersClient } from "../keys/client-members.ts";
import type { Connect } from "./connect.ts";
import { exits, mistaken, settle } from "./outcome.ts";

/** `etcdctl member list`: the members and their addresses. */
export function memberList(connect: Connect): Command {
  return {
    name: "list",
    summary: "List the members of the cluster",
    usage: "",
    description:
      "Prints one line for each member: its ID, name, addresses and whether it is the leader. A member that never started has no name yet.",
    examples: [{ line: "etcdctl member list", meaning: "all members" }],
    run: async (call) =>
      await settle(call, "bare", async () => {
        if (call.arguments.length > 0) throw mistaken("No arguments accepted");
        const client = new MembersClient(await connect(call));
        const members = await client.list();
        const leader = await client.leader();
        for (const { id, name, peerURLs, clientURLs } of members) {
          const peers = `peerURLs=${peerURLs.join(",")}`;
          call.stdout.write(
            name === ""
              ? `${id}[unstarted]: ${peers}\n`
              : `${id}: name=${name} ${peers} clientURLs=${clientURLs.join(",")} isLeader=${id === leader.id}\n`,
          );
        }
        return exits.done;
      }),
  };
}
