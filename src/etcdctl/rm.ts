import type { Call, Command } from "../cli/command.ts";
import { KeysClient, type RemoveOptions } from "../keys/client-keys.ts";
import type { Connect } from "./connect.ts";
import { keyOf, recursiveFlag } from "./key-arguments.ts";
import { exits, settle } from "./outcome.ts";
import { isSimple, showResponse } from "./show.ts";

/** `etcdctl rm`: removes a key or a directory. */
export function rm(connect: Connect): Command {
  return {
    name: "rm",
    summary: "Remove a key or a directory",
    usage: "KEY",
    description:
      "Removes a key and prints the value it had. Directories go with --dir when they are empty, and with --recursive together with everything below.",
    flags: [
      { name: "dir", kind: "switch", summary: "remove an empty directory, or a key" },
      recursiveFlag,
      { name: "with-value", kind: "text", placeholder: "VALUE", summary: "only if the key has this value" },
      {
        name: "with-index",
        kind: "number",
        placeholder: "INDEX",
        summary: "only if the key was last changed at this index",
        otherwise: "0",
      },
    ],
    dashedArguments: true,
    examples: [
      { line: "etcdctl rm /message", meaning: "one key" },
      { line: "etcdctl rm --recursive /config", meaning: "a directory and all below it" },
      { line: "etcdctl rm --with-value mine /lock", meaning: "only what is still mine" },
    ],
    run: async (call) =>
      await removeKey(call, connect, {
        directory: call.flags.on("dir"),
        recursive: call.flags.on("recursive"),
        previousValue: call.flags.text("with-value") ?? "",
        previousIndex: call.flags.number("with-index") ?? 0,
      }),
  };
}

/** Removes what a call names and shows it. */
export async function removeKey(call: Call, connect: Connect, options: RemoveOptions): Promise<number> {
  return await settle(call, "keys", async () => {
    const key = keyOf(call);
    const keys = new KeysClient(await connect(call));
    const response = await keys.remove(key, options);
    if (response.node.dir !== true || !isSimple(call)) showResponse(call, response);
    return exits.done;
  });
}
