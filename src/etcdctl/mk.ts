import type { Command } from "../cli/command.ts";
import { KeysClient } from "../keys/client-keys.ts";
import type { Connect } from "./connect.ts";
import { keyOf, ttlFlag, ttlOf, valueOf } from "./key-arguments.ts";
import { exits, settle } from "./outcome.ts";
import { showResponse } from "./show.ts";

/** `etcdctl mk`: makes a key that is not there yet. */
export function mk(connect: Connect): Command {
  return {
    name: "mk",
    summary: "Make a new key",
    usage: "KEY [VALUE]",
    description:
      "Makes a key; that it exists already is an error. With --in-order KEY is a directory, and the new key in it has the next number as its name. Without VALUE the value is read from standard input.",
    flags: [{ name: "in-order", kind: "switch", summary: "make a numbered key below KEY" }, ttlFlag],
    dashedArguments: true,
    examples: [
      { line: "etcdctl mk /lock mine", meaning: "take something that only one may have" },
      { line: "etcdctl mk --in-order /queue job", meaning: "add to a queue" },
    ],
    run: async (call) =>
      await settle(call, "keys", async () => {
        const key = keyOf(call);
        const value = await valueOf(call);
        const ttl = ttlOf(call);
        const keys = new KeysClient(await connect(call));
        const inOrder = call.flags.on("in-order");
        showResponse(
          call,
          inOrder
            ? await keys.createInOrder(key, { value, ttl })
            : await keys.put(key, { value, ttl, exists: false }),
        );
        return exits.done;
      }),
  };
}
