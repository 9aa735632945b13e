import type { Command, CommandGroup } from "../cli/command.ts";
import { installCommand } from "./install-command.ts";
import { laterCommands } from "./later-commands.ts";
import { productVersion } from "../lib/version.ts";

/** The umbrella command, around what the caller brings: verbs that have their own programs, and the daemons. */
export function argosyProgram(parts: readonly (Command | CommandGroup)[]): CommandGroup {
  return {
    name: "argosy",
    summary: "a cluster of Linux machines that acts as one",
    description:
      "Sets machines up, runs local clusters and holds every other command of Argosy under its name.",
    version: productVersion,
    commands: [...parts, installCommand, ...laterCommands],
  };
}
