import { instantOf } from "./deadline.ts";
import { isRemoval } from "./history.ts";
import type { KeyNode, LoggedEvent } from "./model.ts";
import { ancestorsOf } from "./paths.ts";
import type { NodesSeen } from "./tree.ts";

/** What a change did to the nodes. */
export interface Replayed {
  /** Directories before what lies in them. */
  readonly put: readonly KeyNode[];
  /** A path, if any, that went with everything below it. */
  readonly remove: readonly string[];
}

/**
 * What the write that made an event did to the nodes, as `applyWrite` decided it: an event says all of that but the directories that
 * it made on the way.
 * @param seen the nodes just before
 */
export function replayed(seen: NodesSeen, { index, event }: LoggedEvent): Replayed {
  const { key: path, value, expiration, createdIndex = index, modifiedIndex = index } = event.node;
  // Nothing but an index was used up.
  if (path === undefined) return { put: [], remove: [] };
  if (isRemoval(event)) return { put: [], remove: [path] };
  const deadlineMs = expiration === undefined ? undefined : instantOf(expiration);
  // A directory that is updated shows the new index, and keeps that of its making.
  const isKept = event.action === "update" && value === undefined;
  const node: KeyNode = {
    path,
    value,
    createdIndex,
    modifiedIndex: isKept ? (event.prevNode?.modifiedIndex ?? modifiedIndex) : modifiedIndex,
    deadlineMs,
  };
  if (seen.get(path) !== undefined) return { put: [node], remove: [] };
  const missing = missingOf(seen, ancestorsOf(path)).map((ancestor) => directoryOf(ancestor, index));
  return { put: [...missing, node], remove: [] };
}

/** Those that have no node. Below the first directory that is missing all are; they are not looked up, which takes long on very long paths. */
export function missingOf(seen: NodesSeen, ancestors: readonly string[]): readonly string[] {
  const first = ancestors.findIndex((ancestor) => seen.get(ancestor) === undefined);
  return first < 0 ? [] : ancestors.slice(first);
}

/** A directory that is made on the way to a node. */
export function directoryOf(path: string, index: number): KeyNode {
  return { path, value: undefined, createdIndex: index, modifiedIndex: index, deadlineMs: undefined };
}
