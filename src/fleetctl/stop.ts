import type { Command } from "../cli/command.ts";
import type { UnitEntity } from "../fleet/api-entities.ts";
import { waitFlags } from "./activate.ts";
import { knownUnits } from "./choices.ts";
import type { Connect } from "./connect.ts";
import { type Deactivation, deactivate, isGlobal } from "./deactivate.ts";
import { isWanted } from "./names.ts";
import { stopVerdict } from "./verdicts.ts";

const deactivation: Deactivation = {
  verb: "stop",
  target: "loaded",
  past: "stopped",
  judge: stopVerdict,
  check,
  patternsMean: isWanted,
};

/**
 * A global unit is stopped wherever it is; for the others fleetctl v1.0.0 looks at the current state. A unit that is
 * about to start on a machine counts as started.
 */
function check(unit: UnitEntity): ReturnType<Deactivation["check"]> {
  if (isGlobal(unit)) return "take";
  if (unit.desiredState === "launched" && unit.machineID !== undefined) return "take";
  if ((unit.currentState ?? "inactive") === "inactive") {
    return { problem: `Unable to stop unit ${unit.name} in state inactive` };
  }
  return unit.currentState === "loaded" ? "skip" : "take";
}

/** `fleetctl stop`: ends units, and keeps them loaded on their machines. */
export function stop(connect: Connect): Command {
  return {
    name: "stop",
    summary: "Stop units and keep them loaded",
    usage: "UNIT...",
    description: "Stops units; they stay loaded on their machines. Returns when their processes are gone.",
    flags: waitFlags,
    choices: knownUnits(connect),
    examples: [
      { line: "fleetctl stop hello.service", meaning: "stop one unit" },
      { line: "fleetctl stop 'web@*'", meaning: "stop all instances that are up" },
      { line: "fleetctl stop --no-block web@1 web@2", meaning: "stop two, and do not wait" },
    ],
    run: async (call) => await deactivate(call, connect, deactivation),
  };
}
