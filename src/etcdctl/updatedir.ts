import type { Command } from "../cli/command.ts";
import type { Connect } from "./connect.ts";
import { ttlFlag } from "./key-arguments.ts";
import { putDirectory } from "./put-directory.ts";

/** `etcdctl updatedir`: changes how long a directory lives. */
export function updatedir(connect: Connect): Command {
  return {
    name: "updatedir",
    summary: "Change the time to live of a directory",
    usage: "KEY",
    description: "Gives a directory that exists another time to live; without --ttl it stays for ever.",
    flags: [ttlFlag],
    dashedArguments: true,
    examples: [{ line: "etcdctl updatedir --ttl 300 /session", meaning: "five minutes more" }],
    run: async (call) => await putDirectory(call, connect, true),
  };
}
