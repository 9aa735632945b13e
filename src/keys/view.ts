import type { Env } from "../lib/env.ts";
import { sentenceOf } from "../lib/fault.ts";
import type { Mirror } from "../store/mirror.ts";
import { OrderedMap } from "../store/ordered-map.ts";
import type { Change, Entry, Revision } from "../store/store.ts";
import { keyOf } from "../store/table.ts";
import { openAccess, type Access } from "./access.ts";
import { History, isRemoval } from "./history.ts";
import type { KeyNode, LoggedEvent } from "./model.ts";
import {
  clusterKey,
  counterKey,
  expiryKey,
  historyLength,
  nodeKey,
  readAccess,
  readCounter,
  readEvents,
  readNode,
  readRemovedMembers,
  recordName,
  type RecordName,
  removedMembersKey,
} from "./records.ts";
import { replayed } from "./replay.ts";
import { Tree } from "./tree.ts";
import { Watchers } from "./watchers.ts";

/**
 * The keys as this gateway knows them, kept in step with a mirror of `followedRange`; what becomes of the nodes is taken from the events,
 * and from their records only when everything is read.
 */
export class View {
  readonly mirror: Mirror;
  readonly tree = new Tree();
  readonly history = new History();
  readonly watchers = new Watchers();
  readonly #env: Env;
  readonly #listeners = new Set<() => void>();
  /** Nodes that expire, the earliest first; of two at once the one above. */
  readonly #deadlines = new OrderedMap<KeyNode>();
  /** What this gateway's transactions under way change, by the counter's record that each of them writes. */
  readonly #planned = new Map<string, PlannedChange>();
  #index = 0;
  #counterRevision = 0;
  #access: Access = openAccess;
  #removedMembers: readonly string[] = [];

  constructor(env: Env, mirror: Mirror) {
    this.#env = env;
    this.mirror = mirror;
    mirror.subscribe((changes, fresh, beside) => this.#follow(changes, fresh, beside));
  }

  /** Whether the keys were read once; what they show may be the past while the connection is broken. */
  get ready(): boolean {
    return this.mirror.revision > 0;
  }

  /** The index of the last change. */
  get index(): number {
    return this.#index;
  }

  /** The store's revision of the last change, 0 before the first; a write compares it. */
  get counterRevision(): number {
    return this.#counterRevision;
  }

  /** Undefined while no gateway has made one. */
  get clusterId(): string | undefined {
    return this.mirror.entries.get(clusterKey)?.value;
  }

  /** Users and roles, and whether they count. */
  get access(): Access {
    return this.#access;
  }

  /** Identities of members of the store that were removed. */
  get removedMembers(): readonly string[] {
    return this.#removedMembers;
  }

  /** The name of the gateway that deletes what has expired. */
  get expiryHolder(): string | undefined {
    return this.mirror.entries.get(expiryKey)?.value;
  }

  /** The node that expires next. */
  get nextToExpire(): KeyNode | undefined {
    const first = this.#deadlines.keys().next().value;
    return first === undefined ? undefined : this.#deadlines.get(first);
  }

  /**
   * Tells what a transaction of this gateway changes, so that it need not be read out of its records when the store shows them.
   * @param counter the record of the counter that it writes, and no other transaction does
   * @returns what forgets it again
   */
  expect(counter: string, planned: PlannedChange): () => void {
    this.#planned.set(counter, planned);
    return () => void this.#planned.delete(counter);
  }

  /** Calls `listener` after every change and when the connection breaks or heals. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #follow(changes: readonly Change[], fresh: boolean, beside: readonly Entry[]): void {
    if (fresh) this.#followWhole(changes, beside);
    else if (!byRevision(changes).every((revision) => this.#followRevision(revision)))
      this.mirror.readAgain();
    for (const listener of this.#listeners) listener();
  }

  /** Takes over what was read as a whole, all differences together: nodes that were made and removed since were never seen. */
  #followWhole(changes: readonly Change[], beside: readonly Entry[]): void {
    const named = changes.map((change): Named => ({ change, name: recordName(keyOf(change)) }));
    const records = named.map((one) => this.#eventsIn(one));
    const told = this.#tellLater(records.flat());
    for (const entry of beside) this.#applyBeside(entry);
    for (const one of named) this.#apply(one);
    this.#keepNodes(new Set(beside.map(({ key }) => key)));
    this.#finish(records, told);
  }

  /**
   * Takes over the changes of one revision, whose events find the nodes as they were just before. False, having done nothing, when the
   * events do not lead from the last index to that of the counter: somebody has filled the store with other keys.
   */
  #followRevision(changes: readonly Change[]): boolean {
    const named = changes.map((change): Named => ({ change, name: recordName(keyOf(change)) }));
    const planned = this.#plannedIn(changes);
    const records = planned === undefined ? named.map((one) => this.#eventsIn(one)) : [planned.events];
    const events = records.flat();
    const counter = named.find(({ name }) => name.of === "counter");
    if (!this.#leadTo(events, counter)) return false;
    const told = this.#tellLater(events);
    if (planned === undefined) for (const logged of events) this.#carryOut(replayed(this.tree, logged));
    else this.#carryOut(planned);
    for (const one of named) this.#apply(one);
    this.#finish(records, told);
    return true;
  }

  #leadTo(events: readonly LoggedEvent[], counter: Named | undefined): boolean {
    if (counter === undefined) return events.length === 0;
    const { change } = counter;
    const index =
      change.kind === "put" ? this.#read(counterKey, () => readCounter(change.entry.value)) : undefined;
    const isNext = events.every((logged, at) => logged.index === this.#index + 1 + at);
    return isNext && index === this.#index + events.length;
  }

  /** Events with the paths that they remove: what a directory held is known only until its nodes are taken out of the tree. */
  #tellLater(events: readonly LoggedEvent[]): Told {
    return {
      before: this.#index,
      events: events.map((logged) => ({ logged, removed: this.#removedBy(logged) })),
    };
  }

  #finish(records: readonly (readonly LoggedEvent[])[], { before, events }: Told): void {
    this.#counterRevision = this.mirror.entries.get(counterKey)?.modRevision ?? 0;
    for (const record of records) this.history.add(record);
    const [first] = events;
    // After an outage in which more happened than a history holds, or when the store was replaced, watches would miss events.
    const misses = first !== undefined && first.logged.index > before + 1;
    if (this.#index < before || (before > 0 && (misses || this.#index > before + historyLength))) {
      this.watchers.endAll();
    }
    for (const { logged, removed } of events) {
      if (!logged.silent) this.watchers.tell(logged.event, logged.index, removed);
    }
  }

  #eventsIn({ change, name }: Named): readonly LoggedEvent[] {
    if (change.kind === "delete" || name.of !== "events") return [];
    return this.#read(change.entry.key, () => readEvents(name.last, change.entry.value)) ?? [];
  }

  #removedBy(logged: LoggedEvent): readonly string[] {
    const { key } = logged.event.node;
    return key !== undefined && isRemoval(logged.event) ? this.tree.pathsWithin(key) : [];
  }

  /** What a transaction of this gateway was planned to change, if this revision is it. */
  #plannedIn(changes: readonly Change[]): PlannedChange | undefined {
    if (this.#planned.size === 0) return undefined;
    const counter = changes.find((change) => keyOf(change) === counterKey);
    return counter?.kind === "put" ? this.#planned.get(counter.entry.value) : undefined;
  }

  #carryOut({ put, remove }: { readonly put: Iterable<KeyNode>; readonly remove: readonly string[] }): void {
    for (const path of remove) {
      for (const removed of this.tree.pathsWithin(path)) this.#replace(removed, undefined);
    }
    for (const node of put) this.#replace(node.path, node);
  }

  #apply({ change, name }: Named): void {
    const key = keyOf(change);
    if (name.of === "events") {
      if (change.kind === "delete") this.history.forget(name.last);
    } else if (name.of === "counter") {
      const index = change.kind === "put" ? this.#read(key, () => readCounter(change.entry.value)) : 0;
      this.#index = index ?? this.#index;
    } else if (name.of === "access") {
      const access =
        change.kind === "put" ? this.#read(key, () => readAccess(change.entry.value)) : openAccess;
      this.#access = access ?? this.#access;
    } else if (name.of === "removed-members") {
      const removed =
        change.kind === "put" ? this.#read(key, () => readRemovedMembers(change.entry.value)) : [];
      this.#removedMembers = removed ?? this.#removedMembers;
    }
  }

  /** Takes over a record that is read, but not followed. */
  #applyBeside(entry: Entry): void {
    const name = recordName(entry.key);
    if (name.of === "node") {
      const node = this.#read(entry.key, () => readNode(name.path, entry.value));
      if (node !== undefined) this.#replace(name.path, node);
    } else if (name.of === "removed-members" && !this.mirror.entries.has(removedMembersKey)) {
      this.#apply({ change: { kind: "put", entry }, name });
    }
  }

  /** Takes out every node that has no record. */
  #keepNodes(records: ReadonlySet<string>): void {
    const gone = this.tree.pathsWithin("/").filter((path) => path !== "/" && !records.has(nodeKey(path)));
    for (const path of gone) this.#replace(path, undefined);
  }

  #replace(path: string, node: KeyNode | undefined): void {
    const before = this.tree.get(path);
    if (before?.deadlineMs !== undefined) this.#deadlines.delete(deadlineKey(before));
    if (node === undefined) this.tree.remove(path);
    else this.tree.put(node);
    if (node?.deadlineMs !== undefined) this.#deadlines.set(deadlineKey(node), node);
  }

  /** Passes over a record that is none of ours, such as one edited by hand. */
  #read<Content>(key: string, read: () => Content): Content | undefined {
    try {
      return read();
    } catch (error) {
      this.#env.log.error("A record of the v2 keys cannot be read and is passed over.", {
        key,
        why: sentenceOf(error),
      });
      return undefined;
    }
  }
}

/** What one transaction changes. */
export interface PlannedChange {
  /** The nodes that it puts, each directory before what lies in it. */
  readonly put: Iterable<KeyNode>;
  /** Paths that it removes with everything below them. */
  readonly remove: readonly string[];
  readonly events: readonly LoggedEvent[];
}

/** What is to be told to watchers once the nodes are changed. */
interface Told {
  /** The index before. */
  readonly before: number;
  readonly events: readonly { readonly logged: LoggedEvent; readonly removed: readonly string[] }[];
}

/** A change of a record, and which record that is. */
interface Named {
  readonly change: Change;
  readonly name: RecordName;
}

function byRevision(changes: readonly Change[]): readonly (readonly Change[])[] {
  const groups = new Map<Revision, Change[]>();
  for (const change of changes) {
    const revision = change.kind === "put" ? change.entry.modRevision : change.modRevision;
    const group = groups.get(revision);
    if (group === undefined) groups.set(revision, [change]);
    else group.push(change);
  }
  return Array.from(groups.values());
}

function deadlineKey(node: KeyNode): string {
  return String(node.deadlineMs).padStart(16, "0") + node.path;
}
