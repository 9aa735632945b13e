import { type Backoff, pauseMs } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { isFault } from "../lib/fault.ts";
import type { MachineControl } from "./machine-control.ts";
import { afterDrain, type Turn, type TurnFile } from "./reboot-turn.ts";
import type { RebootReporter } from "./reporter.ts";
import type { Slot } from "./slot.ts";
import type { Workload } from "./workload.ts";

export interface RecoveryParts {
  readonly machine: MachineControl;
  readonly workload: Workload;
  /** Why this machine's part of the store is not well; undefined when it is. */
  readonly storeProblem: () => Promise<string | undefined>;
  readonly slot: Slot;
  readonly file: TurnFile;
  readonly report: RebootReporter;
  /** The turn of the boot before; undefined when it was not this daemon that rebooted the machine. */
  readonly turn: Turn | undefined;
}

const retry: Backoff = { firstMs: 2_000, mostMs: 60_000 };

/**
 * Ends a reboot after the machine is up again: waits until the boot is complete and the units that went down with it are well,
 * has the machine take units as it did before, and gives its slot back. As long as it is not well the slot stays taken, so that
 * the reboots of the cluster stop; its lease is renewed meanwhile.
 */
export async function recover(env: Env, parts: RecoveryParts, signal: AbortSignal): Promise<void> {
  const { slot, file, turn } = parts;
  const isHeld = await untilDone(
    env,
    signal,
    "look at the reboot lock",
    async () => (await slot.look()).held,
  );
  if (turn === undefined && !isHeld) return;
  slot.keep("now", signal);
  await untilWell(env, parts, signal);
  await untilDone(env, signal, "give the slot back", async () => await slot.giveBack());
  await file.write(undefined);
  env.log.info(
    isHeld ? "is well after its boot and has given its slot back" : "is well after its boot; it held no slot",
  );
}

async function untilWell(env: Env, parts: RecoveryParts, signal: AbortSignal): Promise<void> {
  const { machine, workload, storeProblem, report, turn } = parts;
  const waitFor = (what: string): void => {
    env.log.info(`waits after its boot: ${what}`);
    void report.phase("recovering", what);
  };
  await report.phase("recovering", "the health checks of this boot are carried out");
  await untilDone(env, signal, "finish the boot", async () => {
    const problem = (await machine.checkBoot()) ?? (await storeProblem());
    if (problem === undefined) return;
    await report.phase("recovering", `${problem}; the slot stays taken until then`);
    throw new NotYet(problem);
  });
  const drain = turn?.drain;
  if (drain === undefined || (drain.since === undefined && drain.well.global.length === 0)) return;
  await workload.untilWell({ here: drain.well.global, placed: [] }, waitFor, signal);
  await untilDone(env, signal, "have this machine take units again", async () => {
    const deed = afterDrain(drain, await workload.share());
    if (deed !== undefined) await workload[deed]();
  });
  await workload.untilWell({ here: drain.well.global, placed: drain.well.placed }, waitFor, signal);
}

/** What is waited for has not come about; no failure. */
class NotYet extends Error {}

/** Tries again, with pauses, until it works. */
async function untilDone<Result>(
  env: Env,
  signal: AbortSignal,
  what: string,
  work: () => Promise<Result>,
): Promise<Result> {
  for (let failures = 1; ; failures++) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || !(isFault(error) || error instanceof NotYet)) throw error;
      env.log.warning(`cannot ${what}: ${error.message}; tries again`);
    }
    await env.clock.sleep(pauseMs(retry, failures, env.random()), signal);
  }
}
