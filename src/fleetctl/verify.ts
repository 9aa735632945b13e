import { type Command, exitCodes } from "../cli/command.ts";

/** `fleetctl verify`: a command of times before fleet v1.0.0, which says so. */
export const verify: Command = {
  name: "verify",
  summary: "Nothing any more: units are not signed",
  usage: "UNIT",
  description: "Says that signed units are not supported, as fleetctl v1.0.0 does.",
  hidden: true,
  examples: [{ line: "fleetctl verify hello.service", meaning: "says that there is no such feature" }],
  run: async (call) => {
    call.stderr.write("WARNING: The signed/verified units feature is DEPRECATED and cannot be used.\n");
    return exitCodes.usage;
  },
};
