import type { Command } from "../cli/command.ts";
import { activate, createFlags, waitFlags } from "./activate.ts";
import { createdUnits } from "./choices.ts";
import type { Connect } from "./connect.ts";
import { loadVerdict } from "./verdicts.ts";

/** `fleetctl load`: has units loaded on machines, without starting them. */
export function load(connect: Connect): Command {
  return {
    name: "load",
    summary: "Have units loaded on machines, submitting them first where needed",
    usage: "UNIT...",
    description:
      "Gives each unit a machine and has its file loaded there, without starting it; a unit that runs is stopped. Waits until it is so. Exit code 3: no machine can take a unit now.",
    flags: [...waitFlags, ...createFlags],
    choices: createdUnits(connect),
    examples: [
      { line: "fleetctl load web@1.service", meaning: "load one instance of a template" },
      {
        line: "fleetctl load --no-block *.service",
        meaning: "load all units of this folder, and do not wait",
      },
    ],
    run: async (call) =>
      await activate(call, connect, { verb: "load", target: "loaded", judge: loadVerdict }),
  };
}
