import type { Command } from "../cli/command.ts";
import { MembersClient } from "../keys/client-members.ts";
import type { Connect } from "./connect.ts";
import { exits, mistaken, settle } from "./outcome.ts";

/** `etcdctl member add`: makes room for one more member. */
export function memberAdd(connect: Connect): Command {
  return {
    name: "add",
    summary: "Add a member to the cluster",
    usage: "NAME PEER_URL",
    description:
      "Tells the cluster of a member that will join, and prints the settings to start its etcd with. Until it has started, it counts for the majority and is missing.",
    examples: [{ line: "etcdctl member add m4 http://10.0.0.4:2380", meaning: "a fourth member" }],
    run: async (call) =>
      await settle(call, "bare", async () => {
        const [name = "", peerUrl = ""] = call.arguments;
        if (call.arguments.length !== 2) throw mistaken("Provide a name and a single member peerURL");
        const client = new MembersClient(await connect(call));
        const added = await client.add(peerUrl);
        const peers = (await client.list()).flatMap((member) =>
          member.peerURLs.map((url) => `${member.id === added.id ? name : member.name}=${url}`),
        );
        call.stdout.write(
          [
            `Added member named ${name} with ID ${added.id} to cluster\n\n`,
            `ETCD_NAME="${name}"\n`,
            `ETCD_INITIAL_CLUSTER="${peers.join(",")}"\n`,
            `ETCD_INITIAL_CLUSTER_STATE="existing"\n`,
          ].join(""),
        );
        return exits.done;
      }),
  };
}
