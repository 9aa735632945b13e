import { isKeysError, keysError, type ErrorCode, type KeysError } from "./errors.ts";
import type { Action, Condition, KeyNode, KeysEvent, ReadOperation, WriteOperation } from "./model.ts";
import { ancestorsOf } from "./paths.ts";
import { directoryOf, missingOf } from "./replay.ts";
import { showNode, showRemoved, showTree } from "./show.ts";
import type { NodesListed, NodesSeen } from "./tree.ts";

/**
 * Levels of a key that can be made; deeper ones would take a store's time with the square of their number. What is made by one
 * write fits into one transaction (maxOperationsAlone).
 */
const mostLevels = 1000;

/** What a successful write changes, and what it tells. */
export interface Plan {
  readonly event: KeysEvent;
  readonly silent: boolean;
  /** Records to write, directories before what lies in them. */
  readonly put: readonly KeyNode[];
  /** A path to remove with everything below it. */
  readonly remove: string | undefined;
}

/**
 * The rules of the etcd v2 API for writes: what `operation` does to the nodes seen, and why not.
 * @param index the index that the change gets if it succeeds; failures carry the one before
 * @param nowMs the time that remaining lifetimes are counted from, in ms since 1970
 */
export function applyWrite(
  seen: NodesSeen,
  operation: WriteOperation,
  index: number,
  nowMs: number,
): Plan | KeysError {
  const rules = new Rules(seen, index, nowMs);
  switch (operation.do) {
    case "set":
      return rules.set(operation);
    case "create":
      return rules.create(operation);
    case "update":
      return rules.update(operation);
    case "compareAndSwap":
      return rules.compareAndSwap(operation);
    case "delete":
      return rules.delete(operation);
    case "compareAndDelete":
      return rules.compareAndDelete(operation);
    case "expire":
      return rules.expire(operation);
  }
}

/** The rules of the etcd v2 API for reads; `index` is the present one. */
export function applyRead(
  seen: NodesListed,
  operation: ReadOperation,
  index: number,
  nowMs: number,
): KeysEvent | KeysError {
  const found = lookUp(seen, operation.path, index);
  if (found !== "root" && isKeysError(found)) return found;
  return { action: "get", node: showTree(seen, operation, nowMs) };
}

type Of<Name extends WriteOperation["do"]> = Extract<WriteOperation, { do: Name }>;

class Rules {
  readonly #seen: NodesSeen;
  readonly #index: number;
  readonly #nowMs: number;

  constructor(seen: NodesSeen, index: number, nowMs: number) {
    this.#seen = seen;
    this.#index = index;
    this.#nowMs = nowMs;
  }

  set(operation: Of<"set">): Plan | KeysError {
    const { path, refresh } = operation;
    const found = this.#lookUp(path);
    if (found === "root") return this.#rootIsReadOnly();
    if (isKeysError(found)) {
      // Without anything there a set makes it, but a refresh needs the value that is there.
      if (found.errorCode !== 100 || refresh) return found;
      return this.#make("set", operation, operation.value, undefined);
    }
    if (found.value === undefined) return this.#fail(102, path);
    return this.#make("set", operation, refresh ? found.value : operation.value, found);
  }

  create(operation: Of<"create">): Plan | KeysError {
    const path = operation.inOrder ? this.#inOrderPath(operation.path) : operation.path;
    const found = this.#lookUp(path);
    if (found === "root") return this.#rootIsReadOnly();
    if (!isKeysError(found)) return this.#fail(105, path);
    if (found.errorCode !== 100) return found;
    return this.#make("create", { ...operation, path }, operation.value, undefined);
  }

  update(operation: Of<"update">): Plan | KeysError {
    const { path, value, deadlineMs, refresh } = operation;
    const found = this.#lookUp(path);
    if (found === "root") return this.#rootIsReadOnly();
    if (isKeysError(found)) return found;
    if (found.value !== undefined) {
      return this.#change("update", found, refresh ? found.value : value, deadlineMs, refresh);
    }
    if (value !== "") return this.#fail(102, path);
    // A directory keeps the modifiedIndex of its making, though the answer shows the new index.
    const after: KeyNode = { ...found, deadlineMs };
    const shown: KeyNode = { ...after, modifiedIndex: this.#index };
    return this.#told("update", shown, found, [after], refresh);
  }

  compareAndSwap(operation: Of<"compareAndSwap">): Plan | KeysError {
    const { path, value, deadlineMs, refresh, condition } = operation;
    const found = this.#lookUp(path);
    if (found === "root") return this.#rootIsReadOnly();
    if (isKeysError(found)) return found;
    if (found.value === undefined) return this.#fail(102, path);
    const mismatch = mismatchOf(found.value, found.modifiedIndex, condition);
    if (mismatch !== "") return this.#fail(101, mismatch);
    return this.#change("compareAndSwap", found, refresh ? found.value : value, deadlineMs, refresh);
  }

  delete(operation: Of<"delete">): Plan | KeysError {
    const { path, directory, recursive } = operation;
    const found = this.#lookUp(path);
    if (found === "root") return this.#rootIsReadOnly();
    if (isKeysError(found)) return found;
    if (found.value === undefined) {
      if (!directory && !recursive) return this.#fail(102, path);
      if (!recursive && this.#seen.hasChildren(path)) return this.#fail(108, path);
    }
    return this.#remove("delete", found);
  }

  compareAndDelete(operation: Of<"compareAndDelete">): Plan | KeysError {
    const { path, condition } = operation;
    const found = this.#lookUp(path);
    if (found === "root") return this.#fail(102, "");
    if (isKeysError(found)) return found;
    if (found.value === undefined) return this.#fail(102, path);
    const mismatch = mismatchOf(found.value, found.modifiedIndex, condition);
    if (mismatch !== "") return this.#fail(101, mismatch);
    return this.#remove("compareAndDelete", found);
  }

  expire(operation: Of<"expire">): Plan | KeysError {
    const found = this.#lookUp(operation.path);
    if (found === "root") return this.#rootIsReadOnly();
    if (isKeysError(found)) return found;
    if (found.deadlineMs !== operation.deadlineMs) return this.#fail(100, operation.path);
    return this.#remove("expire", found);
  }

  /** POST: the new index as a name of 20 digits, so that names sort by age. */
  #inOrderPath(directory: string): string {
    return `${directory === "/" ? "" : directory}/${String(this.#index).padStart(20, "0")}`;
  }

  /** A new node in place of `before`, and the directories above it that are missing. */
  #make(
    action: Action,
    content: Pick<Of<"set">, "path" | "directory" | "deadlineMs"> & { readonly refresh?: boolean },
    value: string,
    before: KeyNode | undefined,
  ): Plan | KeysError {
    const { path, directory, deadlineMs, refresh = false } = content;
    const index = this.#index;
    // What has a node has all directories above it.
    const ancestors = before === undefined ? ancestorsOf(path) : [];
    if (ancestors.length >= mostLevels) {
      return keysError(209, `argosy: a key has at most ${mostLevels} levels`);
    }
    const parents = missingOf(this.#seen, ancestors).map((ancestor) => directoryOf(ancestor, index));
    const node: KeyNode = {
      path,
      value: directory ? undefined : value,
      createdIndex: index,
      modifiedIndex: index,
      deadlineMs,
    };
    return this.#told(action, node, before, [...parents, node], refresh);
  }

  /** A file with other content; it stays the node that it was. */
  #change(
    action: Action,
    before: KeyNode,
    value: string,
    deadlineMs: number | undefined,
    refresh: boolean,
  ): Plan {
    const node: KeyNode = { ...before, value, deadlineMs, modifiedIndex: this.#index };
    return this.#told(action, node, before, [node], refresh);
  }

  #told(
    action: Action,
    node: KeyNode,
    before: KeyNode | undefined,
    put: readonly KeyNode[],
    silent: boolean,
  ): Plan {
    const shown = showNode(node, this.#nowMs);
    const event: KeysEvent =
      before === undefined
        ? { action, node: shown }
        : { action, node: shown, prevNode: showNode(before, this.#nowMs) };
    return { event, silent, put, remove: undefined };
  }

  #remove(action: Action, node: KeyNode): Plan {
    const event: KeysEvent = {
      action,
      node: showRemoved(node, this.#index),
      prevNode: showNode(node, this.#nowMs),
    };
    return { event, silent: false, put: [], remove: node.path };
  }

  #lookUp(path: string): KeyNode | KeysError | "root" {
    return lookUp(this.#seen, path, this.#index - 1);
  }

  #rootIsReadOnly(): KeysError {
    return this.#fail(107, "/");
  }

  #fail(code: ErrorCode, cause: string): KeysError {
    return keysError(code, cause, this.#index - 1);
  }
}

/** Walks from the root: 100 at the first missing name, 104 at a file where a directory is needed. */
function lookUp(seen: NodesSeen, path: string, index: number): KeyNode | KeysError | "root" {
  if (path === "/") return "root";
  const found = seen.get(path);
  // Nothing lies below a file or a gap, so what is found has its directories above it.
  if (found !== undefined) return found;
  for (const ancestor of ancestorsOf(path)) {
    const node = seen.get(ancestor);
    if (node === undefined) return keysError(100, ancestor, index);
    if (node.value !== undefined) return keysError(104, ancestor, index);
  }
  return keysError(100, path, index);
}

/** Why a condition does not hold, in the words of the v2 API; empty when it does. */
function mismatchOf(value: string, modifiedIndex: number, condition: Condition): string {
  const valueFits = condition.value === "" || condition.value === value;
  const indexFits = condition.index === 0n || condition.index === BigInt(modifiedIndex);
  const byValue = `[${condition.value} != ${value}]`;
  const byIndex = `[${condition.index} != ${modifiedIndex}]`;
  if (valueFits && indexFits) return "";
  if (valueFits) return byIndex;
  return indexFits ? byValue : `${byValue} ${byIndex}`;
}
