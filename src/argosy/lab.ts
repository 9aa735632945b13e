import type { CommandGroup } from "../cli/command.ts";
import { labDownCommand } from "./lab-down.ts";
import { labExecCommand } from "./lab-exec.ts";
import { labKillCommand } from "./lab-kill.ts";
import { labLogsCommand } from "./lab-logs.ts";
import { labPoweroffCommand } from "./lab-poweroff.ts";
import { labReviveCommand } from "./lab-revive.ts";
import { labShellCommand } from "./lab-shell.ts";
import { labStatusCommand } from "./lab-status.ts";
import { labUpCommand } from "./lab-up.ts";

/** `argosy lab`: clusters of machines on this machine, to try things and to break them. */
export const labCommand: CommandGroup = {
  name: "lab",
  summary: "Run a cluster of machines on this machine",
  description:
    "A lab is a cluster of whole machines that run on this one as containers of systemd-nspawn: each with its own " +
    "systemd, Docker, disk and address. They reach each other and this machine, and nothing else. Several labs can " +
    "exist side by side under different names. All of it needs root.",
  commands: [
    labUpCommand,
    labDownCommand,
    labStatusCommand,
    labExecCommand,
    labShellCommand,
    labLogsCommand,
    labKillCommand,
    labPoweroffCommand,
    labReviveCommand,
  ],
};
