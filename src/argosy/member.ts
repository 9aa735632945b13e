import type { CommandGroup } from "../cli/command.ts";
import { memberAddCommand } from "./member-add.ts";
import type { ConnectMembers } from "./member-flags.ts";
import { memberListCommand } from "./member-list.ts";
import { memberPromoteCommand } from "./member-promote.ts";
import { memberRecoverCommand } from "./member-recover.ts";
import { memberRemoveCommand } from "./member-remove.ts";
import { memberReplaceCommand } from "./member-replace.ts";

/** `argosy member`: who holds the cluster's data. */
export function memberCommand(connect: ConnectMembers): CommandGroup {
  return {
    name: "member",
    summary: "See and change which machines hold the cluster's data",
    description:
      "Members hold all data of the store; the other machines are proxies and use them. Every command works from any " +
      "machine of the cluster and names machines by host name, machine-id or its beginning, address, or the member's " +
      "identity. The machine itself does what is wished, so nothing has to be done on it.",
    commands: [
      memberListCommand(connect),
      memberAddCommand(connect),
      memberPromoteCommand(connect),
      memberRemoveCommand(connect),
      memberReplaceCommand(connect),
      memberRecoverCommand(connect),
    ],
  };
}
