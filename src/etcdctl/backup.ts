import type { Command, Flag } from "../cli/command.ts";
import { exits } from "./outcome.ts";

const advice =
  "etcdctl backup copies the files of etcd v2, which Argosy does not have; save the store, at any time, with: argosy store backup FILE";

/** What people know to give: it is taken, so that they are told what to use. */
const knownFlags: readonly Flag[] = [
  ...["data-dir", "wal-dir", "backup-dir", "backup-wal-dir"].map(
    (name): Flag => ({ name, kind: "text", summary: "not used", placeholder: "DIR" }),
  ),
  { name: "with-v3", kind: "switch", summary: "not used" },
];

/** `etcdctl backup`: there only to say what to use instead. */
export const backupCommand: Command = {
  name: "backup",
  summary: "Say how to make a backup",
  usage: "[ARGUMENT...]",
  description:
    "Copies the files of etcd's version 2 in etcdctl 3.4. Argosy keeps no such files: this says what to use instead, with exit code 1.",
  flags: knownFlags,
  examples: [{ line: "etcdctl backup", meaning: "says what to use instead" }],
  run: async (call) => {
    call.stderr.write(`${advice}\n`);
    return exits.failed;
  },
};
