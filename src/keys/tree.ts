import type { KeyNode } from "./model.ts";
import { parentOf } from "./paths.ts";

/** The nodes that the rules for writes look at. */
export interface NodesSeen {
  /** The record at a path; undefined for the root, which is always a directory. */
  get(path: string): KeyNode | undefined;
  hasChildren(path: string): boolean;
}

/** The nodes that the rules for reads look at. */
export interface NodesListed extends NodesSeen {
  /** The nodes directly below a path, in no order. */
  children(path: string): Iterable<KeyNode>;
}

/** All nodes by path, and which lie directly below which. */
export class Tree implements NodesListed {
  readonly #nodes = new Map<string, KeyNode>();
  readonly #children = new Map<string, Map<string, KeyNode>>();

  get(path: string): KeyNode | undefined {
    return this.#nodes.get(path);
  }

  children(path: string): Iterable<KeyNode> {
    return this.#children.get(path)?.values() ?? [];
  }

  hasChildren(path: string): boolean {
    return this.#children.has(path);
  }

  /** Every path at or below `path` that has a node, children before their directory. */
  pathsWithin(path: string): readonly string[] {
    const found: string[] = [];
    const pending = path === "/" || this.#nodes.has(path) ? [path] : [];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      found.push(next);
      for (const child of this.children(next)) pending.push(child.path);
    }
    return found.reverse();
  }

  put(node: KeyNode): void {
    this.#nodes.set(node.path, node);
    const parent = parentOf(node.path);
    const siblings = this.#children.get(parent);
    if (siblings === undefined) this.#children.set(parent, new Map([[node.path, node]]));
    else siblings.set(node.path, node);
  }

  /** Takes away one node; nodes below it are taken away by their own calls, in any order. */
  remove(path: string): void {
    this.#nodes.delete(path);
    const parent = parentOf(path);
    const siblings = this.#children.get(parent);
    siblings?.delete(path);
    if (siblings?.size === 0) this.#children.delete(parent);
  }
}
