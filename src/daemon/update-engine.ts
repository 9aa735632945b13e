import { execFile } from "node:child_process";
import { access, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { arch } from "node:os";
import { promisify } from "node:util";
import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import { systemBusAddress } from "../systemd/bus.ts";
import { configFiles, readConfig, type UpdateConfig } from "../update/config.ts";
import { UpdateEngine } from "../update/engine.ts";
import type { CheckSchedule } from "../update/schedule.ts";
import { usualSchedule } from "../update/schedule.ts";
import type { Slots } from "../update/slots.ts";
import { engineReport, engineStatus } from "../update/status.ts";
import type { UpdateState } from "../update/update-state.ts";
import { FileSlots } from "./file-slots.ts";
import { judgeHealth } from "./health-gate.ts";
import { readBootId, readMachineId } from "./machine-facts.ts";
import { type DownloadSettings, keyrings } from "./release-download.ts";
import { type DaemonProcess, runDaemon } from "./run-daemon.ts";
import { readSettings, type Settings } from "./settings.ts";
import { SysupdateSlots, transferFolders } from "./sysupdate-slots.ts";
import { UpdateBus } from "./update-bus.ts";
import { type MachineIdentity, updateServer } from "./update-check.ts";
import { updateMemory } from "./update-memory.ts";
import { updateSettings } from "./update-settings.ts";

/** What outlives reboots, beside update_engine's own folder for its preferences. */
const memoryPath = "/var/lib/update_engine/argosy.json";
/** Gone after a reboot: what Debian's programs look at, and update_engine's own mark. */
const rebootRequired = "/run/reboot-required";
const completedMark = "/run/update_engine_autoupdate_completed";
const rebootLimitMs = 60_000;

/** The program of `update-engine.service`. Returns its exit code. */
export function main(): Promise<number> {
  return runDaemon("update-engine", run);
}

async function run(env: Env, signal: AbortSignal, daemon: DaemonProcess): Promise<void> {
  const { settings } = readSettings(updateSettings, process.env);
  const { config, problems } = readConfig(await Promise.all(configFiles.map(textOf)));
  for (const problem of problems) env.log.warning(problem);
  const [machineId, bootId, identity] = await Promise.all([readMachineId(), readBootId(), machineIdentity()]);
  const downloads: DownloadSettings = { keyrings, credentials: config.credentials };
  const signs = new RebootSigns();
  const whole = { ...identity, machineId, bootId };
  const engine = new UpdateEngine(env, {
    slots: await slotsOf(settings, config, downloads, bootId),
    bootId,
    settings: { schedule: scheduleOf(settings), timed: config.timed },
    server: updateServer(config, whole, downloads, env.log),
    memory: updateMemory(memoryPath, env.log),
    judge: async (limit) =>
      await judgeHealth(
        env,
        { services: settings.healthServices, limitMs: settings.healthLimitMs, machineId },
        limit,
      ),
    reboot: async () => {
      await promisify(execFile)("systemctl", ["reboot"], { timeout: rebootLimitMs });
    },
    changed: async (state) => {
      await signs.show(state);
      bus.changed();
    },
  });
  const stateNow = (): UpdateState => {
    if (engine.state === undefined) throw new Error("update-engine has not looked at its slots yet");
    return engine.state;
  };
  const source =
    config.server === undefined
      ? ""
      : `${config.server.kind === "folder" ? "folder:" : ""}${config.server.url}`;
  const bus = new UpdateBus(env, systemBusAddress, {
    status: () => engineStatus(stateNow()),
    channel: config.group,
    describe: () =>
      JSON.stringify(
        engineReport(stateNow(), {
          group: config.group,
          server: source,
          nowMs: env.clock.now(),
          upMs: env.clock.monotonic(),
        }),
      ),
    wish: async (event) => await engine.wish(event),
  });
  env.log.info("asks for updates", { server: source === "" ? "nobody" : source, group: config.group });
  // Whoever asks on the bus gets an answer at once, so the slots are looked at before the name is taken.
  const parts = new AbortController();
  signal.addEventListener("abort", () => parts.abort(signal.reason), { once: true });
  await engine.begin(parts.signal);
  const working = engine.run(parts.signal);
  const serving = bus.run(() => {
    daemon.notifier.ready().catch((error: unknown) => env.log.warning(String(error)));
  }, parts.signal);
  try {
    await Promise.race([working, serving]);
  } finally {
    parts.abort(new Fault("stop-requested", "update-engine stops"));
    await Promise.allSettled([working, serving]);
  }
}

async function slotsOf(
  settings: Settings<typeof updateSettings>,
  config: UpdateConfig,
  downloads: DownloadSettings,
  bootId: string,
): Promise<Slots> {
  if (settings.slotFolder !== "") return new FileSlots({ ...downloads, folder: settings.slotFolder, bootId });
  const running = osRelease(await textOf("/etc/os-release"))("IMAGE_VERSION") || config.releaseVersion;
  if (running === undefined) {
    throw new Fault(
      "no-image-version",
      "cannot tell which version runs: /etc/os-release has no IMAGE_VERSION, so this machine is no image that updates itself; disable update-engine.service",
    );
  }
  return new SysupdateSlots({
    ...downloads,
    transferFolders,
    definitions: "/run/argosy/sysupdate.d",
    program: "/usr/lib/systemd/systemd-sysupdate",
    blessProgram: "/usr/lib/systemd/systemd-bless-boot",
    running,
  });
}

function scheduleOf({ firstCheckMs, checkEveryMs }: Settings<typeof updateSettings>): CheckSchedule {
  return {
    firstMs: firstCheckMs,
    firstSpreadMs: Math.min(usualSchedule.firstSpreadMs, firstCheckMs / 2),
    everyMs: checkEveryMs,
    spreadMs: Math.min(usualSchedule.spreadMs, checkEveryMs / 2),
    mostMs: Math.max(usualSchedule.mostMs, checkEveryMs),
  };
}

async function machineIdentity(): Promise<Omit<MachineIdentity, "machineId" | "bootId">> {
  const oem = osRelease(await textOf("/etc/oem-release"));
  return {
    architecture: arch() === "arm64" ? "aarch64" : "x86_64",
    oem: oem("ID"),
    oemVersion: oem("VERSION_ID"),
  };
}

/** The values of a file such as os-release; empty where there is none. */
function osRelease(text: string): (key: string) => string {
  return (key) => {
    const value = new RegExp(`^${key}=(.*)$`, "m").exec(text)?.[1] ?? "";
    return value.replace(/^"(.*)"$/, "$1").replace(/^'(.*)'$/, "$1");
  };
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return "";
    throw new Fault("file-unreadable", `cannot read ${path}`, { cause: error });
  }
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/** The files that tell other programs of this machine that a reboot is due. */
class RebootSigns {
  #shown: boolean | undefined;

  async show({ phase }: UpdateState): Promise<void> {
    const due = phase === "reboot-wanted";
    if (due === this.#shown) return;
    this.#shown = due;
    if (due) {
      await mkdir("/run", { recursive: true });
      await writeFile(rebootRequired, "*** System restart required ***\n");
      await writeFile(completedMark, "");
    } else if (await isThere(completedMark)) {
      // Only where this engine wrote it: others may want a reboot, too.
      await rm(rebootRequired, { force: true });
      await rm(completedMark, { force: true });
    }
  }
}
