import type { Command } from "../cli/command.ts";
import { activate, createFlags, dryRunFlag } from "./activate.ts";
import { createdUnits } from "./choices.ts";
import type { Connect } from "./connect.ts";

/** `fleetctl submit`: puts units into the registry. */
export function submit(connect: Connect): Command {
  return {
    name: "submit",
    summary: "Put units into the registry without starting them",
    usage: "UNIT...",
    description:
      "Puts unit files into the registry. Nothing is loaded or started. A template must be submitted before it can be left out beside its instances.",
    flags: [...createFlags, dryRunFlag],
    choices: createdUnits(connect),
    examples: [
      { line: "fleetctl submit examples/web@.service", meaning: "store a template" },
      { line: "fleetctl submit --replace web@.service", meaning: "store its new version" },
    ],
    run: async (call) =>
      await activate(call, connect, { verb: "submit", target: "inactive", judge: undefined }),
  };
}
