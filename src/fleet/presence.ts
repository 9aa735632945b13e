import { pauseMs } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { Fault, isFault, sentenceOf } from "../lib/fault.ts";
import type { Wake } from "../lib/wake.ts";
import { exactly } from "../store/range.ts";
import type { LeaseId, Snapshot, Store } from "../store/store.ts";
import type { EventNote, EventWriter } from "./events.ts";
import { renewalPauseMs } from "./lease-life.ts";
import type { Machine, MachineId } from "./model.ts";
import { decodeFleetEntry, encodePresence, type PresenceRecord } from "./records.ts";
import { fleetKeys } from "./registry.ts";

/** What a machine says of itself when it joins. */
export interface MachineFacts extends Machine {
  /** /proc/sys/kernel/random/boot_id: tells a restarted daemon from a rebooted machine. */
  readonly bootId: string;
  /** Where other machines reach its fleet API. */
  readonly api?: string;
}

export interface PresenceOptions {
  readonly store: Store;
  /** What the machine says of itself now; asked again whenever `refresh` wakes. */
  readonly facts: () => MachineFacts;
  /** Wakes when `facts` gives something else than before. */
  readonly refresh: Wake;
  /** How long the machine's lease lives after its last renewal (`leaseLifeMs` of the setting `agent_ttl`). */
  readonly ttlMs: number;
  /** Called with the lease when the machine becomes present, and with undefined when its lease is gone. */
  readonly changed: (lease: LeaseId | undefined) => void;
  /** Called after each renewal with the moment it was sent, on the monotonic clock; the lease lasts from then at least. */
  readonly renewed?: (sentAtMs: number) => void;
  /** Writes down that the machine joins, or says something else of itself; without it nothing is written down. */
  readonly events?: EventWriter;
}

const shortestPauseMs = 100;

/** The sentence of fleet v1.0.0, which people and programs look for in the journal, and what is different here. */
const overdue =
  "Server monitor triggered: Monitor timed out before successful heartbeat; nothing is restarted, and units stay as they are";

/**
 * Keeps one machine present: one lease, and on it the machine's record, its unit states and, if it leads, the engine's
 * lock. Loses nothing by being restarted: a daemon of the same boot goes on with the lease it finds.
 * Never gives up while the signal is not aborted; leaving is `leaveCluster`.
 */
export async function keepPresence(env: Env, options: PresenceOptions, signal: AbortSignal): Promise<void> {
  const { store, ttlMs, changed } = options;
  const backoff = { firstMs: shortestPauseMs, mostMs: ttlMs / 4 };
  let lease: LeaseId | undefined;
  let failures = 0;
  /** When the machine was present last; undefined before it was, and once it has been told that a renewal is overdue. */
  let presentAtMs: number | undefined;
  while (!signal.aborted) {
    try {
      if (lease === undefined) {
        lease = await join(env, options, signal);
        changed(lease);
      } else {
        const sentAtMs = env.clock.monotonic();
        await store.renewLease(lease);
        options.renewed?.(sentAtMs);
      }
      failures = 0;
      presentAtMs = env.clock.monotonic();
      if (await refreshedWithin(env, options.refresh, renewalPauseMs(ttlMs), signal))
        await join(env, options, signal, lease);
    } catch (error) {
      if (signal.aborted) return;
      if (isFault(error, "store-lease-gone")) {
        env.log.warning("this machine's presence has lapsed; joining again");
        lease = undefined;
        changed(undefined);
        continue;
      }
      failures += 1;
      if (presentAtMs !== undefined && env.clock.monotonic() - presentAtMs >= ttlMs) {
        presentAtMs = undefined;
        env.log.warning(overdue);
      }
      env.log.warning(`cannot renew this machine's presence: ${sentenceOf(error)}; trying again`);
      await env.clock.sleep(pauseMs(backoff, failures, env.random()), signal).catch(() => undefined);
    }
  }
}

/**
 * Leaves at once, when the machine's units have stopped: says so in its record, which tells a departure from a lease that
 * lapsed; then everything on the lease vanishes in one revision, and the engine places the units elsewhere.
 */
export async function leaveCluster(store: Store, machine: MachineId, lease: LeaseId): Promise<void> {
  const key = fleetKeys.machine(machine);
  const entry = (await store.read(exactly(key))).entries[0];
  const record = entry && decodeFleetEntry(entry);
  if (entry !== undefined && record?.family === "machine" && record.machine.lease === lease) {
    const value = encodePresence({ ...record.machine, leaving: true });
    await store.commit({
      when: [{ key, modRevision: entry.modRevision }],
      then: [{ do: "put", key, value, lease }],
    });
  }
  await store.revokeLease(lease);
}

/** Waits; true when woken before the time is over. */
async function refreshedWithin(env: Env, refresh: Wake, ms: number, signal: AbortSignal): Promise<boolean> {
  const enough = new AbortController();
  const either = AbortSignal.any([signal, enough.signal]);
  try {
    return await Promise.race([
      env.clock.sleep(ms, either).then(() => false),
      refresh.next(either).then(() => true),
    ]);
  } finally {
    enough.abort(isOver);
  }
}

/** Why a wait ends that the other wait has overtaken. */
const isOver = new Fault("over", "the wait is over");

/** @param own this daemon's lease, when it is present and has something else to say of its machine */
async function join(
  env: Env,
  options: PresenceOptions,
  signal: AbortSignal,
  own?: LeaseId,
): Promise<LeaseId> {
  const { store, ttlMs } = options;
  const facts = options.facts();
  const key = fleetKeys.machine(facts.id);
  for (;;) {
    const snapshot = await store.read(exactly(key));
    const entry = snapshot.entries[0];
    const sentAtMs = env.clock.monotonic();
    if (entry === undefined) {
      const { id } = await store.grantLease(ttlMs);
      if (await publish(options, facts, id, 0, { kind: "machine.joined", ...told(facts) })) {
        options.renewed?.(sentAtMs);
        env.log.info("joined the cluster", { machine: facts.id, lease: id });
        return id;
      }
      await store.revokeLease(id);
      continue;
    }
    const record = decodeFleetEntry(entry);
    const earlier = record?.family === "machine" ? record.machine : undefined;
    if (earlier?.bootId === facts.bootId) {
      // Of a store that was copied, the record hangs on another lease than its text says.
      const lease = await adopt(env, store, entry.lease ?? earlier.lease, ttlMs, own);
      const note = changeOf(earlier, facts);
      if (await publish(options, facts, lease, entry.modRevision, note)) {
        options.renewed?.(sentAtMs);
        return lease;
      }
      continue;
    }
    env.log.warning(
      `another boot of machine ${facts.id} is still present; waiting until its presence lapses. ` +
        "If it never does, two machines have the same /etc/machine-id.",
      { address: earlier?.address },
    );
    await untilGone(store, key, snapshot, signal);
  }
}

/**
 * Goes on with the lease of a daemon of the same boot, so that the states it published stay. With another time to live than
 * before a new lease is taken; the states move over to it, and the old one lapses by itself.
 */
async function adopt(
  env: Env,
  store: Store,
  earlier: LeaseId,
  ttlMs: number,
  own: LeaseId | undefined,
): Promise<LeaseId> {
  const lease = await store.renewLease(earlier);
  if (lease.id === own) return own;
  if (Math.ceil(lease.ttlMs / 1000) === Math.ceil(ttlMs / 1000)) {
    env.log.info("went on with the presence of an earlier daemon of this boot", { lease: lease.id });
    return lease.id;
  }
  const { id } = await store.grantLease(ttlMs);
  env.log.info("went on with the presence of an earlier daemon of this boot, with a new time to live", {
    lease: id,
  });
  return id;
}

async function publish(
  { store, events }: PresenceOptions,
  facts: MachineFacts,
  lease: LeaseId,
  seen: number,
  note: EventNote | undefined,
): Promise<boolean> {
  const key = fleetKeys.machine(facts.id);
  const written = events === undefined || note === undefined ? [] : [events.operation([note])];
  const outcome = await store.commit({
    when: [{ key, modRevision: seen }],
    then: [{ do: "put", key, value: encodePresence({ ...facts, lease }), lease }, ...written],
  });
  return outcome.committed;
}

/** The event of a machine that says something else of itself than before; undefined when it says the same. */
function changeOf(earlier: PresenceRecord, facts: MachineFacts): EventNote | undefined {
  const same =
    earlier.address === facts.address &&
    earlier.version === facts.version &&
    JSON.stringify(earlier.metadata) === JSON.stringify(facts.metadata);
  return same ? undefined : { kind: "machine.changed", ...told(facts) };
}

function told({ id, address, version, metadata }: MachineFacts): Omit<EventNote, "kind"> {
  return {
    machine: id,
    metadata,
    because: `address ${address === "" ? "unknown" : address}, version ${version}`,
  };
}

async function untilGone(
  store: Store,
  key: string,
  { revision, storeId }: Snapshot,
  signal: AbortSignal,
): Promise<void> {
  for await (const batch of store.watch(exactly(key), revision, signal, storeId)) {
    if (batch.changes.some((change) => change.kind === "delete")) return;
  }
}
