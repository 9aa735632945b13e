import type { Command } from "../cli/command.ts";
import { Fault } from "../lib/fault.ts";

/** Runs a daemon until it is asked to stop, and returns its exit code. */
export type RunDaemon = () => Promise<number>;

/** `argosy daemon NAME`, what the systemd services run. */
export function daemonCommand(daemons: Readonly<Record<string, RunDaemon>>): Command {
  const names = Object.keys(daemons).join(" or ");
  return {
    name: "daemon",
    summary: "Run one of the daemons in the foreground, as its systemd service does",
    usage: "NAME",
    description: `Runs until it gets SIGTERM or SIGINT and logs to standard error. NAME is ${names}.`,
    arity: { least: 1, most: 1 },
    examples: [{ line: "argosy daemon fleet", meaning: "this machine's agent, with the engine and the API" }],
    async run({ arguments: [name = ""] }) {
      const run = daemons[name];
      if (run === undefined)
        throw new Fault("no-such-daemon", `there is no daemon "${name}"; it is ${names}`);
      // Handles that outlive the daemon's end, such as kept connections, must not keep its process.
      process.exit(await run());
    },
  };
}
