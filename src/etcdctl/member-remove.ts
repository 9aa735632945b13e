import type { Command } from "../cli/command.ts";
import { MembersClient } from "../keys/client-members.ts";
import { isFault } from "../lib/fault.ts";
import type { Connect } from "./connect.ts";
import { exits, mistaken, settle } from "./outcome.ts";

/** `etcdctl member remove`: takes a member out. */
export function memberRemove(connect: Connect): Command {
  return {
    name: "remove",
    summary: "Remove a member from the cluster",
    usage: "ID",
    description:
      "Takes a member out of the cluster for ever; its etcd ends. The member may be named by its ID or its name.",
    examples: [{ line: "etcdctl member remove 2e1259d415f2a040", meaning: "one member, by its ID" }],
    run: async (call) =>
      await settle(call, "bare", async () => {
        const [wanted = ""] = call.arguments;
        if (call.arguments.length !== 1) throw mistaken("Provide a single member ID");
        const client = new MembersClient(await connect(call));
        const member = (await client.list()).find(({ id, name }) => id === wanted || name === wanted);
        if (member === undefined || wanted === "") {
          throw mistaken(`Couldn't find a member in the cluster with an ID of ${wanted}.`);
        }
        try {
          await client.remove(member.id);
        } catch (error) {
          if (!isFault(error)) throw error;
          throw mistaken(`Received an error trying to remove member ${member.id}: ${error.message}`);
        }
        call.stdout.write(`Removed member ${member.id} from cluster\n`);
        return exits.done;
      }),
  };
}
