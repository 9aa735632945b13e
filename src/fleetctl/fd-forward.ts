import { type Command, exitCodes } from "../cli/command.ts";
import { isFault } from "../lib/fault.ts";
import { fail } from "./columns.ts";
import type { Ssh } from "./open-ssh.ts";

/** `fleetctl fd-forward`: the far end of `--tunnel`, which ssh starts there. */
export function fdForward(ssh: () => Promise<Ssh>): Command {
  return {
    name: "fd-forward",
    summary: "Copy standard input to a socket and back: the far end of --tunnel",
    usage: "SOCKET",
    description:
      "Copies standard input to a socket of this machine, and what comes from there to standard output. fleetctl --tunnel starts it on the other machine by ssh.",
    choices: { files: true },
    examples: [
      {
        line: "ssh core@10.0.0.11 fleetctl fd-forward /run/fleet.sock",
        meaning: "what --tunnel=10.0.0.11 does",
      },
    ],
    run: async (call) => {
      const [path] = call.arguments;
      if (path === undefined || call.arguments.length > 1) return fail(call, "Provide a single argument");
      try {
        await (await ssh()).forward(path, call.signal);
      } catch (error) {
        if (!isFault(error, "dial")) throw error;
        // fleetctl v1.0.0 exits with 0 all the same; who started it sees the connection end.
        call.stderr.write(`Failed dialing remote address: ${error.message}\n`);
      }
      return exitCodes.done;
    },
  };
}
