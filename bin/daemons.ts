import type { RunDaemon } from "../src/argosy/daemon-command.ts";
import type { ServeDiscovery } from "../src/argosy/discovery-serve.ts";
import type { RunFleet } from "../src/argosy/fleetd.ts";
import type { ServeFleetLock } from "../src/argosy/fleetlock.ts";
import type { ConnectMembers } from "../src/argosy/member-flags.ts";
import type { ServeKeys } from "../src/argosy/etcd-command.ts";
import type { OpenStore } from "../src/argosy/store-flags.ts";
import type { ServeUpdates } from "../src/argosy/update-server-serve.ts";
import type { OpenUpdateEngine } from "../src/argosy/update-engine-access.ts";

/**
 * The daemons by name. They are bundled apart from the commands: reading their libraries would double the time that
 * every fleetctl takes to start.
 */
export const daemons: {
  readonly fleet: RunFleet;
  readonly etcd: RunDaemon;
  readonly locksmith: RunDaemon;
  readonly "update-engine": RunDaemon;
} = {
  fleet: async (settingsPath?: string) => await (await import("../src/daemon/fleet.ts")).main(settingsPath),
  etcd: async () => await (await import("../src/daemon/etcd.ts")).main(),
  locksmith: async () => await (await import("../src/daemon/locksmith.ts")).main(),
  "update-engine": async () => await (await import("../src/daemon/update-engine.ts")).main(),
};

/** `argosy update` and `update_engine_client`. */
export const openUpdateEngine: OpenUpdateEngine = async (env) =>
  await (await import("../src/daemon/update-access.ts")).openUpdateEngine(env);

/** `argosy update-server serve`. */
export const serveUpdates: ServeUpdates = async (options) =>
  await (await import("../src/daemon/update-server.ts")).serveUpdates(options);

/** `argosy etcd`. */
export const serveKeys: ServeKeys = async (options) =>
  await (await import("../src/daemon/etcd-foreground.ts")).serveInForeground(options);

/** `argosy discovery serve`. */
export const serveDiscovery: ServeDiscovery = async (options) =>
  await (await import("../src/daemon/discovery.ts")).serveInForeground(options);

/** `argosy fleetlock`. */
export const serveFleetLock: ServeFleetLock = async (options) =>
  await (await import("../src/daemon/fleetlock.ts")).serveFleetLock(options);

/** `argosy member`. */
export const connectMembers: ConnectMembers = async (env, endpoints) =>
  await (await import("../src/daemon/membership-access.ts")).openMembership(env, endpoints);

/** `argosy store`. */
export const openStore: OpenStore = async (env, spec) =>
  await (await import("../src/daemon/store-access.ts")).openStore(env, spec);
