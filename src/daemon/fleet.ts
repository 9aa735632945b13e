import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { productVersion } from "../lib/version.ts";
import { Agent } from "../fleet/agent.ts";
import { dumpOf } from "../fleet/agent-dump.ts";
import { AttemptBook } from "../fleet/attempt-book.ts";
import { serveFleetApi } from "../fleet/api-listener.ts";
import { fleetApi } from "../fleet/api-server.ts";
import { runEngine } from "../fleet/engine.ts";
import { EventFeed } from "../fleet/event-feed.ts";
import { keepEvents } from "../fleet/event-keeper.ts";
import { EventWriter } from "../fleet/events.ts";
import { storeOfFleet } from "../fleet/fleet-name.ts";
import { measuredStore, measuredUnits } from "../fleet/measured.ts";
import { FleetMetrics } from "../fleet/metrics.ts";
import { leaseLifeMs } from "../fleet/lease-life.ts";
import { useLightWeb } from "../fleet/light-web.ts";
import { PartitionGuard } from "../fleet/partition.ts";
import { keepPresence, leaveCluster, type MachineFacts } from "../fleet/presence.ts";
import type { MachineId } from "../fleet/model.ts";
import { fleetKeys, fleetPrefix } from "../fleet/registry.ts";
import { SharedPicture } from "../fleet/shared-picture.ts";
import { StoreIdentity } from "../fleet/store-identity.ts";
import { StoreWitness } from "../fleet/store-witness.ts";
import { storeRegistry } from "../fleet/store-registry.ts";
import type { Env } from "../lib/env.ts";
import { Fault, reasonOf, sentenceOf } from "../lib/fault.ts";
import { Wake } from "../lib/wake.ts";
import { openEtcdStore } from "../store/etcd/etcd-store.ts";
import { groupedStore } from "../store/grouped-store.ts";
import { openMirror } from "../store/mirror.ts";
import { between, under } from "../store/range.ts";
import type { LeaseId } from "../store/store.ts";
import { openSystemdUnitManager } from "../systemd/unit-manager.ts";
import { attemptsFile } from "./attempts-file.ts";
import { readTls } from "./etcd-tls.ts";
import { chooseFleet } from "./fleet-choice.ts";
import { type FleetSettings, fleetSettings, settingsWithoutEffect, storesOf } from "./fleet-settings.ts";
import { identityFile } from "./identity-file.ts";
import { localCommands } from "./local-commands.ts";
import { programFacts } from "./program-facts.ts";
import { takeInheritedSockets } from "./listen-sockets.ts";
import { apiAddress, findAddress, readBootId, readMachineId } from "./machine-facts.ts";
import { fetchMachine } from "./machine-fetch.ts";
import { OwnFacts } from "./own-facts.ts";
import { roleFile } from "./member-machine.ts";
import { followRole } from "./role-watch.ts";
import { renewalFile } from "./renewal-file.ts";
import { type DaemonProcess, runDaemon } from "./run-daemon.ts";
import { readSettings } from "./settings.ts";
import { askStopReason } from "./stop-reason.ts";

const usualSettingsPath = "/etc/fleet/fleet.conf";
/** How long the API's copy of the registry is kept up to date after the last request. */
const idlePictureMs = 60_000;
/**
 * How long leaving takes at most, from the moment the daemon was asked to stop: for units to stop, and to say in the store that
 * this machine is gone. Below what `runDaemon` allows altogether, so that units which will not stop make no failure of the daemon.
 */
const leaveLimitMs = 25_000;
const stopReasonLimitMs = 2_000;
/** How long a request waits for this machine to join, so that a daemon that has just begun need not refuse it. */
const joinPatienceMs = 3_000;

/** The program of `fleet.service`: engine, agent and API of one machine. Returns its exit code. @param settingsPath has to exist */
export function main(settingsPath?: string): Promise<number> {
  useLightWeb();
  return runDaemon("fleet", async (env, signal, daemon) => await run(env, signal, daemon, settingsPath));
}

async function run(
  env: Env,
  signal: AbortSignal,
  daemon: DaemonProcess,
  settingsPath: string | undefined,
): Promise<void> {
  const settings = await loadSettings(env, daemon, settingsPath);
  const sockets = takeInheritedSockets();
  const id = await readMachineId();
  const metrics = new FleetMetrics(env.clock);
  const tls = await readTls(settings);
  const etcd = openEtcdStore(env, {
    endpoints: endpointsOf(settings),
    ...(tls === undefined ? {} : { tls }),
  });
  if (storesOf(settings.etcdServers).length === 0)
    await followRole(env, roleFile, signal, (endpoints, own) => etcd.useEndpoints(endpoints, tls ?? own));
  const systemd = await openSystemdUnitManager(env, { unitsDirectory: settings.unitsDirectory });
  const units = measuredUnits(systemd, metrics);
  const parts = new AbortController();
  const runtime = dirname(settings.unitsDirectory);
  const memory = identityFile(join(runtime, "store-identity"));
  const attempts = new AttemptBook(env, attemptsFile(join(runtime, "attempts.json"), env.log));
  const former = { identity: memory, name: identityFile(join(runtime, "key-prefix")), units, attempts };
  const fleet = await chooseFleet(settings.etcdKeyPrefix, former, env.log);
  const store = storeOfFleet(measuredStore(etcd, metrics), fleet);
  const shared = new SharedPicture(env, store, idlePictureMs);
  const events = new EventWriter(id, () => env.clock.now(), env.random);
  const feed = new EventFeed(env, store, idlePictureMs);
  const registry = storeRegistry(groupedStore(store), shared, events);
  const lease = new LeaseHolder();
  const renewals = renewalFile(join(runtime, "renewed"), env.clock);
  const ttlMs = leaseLifeMs(settings.agentTtlMs);
  const partition = new PartitionGuard(env, { ttlMs, units, attempts, renewals });
  const witness = new StoreWitness(ttlMs);
  const agent = new Agent(env, {
    store,
    me: id,
    schedule: openMirror(env, store, under(fleetKeys.schedule(id)), parts.signal),
    units,
    attempts,
    partition,
    identity: new StoreIdentity(store, memory, env.random),
    events,
    lease: () => lease.current,
    leaseChanged: (listener) => lease.subscribe(listener),
  });

  const whileAway = fleetApi(undefined, { version: productVersion, clock: env.clock });
  const api = fleetApi(registry, {
    version: productVersion,
    tokenLimit: settings.tokenLimit,
    clock: env.clock,
    events: feed,
    metrics: { metrics, program: programFacts },
    hold: async (limit) => {
      const held = await shared.hold(limit);
      return () => held.release();
    },
    machines: {
      local: localCommands(id),
      fetchMachine: (machine, path, limit) => fetchMachine(machine, shared.apiOf(machine), path, limit),
    },
  });
  const serving = await serveFleetApi(
    async (request, remote) => {
      await lease.joinedWithin(env, joinPatienceMs, request.signal);
      return await (lease.wasPresent ? api : whileAway)(request, remote);
    },
    sockets.map(({ descriptor }) => ({ fd: descriptor })),
    env.log,
    parts.signal,
  );
  const refresh = new Wake();
  const bootId = await readBootId();
  const source = {
    findAddress,
    factsOf: async (told: FleetSettings, found: string) =>
      factsOf({ id, bootId }, told, found, serving.endpoints),
  };
  const facts = await OwnFacts.find(env.clock, source, settings, () => refresh.wake());
  daemon.onReload(async () => {
    // In the words of fleet v1.0.0, which scripts look for.
    env.log.info("Reloading configuration");
    await facts.follow(await loadSettings(env, daemon, settingsPath));
    env.log.info(
      "read the settings again; metadata, address and verbosity take effect at once, the rest at a restart",
    );
  });
  daemon.onDump(() => {
    const states = agent.states();
    return dumpOf(attempts.all, states, agent.publisher.unpublished(states));
  });
  if (sockets.length === 0) env.log.warning("no socket was passed by fleet.socket, so the API is not served");
  await daemon.notifier.ready();

  const partitionRun = partition.run(parts.signal);
  const agentRun = lease.joined(parts.signal).then(() => agent.run(parts.signal));
  const running = [
    serving.ended,
    keepPresence(
      env,
      {
        store,
        facts: () => facts.current,
        refresh,
        ttlMs,
        changed: (granted) => lease.change(granted),
        renewed: (sentAtMs) => {
          partition.renewed(sentAtMs);
          witness.answered(sentAtMs, env.clock.monotonic());
          facts.lookAgain().catch((error: unknown) => {
            env.log.warning(
              `cannot tell this machine's address: ${sentenceOf(error)}; it is looked up again`,
            );
          });
        },
        events,
      },
      parts.signal,
    ),
    partitionRun,
    agentRun,
  ];
  if (!settings.disableEngine) {
    const members = openMirror(
      env,
      store,
      between(`${fleetPrefix}engine/`, `${fleetPrefix}machines0`),
      parts.signal,
    );
    running.push(
      runEngine(
        env,
        {
          store,
          me: id,
          ttlMs,
          members,
          shared,
          witness,
          events,
          metrics,
          lease: () => lease.current,
          leaseChanged: (listener) => lease.subscribe(listener),
        },
        parts.signal,
      ),
      keepEvents(env, { store, me: id, events, members }, parts.signal),
    );
  }
  const stopped = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => stopped.resolve(), { once: true });
  try {
    await Promise.race([stopped.promise, Promise.all(running)]);
  } finally {
    const late = env.clock.monotonic() + leaveLimitMs;
    const why = await askStopReason("fleet.service", stopReasonLimitMs, env.log);
    parts.abort(signal.reason ?? new Fault("ending", "fleet ends"));
    const ended = Promise.allSettled(running);
    if (why === "stop" || why === "shutdown") {
      await leave(env, late, ttlMs, {
        stopUnits: async () => {
          // The others may be waiting for a store that does not answer; units need not wait for them.
          await Promise.allSettled([partitionRun, agentRun]);
          await agent.stopAll();
        },
        sayGoodbye: async () => {
          await memory.forget();
          await ended;
          if (lease.current !== undefined) await leaveCluster(store, id, lease.current);
        },
      });
    } else env.log.info("units and presence of this machine stay as they are");
    await ended;
    shared.close();
    feed.close();
    await units.close();
    await store.close();
  }
}

/**
 * Stops this machine's units and gives up its presence, so that others take them over at once and nothing runs twice.
 * @param late the monotonic time in ms when it gives that up
 * @param ttlMs after which its presence has lapsed anyway, so that a store which does not answer need not be waited for
 */
async function leave(
  env: Env,
  late: number,
  ttlMs: number,
  { stopUnits, sayGoodbye }: Readonly<Record<"stopUnits" | "sayGoodbye", () => Promise<void>>>,
): Promise<void> {
  const within = async (ms: number, work: Promise<void>, what: string): Promise<void> => {
    const limit = new AbortController();
    const over = env.clock.sleep(Math.max(0, ms), limit.signal).then(() => {
      throw new Fault("leave-late", `${what} within ${Math.round(ms / 1000)} s`);
    });
    await Promise.race([work, over]).finally(() => limit.abort(new Fault("ended", "ended")));
  };
  try {
    await within(late - env.clock.monotonic(), stopUnits(), "not all units of this machine stopped");
    await within(Math.min(ttlMs, late - env.clock.monotonic()), sayGoodbye(), "the store was not told");
    env.log.info("left the cluster");
  } catch (error) {
    env.log.error(`cannot leave in order: ${sentenceOf(error)}; this machine's presence lapses by itself`);
  }
}

/** The machine's lease, and who wants to know when it changes. */
class LeaseHolder {
  current: LeaseId | undefined;
  /** True once this machine was present: until then another daemon may be the one that speaks for it. */
  wasPresent = false;
  readonly #listeners = new Set<() => void>();

  change(lease: LeaseId | undefined): void {
    this.current = lease;
    this.wasPresent ||= lease !== undefined;
    for (const listener of this.#listeners) listener();
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** As `joined`, but not longer than `ms`. */
  async joinedWithin(env: Env, ms: number, signal: AbortSignal): Promise<void> {
    if (this.wasPresent) return;
    const enough = new AbortController();
    const either = AbortSignal.any([signal, enough.signal]);
    const late = env.clock.sleep(ms, either).catch(() => undefined);
    await Promise.race([this.joined(either), late]);
    enough.abort(new Fault("over", "the wait is over"));
  }

  /** Resolves when the machine is present for the first time. */
  async joined(signal: AbortSignal): Promise<void> {
    if (this.wasPresent) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = this.subscribe(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise.finally(end);
  }
}

/** @param named must exist; the usual file need not */
async function loadSettings(
  env: Env,
  daemon: DaemonProcess,
  named: string | undefined,
): Promise<FleetSettings> {
  const path = named ?? usualSettingsPath;
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" && named === undefined) return undefined;
    throw new Fault("bad-setting", `cannot read ${path}: ${reasonOf(error)}`, { cause: error });
  });
  const { settings, problems } = readSettings(
    fleetSettings,
    process.env,
    text === undefined ? undefined : { path, text },
  );
  if (settings.verbosity > 0) daemon.setLogLevel("debug");
  else if (process.env["ARGOSY_LOG_LEVEL"] === undefined) daemon.setLogLevel("info");
  for (const problem of problems) env.log.warning(`${problem}; it is ignored`);
  for (const sentence of settingsWithoutEffect(settings)) env.log.warning(sentence);
  return settings;
}

function endpointsOf(settings: FleetSettings): readonly string[] {
  const named = storesOf(settings.etcdServers);
  return named.length > 0 ? named : settings.storeEndpoints;
}

/** What this machine says of itself. @param found its address as the routing table has it */
function factsOf(
  boot: { readonly id: MachineId; readonly bootId: string },
  { publicIp, metadata }: FleetSettings,
  found: string,
  endpoints: readonly string[],
): MachineFacts {
  const address = publicIp === "" ? found : publicIp;
  const api = apiAddress(endpoints, address);
  return { ...boot, address, metadata, version: productVersion, ...(api === undefined ? {} : { api }) };
}
