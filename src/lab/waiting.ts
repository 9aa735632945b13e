import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../lib/fault.ts";

/**
 * Waits until `done` says so, for what the kernel and other programs do not announce.
 * @param awaited what is waited for, as the message says it when the limit is reached
 * Throws Fault `wait-too-long` after `limitMs`, and the signal's reason when aborted.
 */
export async function waitUntil(
  done: () => Promise<boolean>,
  limitMs: number,
  awaited: string,
  signal?: AbortSignal,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await done())) {
    signal?.throwIfAborted();
    if (performance.now() > end) {
      throw new Fault(
        "wait-too-long",
        `Waited ${Math.round(limitMs / 1000)} s in vain for this: ${awaited}.`,
      );
    }
    await sleep(lookAgainMs);
  }
}

const lookAgainMs = 20;

/** Milliseconds since some moment; only differences mean something. */
export function stopwatch(): () => number {
  const start = performance.now();
  return () => performance.now() - start;
}
