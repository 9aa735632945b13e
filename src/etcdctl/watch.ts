import type { Call, Command } from "../cli/command.ts";
import { KeysClient } from "../keys/client-keys.ts";
import { isFault } from "../lib/fault.ts";
import type { Connect } from "./connect.ts";
import { afterIndexFlag, keyOf, recursiveFlag } from "./key-arguments.ts";
import { exits, settle } from "./outcome.ts";
import { showResponse } from "./show.ts";

/** `etcdctl watch`: waits for a change of a key. */
export function watch(connect: Connect): Command {
  return {
    name: "watch",
    summary: "Wait for a change of a key and print it",
    usage: "KEY",
    description:
      "Waits until a key changes and prints its new value. With --recursive changes of everything below count too, each with its action and key. Changes of directories are passed over. Interrupted, it ends with exit code 0.",
    flags: [
      { name: "forever", short: "f", kind: "switch", summary: "print every change until interrupted" },
      afterIndexFlag,
      recursiveFlag,
    ],
    dashedArguments: true,
    examples: [
      { line: "etcdctl watch /message", meaning: "the next value" },
      { line: "etcdctl watch --forever --recursive /config", meaning: "follow a directory" },
    ],
    run: async (call) =>
      await untilInterrupted(call, async () => {
        const key = keyOf(call);
        const keys = new KeysClient(await connect(call));
        const recursive = call.flags.on("recursive");
        for await (const event of keys.watch(key, recursive, call.flags.number("after-index") ?? 0)) {
          if (event.node.dir === true) continue;
          if (recursive) call.stdout.write(`[${event.action}] ${event.node.key ?? ""}\n`);
          showResponse(call, event);
          if (!call.flags.on("forever")) break;
          await call.stdout.drained();
        }
        return exits.done;
      }),
  };
}

/** For commands that wait for ever: being interrupted is how they are meant to end. */
export async function untilInterrupted(call: Call, work: () => Promise<number>): Promise<number> {
  try {
    return await settle(call, "keys", work);
  } catch (error) {
    if (call.signal.aborted && isFault(call.signal.reason, "interrupted")) return exits.done;
    throw error;
  }
}
