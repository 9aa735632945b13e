import type { Command } from "../cli/command.ts";
import { KeysClient } from "../keys/client-keys.ts";
import type { Connect } from "./connect.ts";
import { keyOf, ttlFlag, ttlOf, valueOf } from "./key-arguments.ts";
import { exits, settle } from "./outcome.ts";
import { showResponse } from "./show.ts";

/** `etcdctl set`: gives a key a value. */
export function set(connect: Connect): Command {
  return {
    name: "set",
    summary: "Give a key a value",
    usage: "KEY [VALUE]",
    description:
      "Gives a key a value and makes it, and the directories above it, where they are missing. Without VALUE the value is read from standard input. A time to live that the key had is gone.",
    flags: [
      ttlFlag,
      {
        name: "swap-with-value",
        kind: "text",
        placeholder: "VALUE",
        summary: "only if the key has this value",
      },
      {
        name: "swap-with-index",
        kind: "number",
        placeholder: "INDEX",
        summary: "only if the key was last changed at this index",
        otherwise: "0",
      },
    ],
    dashedArguments: true,
    examples: [
      { line: "etcdctl set /message hello", meaning: "a value" },
      { line: "etcdctl set --ttl 60 /alive yes", meaning: "one that goes away after a minute" },
      {
        line: "etcdctl set --swap-with-value hello /message bye",
        meaning: "only if it still is what it was",
      },
    ],
    run: async (call) =>
      await settle(call, "keys", async () => {
        const key = keyOf(call);
        const value = await valueOf(call);
        const ttl = ttlOf(call);
        const keys = new KeysClient(await connect(call));
        const response = await keys.put(key, {
          value,
          ttl,
          previousValue: call.flags.text("swap-with-value") ?? "",
          previousIndex: call.flags.number("swap-with-index") ?? 0,
        });
        showResponse(call, response);
        return exits.done;
      }),
  };
}
