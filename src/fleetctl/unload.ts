import type { Command } from "../cli/command.ts";
import type { UnitEntity } from "../fleet/api-entities.ts";
import { waitFlags } from "./activate.ts";
import { knownUnits } from "./choices.ts";
import type { Connect } from "./connect.ts";
import { type Deactivation, deactivate, isGlobal } from "./deactivate.ts";
import { unloadVerdict } from "./verdicts.ts";

const deactivation: Deactivation = {
  verb: "unload",
  target: "inactive",
  past: "unloaded",
  judge: unloadVerdict,
  check,
};

/** A unit that waits for a machine is current inactive, but must give up its wish. */
function check(unit: UnitEntity): ReturnType<Deactivation["check"]> {
  const idle = (unit.currentState ?? "inactive") === "inactive" && unit.desiredState === "inactive";
  return idle && !isGlobal(unit) ? "skip" : "take";
}

/** `fleetctl unload`: takes units off their machines, and keeps them in the registry. */
export function unload(connect: Connect): Command {
  return {
    name: "unload",
    summary: "Take units off their machines and keep them in the registry",
    usage: "UNIT...",
    description:
      "Stops units and takes them off their machines; they stay in the registry. Returns when they are gone.",
    flags: waitFlags,
    choices: knownUnits(connect),
    examples: [{ line: "fleetctl unload hello.service", meaning: "take one unit off its machine" }],
    run: async (call) => await deactivate(call, connect, deactivation),
  };
}
