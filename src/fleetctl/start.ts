import type { Command } from "../cli/command.ts";
import { activate, createFlags, waitFlags } from "./activate.ts";
import { createdUnits } from "./choices.ts";
import type { Connect } from "./connect.ts";
import { startVerdict } from "./verdicts.ts";

/** `fleetctl start`: has units run. */
export function start(connect: Connect): Command {
  return {
    name: "start",
    summary: "Start units, submitting and loading them first where needed",
    usage: "UNIT...",
    description:
      "Gives each unit a machine and has systemd start it there. Waits until systemd says that it is active, or that it ran to its end with success. Exit code 1: a unit failed; 3: no machine can take a unit now. A unit that is started already is left alone.",
    flags: [...waitFlags, ...createFlags],
    choices: createdUnits(connect),
    examples: [
      { line: "fleetctl start hello.service", meaning: "start one unit" },
      { line: "fleetctl start web@{1..3}", meaning: "start three instances of a template" },
      { line: "fleetctl start --replace hello.service", meaning: "bring a changed file into effect" },
    ],
    run: async (call) =>
      await activate(call, connect, { verb: "start", target: "launched", judge: startVerdict }),
  };
}
