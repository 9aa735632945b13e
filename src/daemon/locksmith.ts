import { ClusterClient } from "../keys/client.ts";
import { KeysClient } from "../keys/client-keys.ts";
import { clientTransport } from "../keys/client-transport.ts";
import { FleetClient } from "../fleet/api-client.ts";
import { transportTo } from "../fleet/api-transport.ts";
import type { Env } from "../lib/env.ts";
import { Fault, isFault } from "../lib/fault.ts";
import { Locksmith } from "../locksmith/locksmith.ts";
import type { RequiredSource, Strategy } from "../locksmith/locksmith-parts.ts";
import { RebootBoard } from "../locksmith/reboot-board.ts";
import { RebootLock } from "../locksmith/reboot-lock.ts";
import { type RebootTimes, rebootTimes } from "../locksmith/reboot-times.ts";
import { RebootReporter } from "../locksmith/reporter.ts";
import { StoreNews } from "../locksmith/store-news.ts";
import { openLogin } from "../systemd/login.ts";
import { openUpdateSource } from "../systemd/update-status.ts";
import { claimCoordinator } from "./coordinator-file.ts";
import { FleetWorkload } from "./fleet-workload.ts";
import { keysEndpoints, locksmithSettings } from "./locksmith-settings.ts";
import { memberProblem } from "./member-health.ts";
import { readMachineId } from "./machine-facts.ts";
import { watchRequired } from "./required-file.ts";
import { type DaemonProcess, runDaemon } from "./run-daemon.ts";
import { readSettings, type Settings } from "./settings.ts";
import { turnFile } from "./turn-file.ts";

const turnPath = "/var/lib/argosy/locksmith/turn.json";
/** How long one request may take until its answer begins. */
const headLimitMs = 5_000;

type LocksmithSettings = Settings<typeof locksmithSettings>;

/** The program of `locksmithd.service`. Returns its exit code. */
export function main(): Promise<number> {
  return runDaemon("locksmithd", run);
}

async function run(env: Env, signal: AbortSignal, daemon: DaemonProcess): Promise<void> {
  const { settings } = readSettings(locksmithSettings, process.env);
  if (settings.strategy === "off") {
    env.log.info("Reboot strategy is off, nothing is coordinated");
    return await daemon.notifier.ready();
  }
  const strategy = strategyOf(settings.strategy);
  const times = timesOf(settings);
  const id = await readMachineId();
  const coordinator = await claimCoordinator(settings.strategy === "" ? "reboot" : settings.strategy);
  await coordinator.tell("starting");
  const machine = await openLogin(env);
  const updates = await openUpdateSource(env);
  const parts = new AbortController();
  const api = new KeysClient(clusterClient(settings, parts.signal));
  const lock = new RebootLock(env, api, settings.group);
  const board = new RebootBoard(api);
  const boot = await machine.bootId();
  const report = new RebootReporter(env, {
    id,
    group: settings.group,
    strategy,
    boot,
    board,
    coordinate: async (state) => await coordinator.tell(state),
  });
  const news = new StoreNews(env, { id, api, lock, board, restored: async () => await report.again() });
  const fleet = new FleetClient(
    transportTo(settings.fleetEndpoint, { keyFile: "", certFile: "", caFile: "" }),
  );
  const locksmith = new Locksmith(env, {
    id,
    strategy,
    times,
    leaseMs: settings.leaseMs,
    drainMs: settings.drainMs ?? 0,
    machine,
    lock,
    storeProblem: async () => await memberProblem(machine),
    workload: new FleetWorkload(env, fleet, id),
    news,
    updates,
    // Where nobody has said how to reboot, packages do not decide about it.
    required: settings.strategy === "" ? nothingRequired : await watchRequired(env, parts.signal),
    file: turnFile(turnPath, env.log),
    report,
  });
  await daemon.notifier.ready();
  const listening = news.run(parts.signal);
  try {
    await Promise.race([locksmith.run(signal), listening]);
  } finally {
    parts.abort(signal.reason ?? new Fault("ending", "locksmithd ends"));
    await Promise.allSettled([listening, machine.close(), updates.close(), coordinator.close()]);
  }
}

const nothingRequired: RequiredSource = { packages: undefined, subscribe: () => () => undefined };

/** Empty is locksmith's own default. Throws Fault `bad-setting` in its words. */
function strategyOf(text: string): Strategy {
  if (text === "") return "reboot";
  if (text === "etcd-lock" || text === "reboot" || text === "best-effort") return text;
  throw new Fault(
    "bad-setting",
    `unknown strategy: ${text}; set REBOOT_STRATEGY in /etc/coreos/update.conf to etcd-lock, reboot, best-effort or off`,
  );
}

function timesOf(settings: LocksmithSettings): RebootTimes | undefined {
  try {
    return rebootTimes({
      start: settings.windowStart === "" ? settings.bareWindowStart : settings.windowStart,
      length: settings.windowLength === "" ? settings.bareWindowLength : settings.windowLength,
      calendar: settings.windowCalendar,
      zone: settings.windowZone,
    });
  } catch (error) {
    if (!isFault(error, "bad-window")) throw error;
    throw new Fault("bad-setting", `Error parsing reboot window: ${error.message}`, { cause: error });
  }
}

function clusterClient(settings: LocksmithSettings, signal: AbortSignal): ClusterClient {
  const { etcdCaFile: caFile, etcdCertFile: certFile, etcdKeyFile: keyFile } = settings;
  const { etcdUsername: name, etcdPassword: password } = settings;
  return new ClusterClient({
    transport: clientTransport({ caFile, certFile, keyFile }),
    endpoints: keysEndpoints(settings.endpoints),
    authorization: name === "" ? "" : `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`,
    headLimitMs,
    leftMs: () => headLimitMs,
    onRequest: () => {},
    signal,
  });
}
