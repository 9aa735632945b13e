import type { Command } from "../cli/command.ts";
import type { Connect } from "./connect.ts";
import { ttlFlag } from "./key-arguments.ts";
import { putDirectory } from "./put-directory.ts";

/** `etcdctl mkdir`: makes a directory that is not there yet. */
export function mkdir(connect: Connect): Command {
  return {
    name: "mkdir",
    summary: "Make a new directory",
    usage: "KEY",
    description: "Makes a directory and those above it. That it exists already is an error.",
    flags: [ttlFlag],
    dashedArguments: true,
    examples: [{ line: "etcdctl mkdir /config", meaning: "an empty directory" }],
    run: async (call) => await putDirectory(call, connect, false),
  };
}
