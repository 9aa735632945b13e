import type { Clock } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import type { Revision } from "../store/store.ts";
import type { Registry } from "./registry.ts";

/** How long a request waits for the first view of the registry. */
const holdLimitMs = 5000;
/** How long the answer to a write waits for the local view to show the write. */
const reachedLimitMs = 5000;

/** What a wait needs: the view that it waits for, and time. */
export interface Waiting {
  readonly registry: Registry;
  readonly clock: Clock;
}

/** Waits until the local view shows a write, so that a client can read what it wrote; not for ever. */
export async function shown(server: Waiting, revision: Revision, signal: AbortSignal): Promise<void> {
  await within(server.clock, reachedLimitMs, signal, async (limit) => {
    await server.registry.reached(revision, limit).catch((error: unknown) => {
      if (!limit.aborted) throw error;
    });
  });
}

/** Waits until the view has another revision of a unit than the one a write was based on; not for ever. */
export async function refreshed(
  server: Waiting,
  signal: AbortSignal,
  seen: Revision,
  name: string,
): Promise<void> {
  const { registry } = server;
  await within(server.clock, reachedLimitMs, signal, async (limit) => {
    const changed = Promise.withResolvers<void>();
    const check = (): void => {
      if ((registry.view().units.get(name)?.revision ?? 0) !== seen || limit.aborted) changed.resolve();
    };
    const unsubscribe = registry.subscribe(check);
    limit.addEventListener("abort", check, { once: true });
    check();
    await changed.promise.finally(unsubscribe);
  });
}

/**
 * Does something while the registry's view is kept up to date.
 * @param otherwise gives the answer when there is no view in time
 */
export async function whileHeld(
  hold: ((signal: AbortSignal) => Promise<() => void>) | undefined,
  clock: Clock,
  signal: AbortSignal,
  work: () => Promise<Response>,
  otherwise: () => Response,
): Promise<Response> {
  if (hold === undefined) return await work();
  let release: () => void;
  try {
    release = await within(clock, holdLimitMs, signal, hold);
  } catch {
    return otherwise();
  }
  try {
    return await work();
  } finally {
    release();
  }
}

/** Why the clock of a limit ends that was not reached; made once, because every request has one. */
const isFinished = new Fault("finished", "finished in time");

/** Does something with a signal that is aborted after a time, or together with `signal`. */
export async function within<Result>(
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
  work: (limit: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const limit = new AbortController();
  const finished = new AbortController();
  const abort = (): void => limit.abort(new Fault("too-late", `waited for ${limitMs / 1000} s`));
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  clock.sleep(limitMs, finished.signal).then(abort, () => {});
  try {
    return await work(limit.signal);
  } finally {
    signal.removeEventListener("abort", abort);
    finished.abort(isFinished);
  }
}
