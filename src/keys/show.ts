import { compareKeys } from "../store/range.ts";
import { instantText, secondsLeft } from "./deadline.ts";
import type { KeyNode, ReadOperation, ShownNode } from "./model.ts";
import { isHidden } from "./paths.ts";
import type { NodesListed } from "./tree.ts";

/** A node by itself, as writes and watches show it. */
export function showNode(node: KeyNode, nowMs: number): ShownNode {
  return show(node, nowMs, undefined);
}

/** What is left to say of a node that was removed by the change with this index. */
export function showRemoved(node: KeyNode, index: number): ShownNode {
  return {
    key: node.path,
    ...(node.value === undefined && { dir: true as const }),
    modifiedIndex: index,
    createdIndex: node.createdIndex,
  };
}

/** A node with its children, and with `recursive` with everything below; hidden nodes are left out. */
export function showTree(
  seen: NodesListed,
  operation: Pick<ReadOperation, "path" | "recursive" | "sorted">,
  nowMs: number,
): ShownNode {
  const below = (path: string): readonly ShownNode[] => {
    const visible = Array.from(seen.children(path)).filter((child) => !isHidden(child.path));
    if (operation.sorted) visible.sort((a, b) => compareKeys(a.path, b.path));
    return visible.map((child) =>
      show(child, nowMs, operation.recursive && child.value === undefined ? below(child.path) : undefined),
    );
  };
  const node = seen.get(operation.path);
  if (node === undefined) {
    const nodes = below("/");
    return { dir: true, ...(nodes.length > 0 && { nodes }) };
  }
  return show(node, nowMs, node.value === undefined ? below(node.path) : undefined);
}

function show(node: KeyNode, nowMs: number, nodes: readonly ShownNode[] | undefined): ShownNode {
  const { path: key, value, deadlineMs, modifiedIndex, createdIndex } = node;
  // Most nodes are such, and to put pieces together takes longer.
  if (value !== undefined && deadlineMs === undefined) return { key, value, modifiedIndex, createdIndex };
  const ttl = deadlineMs === undefined ? 0 : secondsLeft(deadlineMs, nowMs);
  return {
    key,
    ...(value === undefined ? { dir: true as const } : { value }),
    ...(deadlineMs !== undefined && { expiration: instantText(deadlineMs) }),
    ...(ttl !== 0 && { ttl }),
    ...(nodes !== undefined && nodes.length > 0 && { nodes }),
    modifiedIndex,
    createdIndex,
  };
}
