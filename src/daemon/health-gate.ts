import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { FleetClient } from "../fleet/api-client.ts";
import { defaultEndpoint } from "../fleet/api-socket.ts";
import { transportTo } from "../fleet/api-transport.ts";
import { type Backoff, pauseMs } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { sentenceOf } from "../lib/fault.ts";
import type { Judgement } from "../update/engine.ts";

/** What has to be well before a new version stays. */
export interface HealthSettings {
  /** Services that have to run, where they are enabled. */
  readonly services: readonly string[];
  /** How long all of it may take, in ms. */
  readonly limitMs: number;
  readonly machineId: string;
}

const between: Backoff = { firstMs: 500, mostMs: 5_000 };
const programLimitMs = 10_000;

/**
 * Judges the first boot of a version: `boot-complete.target` has to be reached (checks of the image and of the administrator
 * stand before it), the services have to run, and no unit that fleet placed on this machine may have failed.
 */
export async function judgeHealth(
  env: Env,
  settings: HealthSettings,
  signal: AbortSignal,
): Promise<Judgement> {
  const untilMs = env.clock.monotonic() + settings.limitMs;
  try {
    // One job of systemd: it ends when every check has ended.
    const limit = { timeout: settings.limitMs, signal };
    await promisify(execFile)("systemctl", ["start", "boot-complete.target"], limit);
  } catch (error) {
    signal.throwIfAborted();
    const said =
      error instanceof Error && "stderr" in error ? String(error.stderr).trim().split("\n")[0] : "";
    return { well: false, sentence: `boot-complete.target was not reached: ${said || sentenceOf(error)}` };
  }
  for (let attempt = 1; ; attempt++) {
    const trouble = await troubleNow(settings, signal);
    if (trouble === undefined) return { well: true, sentence: "" };
    const pause = pauseMs(between, attempt, env.random());
    if (env.clock.monotonic() + pause >= untilMs) return { well: false, sentence: trouble };
    env.log.debug(`not well yet: ${trouble}`);
    await env.clock.sleep(pause, signal);
  }
}

async function troubleNow(settings: HealthSettings, signal: AbortSignal): Promise<string | undefined> {
  for (const service of settings.services) {
    const enabled = await systemctl("is-enabled", service);
    if (enabled !== "enabled") continue;
    const state = await systemctl("is-active", service);
    if (state !== "active") return `${service} is ${state}`;
  }
  if ((await systemctl("is-active", "fleet.service")) !== "active") return undefined;
  return await troubleOfUnits(settings.machineId, signal);
}

/** Units of fleet on this machine that failed, or have not come up yet. */
async function troubleOfUnits(machineId: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const transport = transportTo(defaultEndpoint, { keyFile: "", certFile: "", caFile: "" });
    const client = new FleetClient(
      async (method, path, body) =>
        await transport(method, path, body, AbortSignal.any([signal, AbortSignal.timeout(programLimitMs)])),
    );
    const states = await client.states();
    const bad = states.find(
      ({ machineID, systemdActiveState: state }) =>
        machineID === machineId && (state === "failed" || state === "activating"),
    );
    return bad === undefined ? undefined : `${bad.name} is ${bad.systemdActiveState}`;
  } catch (error) {
    signal.throwIfAborted();
    return `fleet does not answer: ${sentenceOf(error)}`;
  }
}

/** The word that `systemctl is-active` and its like print, whatever their exit code. */
async function systemctl(verb: string, unit: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)("systemctl", [verb, unit], { timeout: programLimitMs });
    return stdout.trim();
  } catch (error) {
    const said = error instanceof Error && "stdout" in error ? String(error.stdout).trim() : "";
    return said === "" ? "unknown" : said;
  }
}
