import { assert } from "../lib/assert.ts";
import { maxOperations, maxOperationsAlone, type Operation } from "../store/store.ts";
import { applyWrite, type Plan } from "./apply.ts";
import { isKeysError, type KeysError } from "./errors.ts";
import type { Answer } from "./keyspace.ts";
import type { KeyNode, LoggedEvent, WriteOperation } from "./model.ts";
import { prefixBelow } from "./paths.ts";
import { operationCount, operationsOf, type Changes } from "./records.ts";
import type { NodesSeen } from "./tree.ts";

/**
 * Characters of values that one group may write; a single write may have more. Three bytes for each are half of what etcd
 * takes in one request by default (1.5 MiB).
 */
const mostCharacters = 256 * 1024;

/** A write that waits for its turn. */
export interface WaitingWrite {
  readonly operation: WriteOperation;
  /** Names this write in the log of events. */
  readonly writer: string;
}

/** Writes that are carried out together: one transaction, with an index and an event for each. */
export interface Group {
  /** What to answer to the first writes once `then` was committed; the others have to wait. At least one. */
  readonly answers: readonly (Answer | KeysError)[];
  /** Empty when all of them are refused. */
  readonly then: readonly Operation[];
}

/**
 * Plans as many of the first writes as fit into one transaction, each on what those before it leave behind, so that the
 * outcome is the same as if they came one after the other.
 * @param lastIndex the index of the last change that `seen` shows
 * @param nowMs in ms since 1970
 */
export function planGroup(
  seen: NodesSeen,
  writes: readonly WaitingWrite[],
  lastIndex: number,
  nowMs: number,
): Group {
  const draft = new Draft(seen);
  const answers: (Answer | KeysError)[] = [];
  for (const { operation, writer } of writes) {
    if (draft.isEntangledWith(operation)) break;
    const index = lastIndex + draft.length + 1;
    const plan = applyWrite(draft, operation, index, nowMs);
    if (isKeysError(plan)) {
      answers.push(plan);
      continue;
    }
    const { event, silent } = plan;
    if (!draft.takes(plan)) {
      assert(draft.length > 0, "a transaction has room for any single write");
      break;
    }
    draft.add(plan, { index, event, silent, writer });
    answers.push({ event, index });
  }
  return { answers, then: operationsOf(draft.changes) };
}

/** The nodes as they are after the changes drafted so far, and those changes. */
class Draft implements NodesSeen {
  readonly #seen: NodesSeen;
  readonly #events: LoggedEvent[] = [];
  readonly #put = new Map<string, KeyNode>();
  readonly #remove: string[] = [];
  #characters = 0;

  constructor(seen: NodesSeen) {
    this.#seen = seen;
  }

  get length(): number {
    return this.#events.length;
  }

  get changes(): Changes {
    return { events: this.#events, put: Array.from(this.#put.values()), remove: this.#remove };
  }

  get(path: string): KeyNode | undefined {
    return this.#put.get(path) ?? this.#seen.get(path);
  }

  /** Asked only for a directory that is to be removed, and `isEntangledWith` sees to it that no draft is about one. */
  hasChildren(path: string): boolean {
    return this.#seen.hasChildren(path);
  }

  /**
   * Whether the operation has to wait for the next transaction: one cannot both remove and write at a path, nor tell
   * watchers what a directory held if that changed in the same one.
   */
  isEntangledWith(operation: WriteOperation): boolean {
    const { path } = operation;
    if (this.#remove.some((removed) => isWithin(path, removed))) return true;
    const removes =
      operation.do === "delete" || operation.do === "compareAndDelete" || operation.do === "expire";
    if (!removes) return false;
    if (this.#remove.some((removed) => isWithin(removed, path))) return true;
    for (const put of this.#put.keys()) if (isWithin(put, path)) return true;
    return false;
  }

  /** Whether one transaction has room for the plan as well. */
  takes(plan: Plan): boolean {
    if (this.length > 0 && this.#characters + charactersOf(plan) > mostCharacters) return false;
    const most = this.length > 0 ? maxOperations : maxOperationsAlone;
    // A path of very many levels is not even looked at.
    if (plan.put.length > most) return false;
    let put = this.#put.size;
    for (const { path } of plan.put) if (!this.#put.has(path)) put++;
    const remove = this.#remove.length + (plan.remove === undefined ? 0 : 1);
    return operationCount(put, remove) <= most;
  }

  add(plan: Plan, logged: LoggedEvent): void {
    this.#events.push(logged);
    this.#characters += charactersOf(plan);
    for (const node of plan.put) this.#put.set(node.path, node);
    if (plan.remove !== undefined) this.#remove.push(plan.remove);
  }
}

/** Whether `path` is `above`, or lies below it. */
function isWithin(path: string, above: string): boolean {
  return path === above || path.startsWith(prefixBelow(above));
}

/** A value is written with its node and in the event, which holds the one before as well. */
function charactersOf({ event, put }: Plan): number {
  const { node, prevNode } = event;
  const texts = [node.value, prevNode?.value, ...put.flatMap(({ path, value }) => [path, value])];
  return texts.reduce((sum, text) => sum + (text?.length ?? 0), 0);
}
