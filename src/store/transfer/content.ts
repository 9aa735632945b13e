import { Fault, isFault } from "../../lib/fault.ts";
import { exactly, under } from "../range.ts";
import type { Entry, KeyRange, LeaseId, Operation, Revision, Store } from "../store.ts";
import { newChecksum } from "./checksum.ts";

/** Everything that Argosy keeps in a store. */
export const carriedRange: KeyRange = under("/argosy/");

/** Stands in a store while it is being filled, so that one that was left half full is known as such. */
const markerKey = "/argosy/transfer";

/** Entries that are read at once. */
const entriesAtOnce = 500;
/** Operations and UTF-16 units of one transaction, well below what etcd takes. */
const mostOperations = 100;
const mostUnits = 256 * 1024;
/** Transactions under way at once. */
const mostAtOnce = 8;

/** What is carried from one store to another: keys and values; revisions are the store's own. */
export interface Content {
  /** What it was at. */
  readonly revision: Revision;
  /** In key order, without what hangs on a lease. */
  readonly lasting: readonly Entry[];
  /** What hangs on leases: signs of life of machines and daemons. */
  readonly leased: readonly Entry[];
}

/** What two stores that hold the same have in common. */
export interface Digest {
  readonly entries: number;
  /** Of keys and values, in UTF-16 units. */
  readonly size: number;
  /** SHA-256 of all keys and values in key order. */
  readonly checksum: string;
}

export type Progress = (done: number, total: number) => void;

/** Reads everything as it was at one revision. Throws Fault `store-half-full` when the store was left half full. */
export async function readContent(store: Store): Promise<Content> {
  const lasting: Entry[] = [];
  const leased: Entry[] = [];
  let revision: Revision | undefined;
  for (let range = carriedRange; ; ) {
    const at = revision === undefined ? {} : { atRevision: revision };
    const snapshot = await store.read(range, { limit: entriesAtOnce, ...at });
    revision ??= snapshot.revision;
    for (const entry of snapshot.entries) (entry.lease === undefined ? lasting : leased).push(entry);
    const last = snapshot.entries.at(-1);
    if (!snapshot.more || last === undefined) break;
    range = { ...range, from: `${last.key}\0` };
  }
  if (lasting.some(({ key }) => key === markerKey)) {
    throw new Fault(
      "store-half-full",
      "Cannot carry the store's data on, it was left half full when it was filled: fill it again with --replace.",
    );
  }
  return { revision, lasting, leased };
}

export function digestOf(entries: readonly Pick<Entry, "key" | "value">[]): Digest {
  const checksum = newChecksum();
  let size = 0;
  for (const { key, value } of entries) {
    checksum.add(`${key.length} ${value.length}\n${key}\n${value}\n`);
    size += key.length + value.length;
  }
  return { entries: entries.length, size, checksum: checksum.hex() };
}

/** Whether the store holds anything of Argosy's. */
export async function isEmpty(store: Store): Promise<boolean> {
  return (await store.read(carriedRange, { limit: 1 })).entries.length === 0;
}

/**
 * Fills a store. What stands directly below `/argosy/`, such as the name by which daemons know the store, comes last, so that
 * they take no store that is half full for the whole one; before that what stands directly in a folder there, such as the counter of
 * the v2 keys, so that who follows only this reads the rest when that is complete.
 * Throws Fault `store-not-empty` when there is something and `replace` is not given, and the store's own Faults.
 */
export async function writeContent(
  store: Store,
  entries: readonly Pick<Entry, "key" | "value" | "lease">[],
  { replace, progress }: { readonly replace: boolean; readonly progress: Progress },
): Promise<void> {
  if (!replace && !(await isEmpty(store))) throw notEmpty();
  const began = await store.commit({
    when: replace ? [] : [{ key: markerKey, modRevision: 0 }],
    then: [{ do: "put", key: markerKey, value: "under way" }],
  });
  if (!began.committed) throw notEmpty();
  await clear(store);
  let done = 0;
  for (const level of [
    entries.filter(({ key }) => levelOf(key) >= 2),
    entries.filter(({ key }) => levelOf(key) === 1),
  ]) {
    await commitAll(
      store,
      groupsOf(level).map((group) => group.map(putOf)),
      (operations) => {
        done += operations;
        progress(done, entries.length);
      },
    );
  }
  const last = entries.filter(({ key }) => levelOf(key) === 0);
  await store.commit({
    when: [],
    then: [...last.map(putOf), { do: "delete", range: exactly(markerKey) }],
  });
  progress(entries.length, entries.length);
}

/** Puts entries and deletes keys, in a few transactions at once, in the order of `writeContent`; a key must not be in both. */
export async function writeDifference(
  store: Store,
  puts: readonly Pick<Entry, "key" | "value" | "lease">[],
  gone: readonly string[],
): Promise<void> {
  const deletions = groupsOf(gone.map((key) => ({ key, value: "" }))).map((group) =>
    group.map(({ key }): Operation => ({ do: "delete", range: exactly(key) })),
  );
  const [first, last] = [
    puts.filter(({ key }) => levelOf(key) >= 2),
    puts.filter(({ key }) => levelOf(key) < 2),
  ];
  await commitAll(store, [...groupsOf(first).map((group) => group.map(putOf)), ...deletions]);
  await commitAll(
    store,
    groupsOf(last).map((group) => group.map(putOf)),
  );
}

/** Commits transactions, a few at once, in no order. */
async function commitAll(
  store: Store,
  transactions: readonly (readonly Operation[])[],
  committed: (operations: number) => void = () => undefined,
): Promise<void> {
  const waiting = [...transactions];
  const write = async (): Promise<void> => {
    for (let then = waiting.pop(); then !== undefined; then = waiting.pop()) {
      await store.commit({ when: [], then });
      committed(then.length);
    }
  };
  await Promise.all(Array.from({ length: mostAtOnce }, write));
}

/** Everything but the marker. */
async function clear(store: Store): Promise<void> {
  const { from, to = "" } = carriedRange;
  await store.commit({
    when: [],
    then: [
      { do: "delete", range: { from, to: markerKey } },
      { do: "delete", range: { from: `${markerKey}\0`, to } },
    ],
  });
}

/**
 * New leases in `to` for those of `from` that are alive, each for its whole time to live: a holder that finds its lease gone takes
 * another one and moves its keys to it, and until then nobody takes it for dead. The leases of `from` are renewed by it.
 */
export async function carryLeases(
  from: Store,
  to: Store,
  leased: readonly Entry[],
): Promise<readonly Entry[]> {
  const fresh = new Map<LeaseId, LeaseId | undefined>();
  for (const { lease } of leased) {
    if (lease === undefined || fresh.has(lease)) continue;
    const ttlMs = await timeToLive(from, lease);
    fresh.set(lease, ttlMs === undefined ? undefined : (await to.grantLease(ttlMs)).id);
  }
  return leased.flatMap((entry) => {
    const lease = fresh.get(entry.lease ?? "");
    return lease === undefined ? [] : [{ ...entry, lease }];
  });
}

async function timeToLive(store: Store, lease: LeaseId): Promise<number | undefined> {
  try {
    return (await store.renewLease(lease)).ttlMs;
  } catch (error) {
    if (isFault(error, "store-lease-gone")) return undefined;
    throw error;
  }
}

/** How many folders of `/argosy/` a key lies in. */
function levelOf(key: string): number {
  return key.slice(carriedRange.from.length).split("/").length - 1;
}

function putOf({ key, value, lease }: Pick<Entry, "key" | "value" | "lease">): Operation {
  return { do: "put", key, value, ...(lease === undefined ? {} : { lease }) };
}

/** Groups that each fit into one transaction. */
function groupsOf<One extends Pick<Entry, "key" | "value">>(entries: readonly One[]): One[][] {
  const groups: One[][] = [];
  let group: One[] = [];
  let units = 0;
  for (const entry of entries) {
    const size = entry.key.length + entry.value.length;
    if (group.length > 0 && (group.length === mostOperations || units + size > mostUnits)) {
      groups.push(group);
      group = [];
      units = 0;
    }
    group.push(entry);
    units += size;
  }
  if (group.length > 0) groups.push(group);
  return groups;
}

/** What is refused without `replace`. */
export function notEmpty(): Fault {
  return new Fault(
    "store-not-empty",
    "Cannot fill the store, it holds data of Argosy already: give --replace to delete that first.",
  );
}
