import type { Command } from "../cli/command.ts";
import { KeysClient } from "../keys/client-keys.ts";
import type { Connect } from "./connect.ts";
import { keyOf, ttlFlag, ttlOf, valueOf } from "./key-arguments.ts";
import { exits, settle } from "./outcome.ts";
import { showResponse } from "./show.ts";

/** `etcdctl update`: changes a key that is there. */
export function update(connect: Connect): Command {
  return {
    name: "update",
    summary: "Change the value of an existing key",
    usage: "KEY [VALUE]",
    description:
      "Gives a key another value; that it does not exist is an error. Without VALUE the value is read from standard input. A time to live that the key had is gone.",
    flags: [ttlFlag],
    dashedArguments: true,
    examples: [{ line: "etcdctl update /message again", meaning: "change a key, but never make one" }],
    run: async (call) =>
      await settle(call, "keys", async () => {
        const key = keyOf(call);
        const value = await valueOf(call);
        const ttl = ttlOf(call);
        const keys = new KeysClient(await connect(call));
        showResponse(call, await keys.put(key, { value, ttl, exists: true }));
        return exits.done;
      }),
  };
}
