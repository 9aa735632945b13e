import type { Command, CommandGroup } from "../cli/command.ts";
import { daemonCommand, type RunDaemon } from "./daemon-command.ts";
import { installCommand } from "./install-command.ts";
import { labCommand } from "./lab.ts";
import { laterCommands } from "./later-commands.ts";
import { productVersion } from "../lib/version.ts";

/** The umbrella command. The daemons come from outside, because nothing may import them. */
export function argosyProgram(daemons: Readonly<Record<string, RunDaemon>>): CommandGroup {
  return {
    name: "argosy",
    summary: "A cluster of Linux machines that acts as one",
    description:
      "Sets machines up, runs clusters of machines on this one, and holds every other command of Argosy: fleetctl is " +
      "the same as argosy fleetctl.",
    version: productVersion,
    commands: [labCommand, fleetctlEntry, installCommand, daemonCommand(daemons), ...laterCommands],
  };
}

/** Only for the list of commands: the entry point takes `argosy fleetctl` before it comes here. */
const fleetctlEntry: Command = {
  name: "fleetctl",
  summary: "Submit, start and watch the cluster's units",
  usage: "COMMAND [ARGUMENT...]",
  description: "The same as the command fleetctl; fleetctl help tells more.",
  passesFlagsOn: true,
  examples: [{ line: "argosy fleetctl list-machines", meaning: "the machines of the cluster" }],
  run: async ({ stderr }) => {
    stderr.write("Flags of argosy cannot stand before fleetctl; put them behind it.\n");
    return 2;
  },
};
