import { pauseMs } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { isFault, sentenceOf } from "../lib/fault.ts";
import { Wake } from "../lib/wake.ts";
import { type Mirror, openMirror } from "../store/mirror.ts";
import { exactly } from "../store/range.ts";
import type { Operation, Revision, Store } from "../store/store.ts";
import {
  decodeEvents,
  type EventNote,
  type EventsAt,
  eventRecords,
  type EventWriter,
  forgottenKey,
} from "./events.ts";
import type { MachineId } from "./model.ts";
import { parseFleetKey } from "./records.ts";
import { fleetKeys } from "./registry.ts";

/** Events that are kept at least, and how many more gather before the oldest are deleted together. */
export const keptEvents = 2000;
const slackEvents = 500;
/** Records deleted in one transaction, which writes down up to where as well; the rest of the last revision comes on top. */
const mostDeletions = 60;

const retry = { firstMs: 1000, mostMs: 60_000 };

/** What to delete so that about `keptEvents` remain: whole revisions, oldest first. */
export interface Forgetting {
  readonly keys: readonly string[];
  /** The last revision of which something goes; 0 when nothing does. */
  readonly upTo: Revision;
}

/** Picks the records that go, when there are more events than should be kept with what may gather. */
export function whatToForget(records: readonly EventsAt[]): Forgetting {
  let left = 0;
  for (const { record } of records) left += record.events.length;
  if (left <= keptEvents + slackEvents) return { keys: [], upTo: 0 };
  const oldest = records.toSorted((a, b) => a.revision - b.revision);
  const keys: string[] = [];
  let upTo: Revision = 0;
  for (const { key, revision, record } of oldest) {
    if (revision !== upTo && (left <= keptEvents || keys.length >= mostDeletions)) break;
    keys.push(key);
    upTo = revision;
    left -= record.events.length;
  }
  return { keys, upTo };
}

export interface EventKeeperOptions {
  readonly store: Store;
  readonly me: MachineId;
  readonly events: EventWriter;
  /** A mirror of `engine/` to `machines/`: who leads and who is present. */
  readonly members: Mirror;
}

/**
 * Writes down which machines have gone, which nobody else can, and deletes the oldest events. Every machine runs this, and
 * only the one whose engine leads acts. Losing a part of it does no harm but to the history.
 */
export async function keepEvents(env: Env, options: EventKeeperOptions, signal: AbortSignal): Promise<void> {
  const { members, me, store, events } = options;
  const wake = new Wake();
  /** Machines that went while nobody led, which the next leader writes down. */
  const gone = new Set<MachineId>();
  const end = members.subscribe((changes, fresh) => {
    // What is missing after an outage may have gone long ago, and has been written down by whoever saw it.
    for (const change of fresh ? [] : changes) {
      const key = parseFleetKey(change.kind === "put" ? change.entry.key : change.key);
      if (key?.family !== "machine") continue;
      if (change.kind === "delete") gone.add(key.machine);
      else gone.delete(key.machine);
    }
    wake.wake();
  });
  let trimming: { readonly stop: AbortController; readonly done: Promise<void> } | undefined;
  try {
    for (;;) {
      const leader = members.entries.get(fleetKeys.leader)?.value;
      if (leader === me) {
        const notes = [...gone].map((machine): EventNote => ({ kind: "machine.left", machine }));
        if (notes.length > 0)
          await unlessAway(env, async () => {
            await store.commit({ when: [], then: [events.operation(notes)] });
          });
      }
      if (leader !== undefined) gone.clear();
      if (leader === me && trimming === undefined) {
        const stop = new AbortController();
        trimming = { stop, done: trim(env, store, AbortSignal.any([signal, stop.signal])) };
      } else if (leader !== me && trimming !== undefined) {
        trimming.stop.abort(new Error("another machine leads"));
        trimming = undefined;
      }
      await wake.next(signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    end();
    trimming?.stop.abort(new Error("ended"));
    await trimming?.done;
  }
}

/** Deletes the oldest events whenever there are too many, until the signal is aborted. */
async function trim(env: Env, store: Store, signal: AbortSignal): Promise<void> {
  const wake = new Wake();
  const records = new Map<string, EventsAt>();
  const mirror = openMirror(env, store, eventRecords, signal);
  mirror.subscribe((changes) => {
    for (const change of changes) {
      const record = change.kind === "put" ? decodeEvents(change.entry) : undefined;
      const key = change.kind === "put" ? change.entry.key : change.key;
      if (record === undefined) records.delete(key);
      else records.set(key, record);
    }
    wake.wake();
  });
  let failures = 0;
  try {
    for (;;) {
      await wake.next(signal);
      const { keys, upTo } = whatToForget([...records.values()]);
      if (keys.length === 0) continue;
      const then: Operation[] = keys.map((key) => ({ do: "delete", range: exactly(key) }));
      then.push({ do: "put", key: forgottenKey, value: String(upTo) });
      const done = await unlessAway(env, async () => {
        await store.commit({ when: [], then });
      });
      failures = done ? 0 : failures + 1;
      if (!done) await env.clock.sleep(pauseMs(retry, failures, env.random()), signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Does something in the store; false, and a line in the log, when that is away. */
async function unlessAway(env: Env, act: () => Promise<void>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (!isFault(error)) throw error;
    env.log.debug(`cannot keep the history of events: ${sentenceOf(error)}`);
    return false;
  }
}
