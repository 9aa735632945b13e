import type { Command } from "../cli/command.ts";
import type { Connect } from "./connect.ts";
import { ttlFlag } from "./key-arguments.ts";
import { putDirectory } from "./put-directory.ts";

/** `etcdctl setdir`: makes a directory, or one out of a key. */
export function setdir(connect: Connect): Command {
  return {
    name: "setdir",
    summary: "Make a directory, also where a key is",
    usage: "KEY",
    description:
      "Makes a directory; a key of that name is replaced. That a directory is there already is an error (102); updatedir changes those.",
    flags: [ttlFlag],
    dashedArguments: true,
    examples: [
      {
        line: "etcdctl setdir --ttl 300 /session",
        meaning: "a directory that goes away with everything in it",
      },
    ],
    run: async (call) => await putDirectory(call, connect, undefined),
  };
}
