import type { Command } from "../cli/command.ts";
import { KeysClient } from "../keys/client-keys.ts";
import type { Connect } from "./connect.ts";
import { keyOf, quorumFlag, sortFlag } from "./key-arguments.ts";
import { exits, settle } from "./outcome.ts";
import { showResponse } from "./show.ts";

/** `etcdctl get`: the value of one key. */
export function get(connect: Connect): Command {
  return {
    name: "get",
    summary: "Print the value of a key",
    usage: "KEY",
    description:
      "Prints the value of a key. A directory has none: that is told on standard error, with exit code 1.",
    flags: [sortFlag, quorumFlag],
    dashedArguments: true,
    examples: [
      { line: "etcdctl get /message", meaning: "the value" },
      { line: "etcdctl -o extended get /message", meaning: "its indices and time to live as well" },
    ],
    run: async (call) =>
      await settle(call, "keys", async () => {
        const key = keyOf(call);
        const keys = new KeysClient(await connect(call));
        const response = await keys.get(key, {
          recursive: false,
          sorted: call.flags.on("sort"),
          quorum: call.flags.on("quorum"),
        });
        if (response.node.dir === true) {
          call.stderr.write(`${response.node.key ?? ""}: is a directory\n`);
          return exits.failed;
        }
        showResponse(call, response);
        return exits.done;
      }),
  };
}
