import { orAborted } from "../lib/aborted.ts";
import type { Env } from "../lib/env.ts";
import { type Kept, KeptWhileUsed } from "../lib/kept-while-used.ts";
import { Wake } from "../lib/wake.ts";
import { type Mirror, openMirror } from "../store/mirror.ts";
import { exactly, under } from "../store/range.ts";
import type { Change, Revision, Store } from "../store/store.ts";
import {
  type Cursor,
  decodeEvents,
  type EventFilter,
  type EventsAt,
  eventsPrefix,
  type FleetEvent,
  forgottenKey,
  fromTheStart,
  inOrder,
  isAfter,
  passes,
} from "./events.ts";

/** The events after a cursor. */
export interface EventPage {
  readonly events: readonly FleetEvent[];
  /** Ask for what comes after this next; it stands behind everything that was looked at, whatever the filter. */
  readonly cursor: Cursor;
  /** True when events after the cursor may have been forgotten meanwhile. */
  readonly gap: boolean;
}

interface Open extends Kept {
  readonly mirror: Mirror;
  /** By key. */
  readonly records: Map<string, EventsAt>;
  /** What the store itself said its revision was; the mirror's is that of the last event it saw. */
  committed: Revision;
}

/**
 * The history of the cluster for readers of one daemon. Follows the store only while somebody reads, and a little longer.
 */
export class EventFeed {
  readonly #env: Env;
  readonly #store: Store;
  readonly #waiting = new Set<Wake>();
  readonly #kept: KeptWhileUsed<Open>;
  #sorted: readonly FleetEvent[] | undefined;

  /** @param idleMs how long the history is followed after the last reader has gone */
  constructor(env: Env, store: Store, idleMs: number) {
    this.#env = env;
    this.#store = store;
    this.#kept = new KeptWhileUsed(env.clock, idleMs, () => this.#start());
  }

  /**
   * Begins to read; resolves with the function that ends it once the history is there. Rejects with the signal's reason.
   * @param after where the reader goes on; another daemon may have given it, and be further than this one
   */
  async hold(signal: AbortSignal, after: Cursor = fromTheStart): Promise<() => void> {
    const { resource, release } = await this.#kept.hold(signal);
    if (after.revision <= knownTo(resource)) return release;
    try {
      const { revision } = await orAborted(this.#store.read(exactly(forgottenKey)), signal);
      resource.committed = revision;
      return release;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** What is there after a cursor, at once; only between `hold` and its end. */
  page(after: Cursor, filter: EventFilter): EventPage {
    const open = this.#kept.current;
    this.#sorted ??= inOrder([...(open?.records.values() ?? [])]);
    const forgotten = open?.mirror.entries.get(forgottenKey);
    const known = open === undefined ? 0 : knownTo(open);
    // A cursor from a time before a migration means nothing here: everything there is comes after it.
    const start = after.revision > known ? { revision: 0, number: 0 } : after;
    const later = this.#sorted.slice(firstAfter(this.#sorted, start));
    return {
      events: later.filter((event) => passes(event, filter)),
      cursor: { revision: Math.max(known, start.revision), number: 999_999 },
      gap: after.revision > 0 && (start !== after || after.revision < Number(forgotten?.value ?? 0)),
    };
  }

  /** As `page`, but waits until there is something; gives an empty page once the signal is aborted. */
  async next(after: Cursor, filter: EventFilter, signal: AbortSignal): Promise<EventPage> {
    const wake = new Wake();
    this.#waiting.add(wake);
    let from = after;
    try {
      for (;;) {
        const page = this.page(from, filter);
        if (page.events.length > 0 || page.gap || signal.aborted) return page;
        from = page.cursor;
        await wake.next(signal).catch((error: unknown) => {
          if (!signal.aborted) throw error;
        });
      }
    } finally {
      this.#waiting.delete(wake);
    }
  }

  /** Ends all reading. */
  close(): void {
    this.#kept.close();
  }

  #start(): Open {
    const stop = new AbortController();
    const records = new Map<string, EventsAt>();
    this.#sorted = undefined;
    const mirror = openMirror(this.#env, this.#store, under(eventsPrefix), stop.signal);
    const open: Open = {
      mirror,
      records,
      committed: 0,
      ready: mirror.ready,
      close: () => stop.abort(new Error("not in use")),
    };
    mirror.subscribe((changes, fresh) => {
      // Maybe from another store, which counts its own revisions.
      if (fresh) open.committed = 0;
      for (const change of changes) note(records, change);
      this.#sorted = undefined;
      for (const wake of this.#waiting) wake.wake();
    });
    return open;
  }
}

/** The greatest revision that the store is known to have reached. */
function knownTo({ mirror, committed }: Open): Revision {
  return Math.max(mirror.revision, committed);
}

/** Where those begin that come after a cursor, found by halves: every event that is told asks for each reader. */
function firstAfter(sorted: readonly FleetEvent[], cursor: Cursor): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (isAfter(sorted[middle]?.id ?? "", cursor)) to = middle;
    else from = middle + 1;
  }
  return from;
}

function note(records: Map<string, EventsAt>, change: Change): void {
  if (change.kind === "delete") {
    records.delete(change.key);
    return;
  }
  if (change.entry.key === forgottenKey) return;
  const record = decodeEvents(change.entry);
  if (record !== undefined) records.set(change.entry.key, record);
}
