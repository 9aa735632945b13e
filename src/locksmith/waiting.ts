import type { Clock } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import type { Wake } from "../lib/wake.ts";

/** Why a wait ends whose time is over. */
const enough = new Fault("waited", "the time of a wait is over");

/** Waits until something has woken the loop, but not longer than `ms`; rejects with the signal's reason when aborted. */
export async function wokenWithin(
  clock: Clock,
  wake: Wake,
  ms: number | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (ms === undefined) return await wake.next(signal);
  await within(clock, ms, signal, async (limit) => await wake.next(limit));
}

/**
 * Does something for a limited time: `work` gets a signal that is aborted when the time is over. Resolves to whether it came to
 * its end; rejects with what it rejects with, and with the signal's reason.
 */
export async function within(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  work: (limit: AbortSignal) => Promise<void>,
): Promise<boolean> {
  const over = new AbortController();
  const limit = AbortSignal.any([signal, over.signal]);
  clock.sleep(ms, limit).then(
    () => over.abort(enough),
    () => undefined,
  );
  try {
    await work(limit);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    if (!limit.aborted) throw error;
    return false;
  } finally {
    over.abort(enough);
  }
}
