import { pauseMs, type Backoff } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { isFault, sentenceOf } from "../lib/fault.ts";
import { Wake } from "../lib/wake.ts";
import { exactly } from "../store/range.ts";
import type { LeaseId, Store } from "../store/store.ts";
import { isKeysError } from "./errors.ts";
import type { Keyspace } from "./keyspace.ts";
import { expiryKey } from "./records.ts";
import type { View } from "./view.ts";

/** How long after the death of the gateway that expires nodes another one takes over, at most. */
const leaseTtlMs = 5_000;
/** Half of it: a lease that is lost by one late renewal costs nothing but the change to another gateway. */
const renewEveryMs = leaseTtlMs / 2;

const retryBackoff: Backoff = { firstMs: 250, mostMs: 5_000 };

/**
 * Deletes nodes whose time has come, the earliest first, one event each, as long as this gateway holds the lease for
 * it; and takes the lease when nobody holds it. The lease only saves double work: a node goes only if it still has the
 * deadline that was seen. Ends when the signal is aborted, and never rejects.
 */
export async function runExpiry(
  env: Env,
  store: Store,
  view: View,
  keyspace: Pick<Keyspace, "write">,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const wake = new Wake();
  const unsubscribe = view.subscribe(wake.wake);
  let held: Held | undefined;
  let failures = 0;
  while (!signal.aborted) {
    try {
      await view.mirror.ready;
      if (view.expiryHolder === undefined) {
        held?.lost.abort();
        held = await takeLease(store, view, name, signal);
        if (held !== undefined) void renew(env, store, held, signal);
      } else if (view.expiryHolder !== name) {
        await wake.next(signal);
      } else if (!(await expireNext(env, view, keyspace, signal))) {
        await nextDeadline(env, view, wake, signal);
      }
      failures = 0;
    } catch (error) {
      if (signal.aborted) break;
      failures++;
      if (failures === 2)
        env.log.warning("Cannot expire keys, trying again until it works.", { why: sentenceOf(error) });
      await env.clock.sleep(pauseMs(retryBackoff, failures, env.random()), signal).catch(() => undefined);
    }
  }
  unsubscribe();
  // Another gateway need not wait for the lease to run out; if this fails it does.
  if (held !== undefined) await store.revokeLease(held.lease).catch(() => undefined);
}

interface Held {
  readonly lease: LeaseId;
  /** Aborted when the lease is of no use any more. */
  readonly lost: AbortController;
}

/** Resolves when the view shows who holds the lease; undefined when another gateway was faster. */
async function takeLease(
  store: Store,
  view: View,
  name: string,
  signal: AbortSignal,
): Promise<Held | undefined> {
  const { id } = await store.grantLease(leaseTtlMs);
  try {
    const outcome = await store.commit({
      when: [{ key: expiryKey, modRevision: 0 }],
      then: [{ do: "put", key: expiryKey, value: name, lease: id }],
      otherwise: [exactly(expiryKey)],
    });
    const shown = outcome.committed ? outcome.revision : outcome.seen[0]?.[0]?.modRevision;
    await view.mirror.reached(shown ?? 0, signal);
    if (outcome.committed) return { lease: id, lost: new AbortController() };
  } catch (error) {
    // The outcome may be unknown; without its lease the key is gone either way.
    await store.revokeLease(id).catch(() => undefined);
    signal.throwIfAborted();
    throw error;
  }
  await store.revokeLease(id);
  return undefined;
}

/** Keeps a lease until it is lost; then the mirror shows that its key is gone. Never rejects. */
async function renew(env: Env, store: Store, held: Held, signal: AbortSignal): Promise<void> {
  const either = AbortSignal.any([signal, held.lost.signal]);
  for (;;) {
    try {
      await env.clock.sleep(renewEveryMs, either);
      await store.renewLease(held.lease);
    } catch (error) {
      if (either.aborted || isFault(error, "store-lease-gone", "store-closed")) return;
      env.log.debug("Cannot renew the lease for expiring keys, trying again.", { why: sentenceOf(error) });
    }
  }
}

/** Deletes the earliest node if it is due; false when there was none. Throws when the store could not do it. */
async function expireNext(
  env: Env,
  view: View,
  keyspace: Pick<Keyspace, "write">,
  signal: AbortSignal,
): Promise<boolean> {
  const node = view.nextToExpire;
  if (node?.deadlineMs === undefined || node.deadlineMs > env.clock.now()) return false;
  const { path, deadlineMs } = node;
  const answer = await keyspace.write({ do: "expire", path, deadlineMs }, signal);
  // 100 and 104: somebody removed or changed it in the meantime.
  if (isKeysError(answer) && answer.errorCode === 300) throw new Error(answer.cause);
  return true;
}

/** Waits until the earliest deadline, or until something changed. */
async function nextDeadline(env: Env, view: View, wake: Wake, signal: AbortSignal): Promise<void> {
  const deadlineMs = view.nextToExpire?.deadlineMs;
  if (deadlineMs === undefined) return wake.next(signal);
  const enough = new AbortController();
  const either = AbortSignal.any([signal, enough.signal]);
  const due = env.clock.sleep(deadlineMs - env.clock.now(), either);
  const woken = wake.next(either);
  try {
    await Promise.race([due, woken]);
  } finally {
    enough.abort();
    await Promise.allSettled([due, woken]);
  }
}
