import type { Command } from "../cli/command.ts";

/** EX_UNAVAILABLE of sysexits.h: the command exists, but this release cannot carry it out. */
const unavailable = 69;

/** Commands whose names are taken but which come with later releases, each with what to use instead. */
const instead: Readonly<Record<string, string>> = {
  "coreos-cloudinit": "the files below /etc/fleet and /etc/argosy",
};

/** One command for each name of `instead`. */
export const laterCommands: readonly Command[] = Object.entries(instead).map(([name, other]) => ({
  name,
  summary: "Comes with a later release",
  usage: "[ARGUMENT...]",
  description: `Not part of this release. Until then, use ${other}`,
  passesFlagsOn: true,
  examples: [{ line: name, meaning: "says what to use instead" }],
  run: async ({ stderr }) => refuseLater(name, (text) => stderr.write(text)),
}));

/** Whether a word names one of these commands. The entry point asks first, so that none of their flags is judged. */
export function comesLater(word: string | undefined): word is string {
  return word !== undefined && Object.hasOwn(instead, word);
}

/** Says in one sentence that the command is not there yet and what to use; returns the exit code. */
export function refuseLater(name: string, write: (text: string) => void): number {
  write(`This release of Argosy does not contain ${name} yet; use ${instead[name] ?? "another command"}\n`);
  return unavailable;
}
