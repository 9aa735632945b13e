import type { Command } from "../cli/command.ts";
import { MembersClient } from "../keys/client-members.ts";
import type { Connect } from "./connect.ts";
import { exits, mistaken, settle } from "./outcome.ts";

/** `etcdctl member update`: gives a member other peer addresses. */
export function memberUpdate(connect: Connect): Command {
  return {
    name: "update",
    summary: "Change the peer addresses of a member",
    usage: "ID PEER_URL,...",
    description: "Tells the cluster that the other members reach this one at other addresses.",
    examples: [{ line: "etcdctl member update 2e1259d415f2a040 http://10.0.0.9:2380", meaning: "it moved" }],
    run: async (call) =>
      await settle(call, "bare", async () => {
        const [id = "", urls = ""] = call.arguments;
        if (call.arguments.length !== 2) {
          throw mistaken(
            "Provide an ID and a list of comma separated peerURL (0xabcd http://example.com,http://example1.com)",
          );
        }
        await new MembersClient(await connect(call)).update(id, urls.split(","));
        call.stdout.write(`Updated member with ID ${id} in cluster\n`);
        return exits.done;
      }),
  };
}
