import type { Command, CommandGroup, Example } from "../cli/command.ts";
import { withCompletion } from "../cli/completion.ts";
import { cloudConfigCommand } from "./cloud-config.ts";
import { cordonCommand } from "./cordon.ts";
import { cloudinitCommand } from "./coreos-cloudinit.ts";
import { daemonCommand, type RunDaemon } from "./daemon-command.ts";
import { discoveryCommand } from "./discovery.ts";
import type { ServeDiscovery } from "./discovery-serve.ts";
import { etcdCommand, type ServeKeys } from "./etcd-command.ts";
import { drainCommand } from "./drain.ts";
import { eventsCommand } from "./events.ts";
import { fleetLockCommand, type ServeFleetLock } from "./fleetlock.ts";
import { imageCommand } from "./image-write.ts";
import { installCommand } from "./install-command.ts";
import { labCommand } from "./lab.ts";
import { memberCommand } from "./member.ts";
import type { ConnectMembers } from "./member-flags.ts";
import { productVersion } from "../lib/version.ts";
import { rebootCommand } from "./reboot.ts";
import { rebootsCommand } from "./reboots.ts";
import { storeCommand } from "./store.ts";
import type { OpenStore } from "./store-flags.ts";
import { uncordonCommand } from "./uncordon.ts";
import { updateCommand } from "./update.ts";
import type { OpenUpdateEngine } from "./update-engine-access.ts";
import { updateEngineClient } from "./update-engine-client.ts";
import { updateServerCommand } from "./update-server.ts";
import type { ServeUpdates } from "./update-server-serve.ts";
import { whyCommand } from "./why.ts";

/** What commands need of the bundle of the daemons. */
export interface OutsideParts {
  readonly serveKeys: ServeKeys;
  readonly serveDiscovery: ServeDiscovery;
  readonly serveFleetLock: ServeFleetLock;
  readonly connectMembers: ConnectMembers;
  readonly openStore: OpenStore;
  readonly openUpdateEngine: OpenUpdateEngine;
  readonly serveUpdates: ServeUpdates;
}

/** The umbrella command. The daemons and servers come from outside, because nothing may import them. */
export function argosyProgram(
  daemons: Readonly<Record<string, RunDaemon>>,
  parts: OutsideParts,
): CommandGroup {
  return withCompletion({
    name: "argosy",
    summary: "A cluster of Linux machines that acts as one",
    description:
      "Sets machines up, runs clusters of machines on this one, and holds every other command of Argosy: fleetctl is " +
      "the same as argosy fleetctl.",
    version: productVersion,
    commands: [
      labCommand,
      fleetctlEntry,
      etcdctlEntry,
      locksmithctlEntry,
      whyCommand(),
      eventsCommand(),
      drainCommand(),
      cordonCommand(),
      uncordonCommand(),
      rebootCommand(),
      rebootsCommand(),
      fleetLockCommand(parts.serveFleetLock),
      installCommand,
      imageCommand,
      etcdCommand(parts.serveKeys),
      memberCommand(parts.connectMembers),
      storeCommand(parts.openStore),
      discoveryCommand(parts.serveDiscovery),
      daemonCommand(daemons),
      updateCommand(parts.openUpdateEngine),
      updateEngineClient(parts.openUpdateEngine),
      updateServerCommand(parts.serveUpdates, parts.openStore),
      cloudConfigCommand,
      cloudinitCommand,
    ],
  });
}

/** Only for the list of commands: the entry point takes `argosy fleetctl` before it comes here. */
const fleetctlEntry = entry({
  name: "fleetctl",
  summary: "Submit, start and watch the cluster's units",
  example: { line: "argosy fleetctl list-machines", meaning: "the machines of the cluster" },
});

/** As above. */
const etcdctlEntry = entry({
  name: "etcdctl",
  summary: "Read, write and watch keys of the v2 API",
  example: { line: "argosy etcdctl ls --recursive", meaning: "every key" },
});

/** As above. */
const locksmithctlEntry = entry({
  name: "locksmithctl",
  summary: "Look at and change who may reboot",
  example: { line: "argosy locksmithctl status", meaning: "the free slots, and who holds the others" },
});

function entry({
  name,
  summary,
  example,
}: Pick<Command, "name" | "summary"> & { readonly example: Example }): Command {
  return {
    name,
    summary,
    usage: "COMMAND [ARGUMENT...]",
    description: `The same as the command ${name}; ${name} help tells more.`,
    passesFlagsOn: true,
    examples: [example],
    run: async ({ stderr }) => {
      stderr.write(`Flags of argosy cannot stand before ${name}; put them behind it.\n`);
      return 2;
    },
  };
}
