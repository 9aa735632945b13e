import type { Command } from "../cli/command.ts";
import type { Connect } from "./connect.ts";
import { removeKey } from "./rm.ts";

/** `etcdctl rmdir`: removes an empty directory. */
export function rmdir(connect: Connect): Command {
  return {
    name: "rmdir",
    summary: "Remove an empty directory, or a key",
    usage: "KEY",
    description: "Removes a directory that is empty. A key of that name is removed as well.",
    dashedArguments: true,
    examples: [{ line: "etcdctl rmdir /config", meaning: "only if nothing is in it" }],
    run: async (call) =>
      await removeKey(call, connect, {
        directory: true,
        recursive: false,
        previousValue: "",
        previousIndex: 0,
      }),
  };
}
