import type { Command } from "../cli/command.ts";
import { openLab } from "../lab/lab.ts";
import { labName, machineName, nameFlag } from "./lab-flags.ts";

/** `argosy lab logs`. */
export const labLogsCommand: Command = {
  name: "logs",
  summary: "Show a machine's journal, also while it is off",
  usage: "MACHINE",
  description:
    "Prints the machine's journal. Of a machine that is off it reads the journal on its disk, up to the moment it lost " +
    "power. Follows a running machine with --follow until interrupted.",
  flags: [
    nameFlag,
    { name: "unit", short: "u", kind: "text", summary: "only this unit", placeholder: "UNIT" },
    { name: "follow", short: "f", kind: "switch", summary: "go on with new lines as they come" },
    {
      name: "lines",
      short: "n",
      kind: "number",
      summary: "only this many of the last lines",
      placeholder: "N",
    },
    { name: "json", kind: "switch", summary: "print one JSON object for each entry" },
  ],
  arity: { least: 1, most: 1 },
  examples: [
    { line: "argosy lab logs m1 -u fleet.service", meaning: "what fleet said on the first machine" },
    { line: "argosy lab logs m3 -f", meaning: "everything on the third, as it happens" },
  ],
  run: async (call) => {
    const machine = (await openLab(labName(call))).machine(machineName(call));
    const unit = call.flags.text("unit");
    const lines = call.flags.number("lines");
    return await machine.printJournal([
      ...(unit === undefined ? [] : [`--unit=${unit}`]),
      ...(lines === undefined ? [] : [`--lines=${lines}`]),
      ...(call.flags.on("follow") ? ["--follow"] : []),
      ...(call.flags.on("json") ? ["--output=json"] : []),
    ]);
  },
};
