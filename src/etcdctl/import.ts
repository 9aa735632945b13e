import type { Command } from "../cli/command.ts";
import { exits } from "./outcome.ts";

const advice =
  "etcdctl import reads snapshots of etcd 0.4, which Argosy does not support; list the keys of the old cluster with ls --recursive and set each of them here";

/** `etcdctl import`: there only to say what to use instead. */
export const importCommand: Command = {
  name: "import",
  summary: "Say how to bring keys over",
  usage: "[ARGUMENT...]",
  description: "Read a snapshot of etcd 0.4 in etcdctl 2.3. This says what to use instead, with exit code 1.",
  passesFlagsOn: true,
  examples: [{ line: "etcdctl import", meaning: "says what to use instead" }],
  run: async (call) => {
    call.stderr.write(`${advice}\n`);
    return exits.failed;
  },
};
