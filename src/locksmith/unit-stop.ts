import type { Env } from "../lib/env.ts";
import { isFault, sentenceOf } from "../lib/fault.ts";
import type { MachineControl } from "./machine-control.ts";
import { stopOrder } from "./stop-order.ts";
import { within } from "./waiting.ts";
import type { Workload } from "./workload.ts";

/** Waits until the units that can leave this machine have left it, for `limitMs` at most. */
export async function untilUnitsLeft(
  env: Env,
  workload: Workload,
  limitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const tell = (sentence: string): void => env.log.info(sentence);
  const isDone = await within(
    env.clock,
    limitMs,
    signal,
    async (limit) => await workload.untilDrained(tell, limit),
  );
  if (isDone) return env.log.info("the units have left this machine");
  env.log.warning(
    `not all units have left this machine within ${lengthText(limitMs)}: the rest stops with it`,
  );
}

/**
 * Stops units of this machine before it goes down, each before what it depends on. Resolves when they have ended or when the time is
 * over, after which the reboot stops what is left; rejects with the signal's reason.
 * @param limitMs for all of them together; systemd's TimeoutStopSec holds for each
 */
export async function stopUnits(
  env: Env,
  machine: MachineControl,
  names: readonly string[],
  limitMs: number,
  signal: AbortSignal,
): Promise<void> {
  let problems: readonly string[] = [];
  try {
    const isDone = await within(env.clock, limitMs, signal, async (limit) => {
      problems = await machine.stopUnits(stopOrder(await machine.running(names)), limit);
    });
    if (isDone && problems.length === 0) env.log.info("the units that stay on this machine have stopped");
    if (!isDone) problems = [`not all units have stopped within ${lengthText(limitMs)}`];
  } catch (error) {
    if (signal.aborted || !isFault(error)) throw error;
    problems = [`cannot see whether units have stopped: ${sentenceOf(error)}`];
  }
  for (const problem of problems) env.log.warning(`${problem}: the reboot stops what is left`);
}

/**
 * Starts again, after all, what was stopped for a reboot, in the reverse order: units that are still to run here, and all when
 * fleet does not say which these are.
 */
export async function startUnitsAgain(
  env: Env,
  machine: MachineControl,
  workload: Workload,
  stopped: readonly string[],
): Promise<void> {
  const wanted = await workload.share().then(
    (share) => new Set(share.wanted),
    (error: unknown) => {
      if (!isFault(error)) throw error;
      return undefined;
    },
  );
  const names = stopped.toReversed().filter((name) => wanted?.has(name) ?? true);
  if (names.length > 0) env.log.info(`starts again what was stopped: ${names.join(", ")}`);
  for (const problem of await machine.startUnits(names)) env.log.warning(problem);
}

function lengthText(ms: number): string {
  return ms < 60_000 ? `${Math.round(ms / 1_000)} s` : `${Math.round(ms / 6_000) / 10} min`;
}
