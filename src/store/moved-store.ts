import { assert } from "../lib/assert.ts";
import { under } from "./range.ts";
import type {
  Change,
  ChangeBatch,
  Compare,
  Entry,
  KeyRange,
  Operation,
  Store,
  Transaction,
} from "./store.ts";

/** Keys that are kept elsewhere than they are seen. Both end in a slash, for all keys below; or neither, for one key. */
export interface Place {
  readonly seen: string;
  readonly kept: string;
}

/**
 * A store whose keys are kept at other places than its user sees them, so that several can use the same keys in one store apart
 * from each other. Revisions, leases and compaction are those of the store itself.
 * A key outside of the places, or a range that is not within one, is a bug of the caller: it would be somebody else's.
 * @param places none lies within another
 */
export function movedStore(store: Store, places: readonly Place[]): Store {
  return {
    async read(range, options) {
      const snapshot = await store.read(keptRange(places, range), options);
      return { ...snapshot, entries: snapshot.entries.map((entry) => seenEntry(places, entry)) };
    },
    async commit(transaction) {
      const outcome = await store.commit(keptTransaction(places, transaction));
      if (outcome.committed) return outcome;
      const seen = outcome.seen.map((entries) => entries.map((entry) => seenEntry(places, entry)));
      return { ...outcome, seen };
    },
    watch: (range, after, signal, storeId) =>
      seenBatches(places, store.watch(keptRange(places, range), after, signal, storeId)),
    grantLease: (ttlMs) => store.grantLease(ttlMs),
    renewLease: (id) => store.renewLease(id),
    revokeLease: (id) => store.revokeLease(id),
    compact: (revision) => store.compact(revision),
    get term() {
      return store.term;
    },
    close: () => store.close(),
  };
}

function keptTransaction(places: readonly Place[], { when, then, otherwise }: Transaction): Transaction {
  const ranges = otherwise?.map((range) => keptRange(places, range));
  return {
    when: when.map((compare): Compare => ({ ...compare, key: keptKey(places, compare.key) })),
    then: then.map(
      (operation): Operation =>
        operation.do === "put"
          ? { ...operation, key: keptKey(places, operation.key) }
          : { ...operation, range: keptRange(places, operation.range) },
    ),
    ...(ranges === undefined ? {} : { otherwise: ranges }),
  };
}

function keptKey(places: readonly Place[], key: string): string {
  const { seen, kept } = placeOf(places, "seen", key);
  return kept + key.slice(seen.length);
}

function keptRange(places: readonly Place[], { from, to }: KeyRange): KeyRange {
  const place = placeOf(places, "seen", from);
  const first = keptKey([place], from);
  if (to === undefined) return { from: first };
  // The end of a whole place lies behind its last key.
  if (to === under(place.seen).to) return { ...under(place.kept), from: first };
  return { from: first, to: keptKey([place], to) };
}

function seenEntry(places: readonly Place[], entry: Entry): Entry {
  return { ...entry, key: seenKey(places, entry.key) };
}

function seenKey(places: readonly Place[], key: string): string {
  const { seen, kept } = placeOf(places, "kept", key);
  return seen + key.slice(kept.length);
}

async function* seenBatches(
  places: readonly Place[],
  batches: AsyncIterable<ChangeBatch>,
): AsyncGenerator<ChangeBatch, void> {
  for await (const { revision, changes } of batches) {
    yield { revision, changes: changes.map((change) => seenChange(places, change)) };
  }
}

function seenChange(places: readonly Place[], change: Change): Change {
  if (change.kind === "put") return { ...change, entry: seenEntry(places, change.entry) };
  return { ...change, key: seenKey(places, change.key) };
}

function placeOf(places: readonly Place[], side: "seen" | "kept", key: string): Place {
  const place = places.find((each) =>
    each[side].endsWith("/") ? key.startsWith(each[side]) : key === each[side],
  );
  assert(place !== undefined, `the key ${key} lies within a place of this store`);
  return place;
}
