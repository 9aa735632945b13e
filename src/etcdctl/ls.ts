import type { Call, Command } from "../cli/command.ts";
import { KeysClient } from "../keys/client-keys.ts";
import type { ShownNode } from "../keys/model.ts";
import type { Connect } from "./connect.ts";
import { quorumFlag, recursiveFlag, sortFlag } from "./key-arguments.ts";
import { exits, settle } from "./outcome.ts";
import { isSimple, showResponse } from "./show.ts";

/** `etcdctl ls`: the keys of a directory. */
export function ls(connect: Connect): Command {
  return {
    name: "ls",
    summary: "List the keys of a directory",
    usage: "[KEY]",
    description:
      "Lists the keys in a directory, of / when none is named. Hidden keys, whose names begin with _, are left out.",
    flags: [
      sortFlag,
      recursiveFlag,
      { name: "p", kind: "switch", summary: "put a slash behind directories" },
      quorumFlag,
    ],
    dashedArguments: true,
    examples: [
      { line: "etcdctl ls --sort -p /", meaning: "the first level, directories marked" },
      { line: "etcdctl ls --recursive /config", meaning: "everything below a directory" },
    ],
    run: async (call) =>
      await settle(call, "keys", async () => {
        const keys = new KeysClient(await connect(call));
        const response = await keys.get(call.arguments[0] ?? "/", {
          recursive: call.flags.on("recursive"),
          sorted: call.flags.on("sort"),
          quorum: call.flags.on("quorum"),
        });
        if (!isSimple(call)) showResponse(call, response);
        else if (response.node.dir === true) listNodes(call, response.node.nodes ?? []);
        else call.stdout.write(`${response.node.key ?? ""}\n`);
        return exits.done;
      }),
  };
}

/** Parents before their children. */
function listNodes(call: Call, nodes: readonly ShownNode[]): void {
  for (const node of nodes) {
    const mark = node.dir === true && call.flags.on("p") ? "/" : "";
    call.stdout.write(`${node.key ?? ""}${mark}\n`);
    listNodes(call, node.nodes ?? []);
  }
}
