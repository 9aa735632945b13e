import type { Command } from "../cli/command.ts";
import { millisecondsOf } from "../cli/flags.ts";
import { Fault } from "../lib/fault.ts";
import { leastLeaseMs } from "../locksmith/reboot-lock.ts";
import { hostAndPort, type HostAndPort } from "./etcd-command.ts";

/** What the server of the fleet lock protocol is told by the command line. */
export interface FleetLockOptions {
  readonly listenOn: readonly HostAndPort[];
  /** Servers of the keys API. */
  readonly endpoints: readonly string[];
  /** Groups that are served; empty: any. */
  readonly groups: readonly string[];
  /** Undefined: slots are kept until they are given back. */
  readonly leaseMs: number | undefined;
}

/** Serves until the process is asked to stop, and returns its exit code. */
export type ServeFleetLock = (options: FleetLockOptions) => Promise<number>;

/** `argosy fleetlock`. */
export function fleetLockCommand(serve: ServeFleetLock): Command {
  return {
    name: "fleetlock",
    summary: "Serve the reboot lock to Fedora CoreOS in the foreground",
    usage: "",
    description:
      "Speaks the fleet lock protocol of zincati: POST /v1/pre-reboot takes a slot, POST /v1/steady-state gives it back, on " +
      "the same lock that locksmithctl shows. The group default is the group without a name. Says on standard output " +
      "where it listens, logs to standard error, and runs until it gets SIGTERM or SIGINT.",
    flags: [
      {
        name: "listen",
        kind: "text",
        placeholder: "HOST:PORT",
        repeated: true,
        summary: "where to listen, may be given several times; without it 127.0.0.1:3333",
      },
      {
        name: "endpoint",
        kind: "text",
        placeholder: "URL,...",
        otherwise: "http://127.0.0.1:4001",
        summary: "the servers of the keys API",
      },
      {
        name: "group",
        kind: "text",
        placeholder: "NAME",
        repeated: true,
        summary: "serve only this group, may be given several times; without it any",
      },
      {
        name: "lease",
        kind: "text",
        placeholder: "TIME",
        otherwise: "1h",
        summary: "the slot of a machine that is not heard of again is free after this time; off: never",
      },
    ],
    arity: { least: 0, most: 0 },
    examples: [{ line: "argosy fleetlock --listen 10.0.0.5:3333", meaning: "for the machines of a network" }],
    run: async ({ flags }) => {
      const listen = flags.all("listen");
      return await serve({
        listenOn: (listen.length === 0 ? ["127.0.0.1:3333"] : listen).map((text) =>
          hostAndPort(text, "--listen"),
        ),
        endpoints: (flags.text("endpoint") ?? "").split(","),
        groups: flags.all("group"),
        leaseMs: leaseMsOf(flags.text("lease") ?? "off"),
      });
    },
  };
}

function leaseMsOf(text: string): number | undefined {
  if (text === "off") return undefined;
  const ms = millisecondsOf(text);
  if (ms !== undefined && ms >= leastLeaseMs) return ms;
  throw new Fault("bad-flags", `--lease "${text}" is neither off nor a time of 2s at least, such as 30m`);
}
