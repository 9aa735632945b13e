import { storedText, textOfStored } from "./bytes.ts";
import { exactly, between, under } from "../store/range.ts";
import type { KeyRange, Operation } from "../store/store.ts";
import type { Access, Permissions, User } from "./access.ts";
import type { KeyNode, LoggedEvent } from "./model.ts";

/** Everything that the v2 keys keep in the store. */
export const keysRange: KeyRange = under("/argosy/keys/");

/**
 * All of it but the nodes, which every write changes: what becomes of them is told by the events of the same transaction. A gateway
 * that follows only this is sent each value once.
 */
export const followedRange: KeyRange = between("/argosy/keys/", "/argosy/keys/nodes");

/** The index of the last change. Every write compares it, which puts all writes in one order. */
export const counterKey = "/argosy/keys/counter";

/** The name of this set of keys, sent as X-Etcd-Cluster-Id; made by whichever gateway comes first. */
export const clusterKey = "/argosy/keys/cluster";

/** Hangs on the lease of the gateway that deletes what has expired; its value names that gateway. */
export const expiryKey = "/argosy/keys/expiry";

/** Users, roles, and whether they count; absent until the first of them is made. */
const accessKey = "/argosy/keys/access";

/** Identities of members of the store that were removed. */
export const removedMembersKey = "/argosy/keys/members-removed";
/** Where they were kept at first; it lies outside of what is followed. */
const firstRemovedMembersKey = "/argosy/keys/removed-members";
/** Identities that are kept; etcd keeps all of them for ever. */
const mostRemovedMembers = 1000;

/** A node's record is at this prefix and its path, so a subtree is one range. */
const nodesPrefix = "/argosy/keys/nodes";
const eventsPrefix = "/argosy/keys/events/";

/** How many events are kept for watches into the past (etcd v2 API: 1000). */
export const historyLength = 1000;

/** Older ones are deleted whenever the index passes a multiple of this: to look for them with every write costs more than they do. */
export const historyStep = 250;

/** What the text of a key of ours means. */
export type RecordName =
  | { readonly of: "node"; readonly path: string }
  /** The events of one transaction; `last` is the index of the last of them. */
  | { readonly of: "events"; readonly last: number }
  | { readonly of: "counter" | "cluster" | "expiry" | "access" | "removed-members" | "unknown" };

/** Tells what is stored at a key. */
export function recordName(key: string): RecordName {
  if (key.startsWith(`${nodesPrefix}/`))
    return { of: "node", path: textOfStored(key.slice(nodesPrefix.length)) };
  if (key.startsWith(eventsPrefix)) return { of: "events", last: Number(key.slice(eventsPrefix.length)) };
  if (key === counterKey) return { of: "counter" };
  if (key === clusterKey) return { of: "cluster" };
  if (key === accessKey) return { of: "access" };
  if (key === removedMembersKey || key === firstRemovedMembersKey) return { of: "removed-members" };
  return { of: key === expiryKey ? "expiry" : "unknown" };
}

/** What one or more changes that follow each other write. */
export interface Changes {
  /** In the order of their indices, which have no gaps. */
  readonly events: readonly LoggedEvent[];
  /** The events as JSON, where that was made already. */
  readonly texts?: readonly string[];
  /** One for each path. */
  readonly put: readonly KeyNode[];
  /** Paths to remove with everything below them; none is at or above a node that is put. */
  readonly remove: readonly string[];
}

/**
 * How many operations of the store changes are at most, whatever the number of their events; a transaction takes a limited
 * number.
 * @param put nodes that are put
 * @param remove paths that are removed
 */
export function operationCount(put: number, remove: number): number {
  return 3 + put + 2 * remove;
}

/** The store's operations for changes: the counter, the events in one record, the history's end and the nodes; none for no change. */
export function operationsOf(
  { events, texts = [], put, remove }: Changes,
  token?: string,
): readonly Operation[] {
  const [first] = events;
  const last = events.at(-1)?.index;
  if (first === undefined || last === undefined) return [];
  const operations: Operation[] = [{ do: "put", key: counterKey, value: counterRecord(last, token) }];
  operations.push({ do: "put", key: eventsKey(last), value: eventsRecord(events, texts) });
  const passesStep = Math.floor(last / historyStep) > Math.floor((first.index - 1) / historyStep);
  if (passesStep && last > historyLength) {
    const range = between(eventsKey(0), eventsKey(last - historyLength + 1));
    operations.push({ do: "delete", range });
  }
  for (const path of remove) {
    operations.push({ do: "delete", range: exactly(nodeKey(path)) });
    operations.push({ do: "delete", range: under(`${nodeKey(path)}/`) });
  }
  for (const node of put) {
    operations.push({ do: "put", key: nodeKey(node.path), value: nodeRecord(node) });
  }
  return operations;
}

/**
 * The record of the counter.
 * @param token names the transaction and no other one, so that the next can be sent before this one is known to be carried out
 */
export function counterRecord(last: number, token: string | undefined): string {
  return token === undefined ? String(last) : `${last} ${token}`;
}

/** A counter's number; throws when the text is none. */
export function readCounter(record: string): number {
  const [digits = ""] = record.split(" ", 1);
  const index = digits === "" ? Number.NaN : Number(digits);
  if (!Number.isSafeInteger(index) || index < 0) throw new SyntaxError(`"${record}" is not an index`);
  return index;
}

/** A node out of its record; throws when the text is none. */
export function readNode(path: string, record: string): KeyNode {
  const { v, c, m, d } = JSON.parse(record) as StoredNode;
  return { path, value: v, createdIndex: c, modifiedIndex: m, deadlineMs: d };
}

/** The events of one transaction out of their record; throws when the text is none. */
export function readEvents(last: number, record: string): readonly LoggedEvent[] {
  const stored = JSON.parse(record) as StoredEvent | readonly StoredEvent[];
  // Records of the first releases hold one event each.
  const all = Array.isArray(stored) ? (stored as readonly StoredEvent[]) : [stored as StoredEvent];
  return all.map(({ writer, silent = false, event }, at) => ({
    index: last - all.length + 1 + at,
    event,
    silent,
    writer,
  }));
}

/** Users and roles out of their record; throws when the text is none. */
export function readAccess(record: string): Access {
  const { enabled, users, roles } = JSON.parse(record) as StoredAccess;
  return {
    enabled,
    users: new Map(Object.entries(users)),
    roles: new Map(Object.entries(roles)),
    begun: true,
  };
}

/** Keeps users and roles. */
export function putAccess({ enabled, users, roles }: Access): Operation {
  const stored: StoredAccess = {
    enabled,
    users: Object.fromEntries(users),
    roles: Object.fromEntries(roles),
  };
  return { do: "put", key: accessKey, value: JSON.stringify(stored) };
}

/** Keeps who was removed from the members, the last ones. */
export function putRemovedMembers(identities: readonly string[]): Operation {
  const value = JSON.stringify(identities.slice(-mostRemovedMembers));
  return { do: "put", key: removedMembersKey, value };
}

/** Who was removed from the members; throws when the text is none. */
export function readRemovedMembers(record: string): readonly string[] {
  return JSON.parse(record) as readonly string[];
}

interface StoredAccess {
  readonly enabled: boolean;
  readonly users: Readonly<Record<string, User>>;
  readonly roles: Readonly<Record<string, Permissions>>;
}

/** Names are short, since there is one record for every node: value, created, modified, deadline. */
interface StoredNode {
  readonly v: string | undefined;
  readonly c: number;
  readonly m: number;
  readonly d: number | undefined;
}

interface StoredEvent {
  readonly writer: string;
  readonly silent?: boolean;
  readonly event: LoggedEvent["event"];
}

function nodeRecord(node: KeyNode): string {
  const stored: StoredNode = {
    v: node.value,
    c: node.createdIndex,
    m: node.modifiedIndex,
    d: node.deadlineMs,
  };
  return JSON.stringify(stored);
}

/** A list of `StoredEvent`; written piece by piece, since clients are sent the greater part of it as well. */
function eventsRecord(events: readonly LoggedEvent[], texts: readonly string[]): string {
  const stored = events.map(({ writer, silent, event }, at) => {
    const mark = silent ? '"silent":true,' : "";
    return `{"writer":${JSON.stringify(writer)},${mark}"event":${texts[at] ?? JSON.stringify(event)}}`;
  });
  return `[${stored.join()}]`;
}

/** Where a node's record is. */
export function nodeKey(path: string): string {
  return nodesPrefix + storedText(path);
}

function eventsKey(last: number): string {
  return eventsPrefix + String(last).padStart(20, "0");
}
