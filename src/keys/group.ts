import { assert } from "../lib/assert.ts";
import { maxOperations, maxOperationsAlone, type Operation } from "../store/store.ts";
import { applyWrite, type Plan } from "./apply.ts";
import { isKeysError, type KeysError } from "./errors.ts";
import { wholeGoJson } from "./go-json.ts";
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
  /** What `then` does to the nodes. */
  readonly drafted: Drafted;
  /** What it tells. */
  readonly events: readonly LoggedEvent[];
  /** The index of the last change once `then` was committed. */
  readonly lastIndex: number;
}

/** What a transaction that is planned does to the nodes. */
export interface Drafted {
  readonly put: ReadonlyMap<string, KeyNode>;
  /** Paths that are removed with everything below them. */
  readonly remove: readonly string[];
}

/** What is known where a group is planned. */
export interface Ground {
  /** The nodes that the store is known to hold. */
  readonly seen: NodesSeen;
  /** The index of the last change, that of the last transaction under way if there is one. */
  readonly lastIndex: number;
  /** Transactions under way, the oldest first: they are planned upon, too. */
  readonly underWay: readonly Drafted[];
  /** In ms since 1970. */
  readonly nowMs: number;
}

/**
 * Plans as many of the first writes as fit into one transaction, each on what those before it leave behind, so that the
 * outcome is the same as if they came one after the other. None at all when the first has to wait for what is under way.
 * @param token names the transaction
 */
export function planGroup(
  { seen, lastIndex, underWay, nowMs }: Ground,
  writes: readonly WaitingWrite[],
  token: string,
): Group {
  const draft = new Draft(seen, underWay);
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
    const text = wholeGoJson(event);
    draft.add(plan, { index, event, silent, writer }, text);
    answers.push({ event, index, text });
  }
  const then = operationsOf(draft.changes, token);
  return { answers, then, drafted: draft, events: draft.changes.events, lastIndex: lastIndex + draft.length };
}

/** The nodes as they are after the changes under way and those drafted so far, and the latter. */
class Draft implements NodesSeen, Drafted {
  readonly put = new Map<string, KeyNode>();
  readonly remove: string[] = [];
  readonly #seen: NodesSeen;
  /** The oldest first. */
  readonly #underWay: readonly Drafted[];
  readonly #events: LoggedEvent[] = [];
  readonly #texts: string[] = [];
  #characters = 0;

  constructor(seen: NodesSeen, underWay: readonly Drafted[]) {
    this.#seen = seen;
    this.#underWay = underWay;
  }

  get length(): number {
    return this.#events.length;
  }

  get changes(): Changes {
    const put = Array.from(this.put.values());
    return { events: this.#events, texts: this.#texts, put, remove: this.remove };
  }

  /** Never asked for what is being removed; `isEntangledWith` sees to that. */
  get(path: string): KeyNode | undefined {
    const own = this.put.get(path);
    if (own !== undefined) return own;
    for (let at = this.#underWay.length - 1; at >= 0; at--) {
      const node = this.#underWay[at]?.put.get(path);
      if (node !== undefined) return node;
    }
    return this.#seen.get(path);
  }

  /** Asked only for a directory that is to be removed, and `isEntangledWith` sees to it that no draft is about one. */
  hasChildren(path: string): boolean {
    return this.#seen.hasChildren(path);
  }

  /**
   * Whether the operation has to wait for the next transaction: one cannot both remove and write at a path, nor tell
   * watchers what a directory held if that changed in the same one. It also waits for one under way, which is simpler
   * than to plan on what that removes.
   */
  isEntangledWith(operation: WriteOperation): boolean {
    return isEntangled(this, operation) || this.#underWay.some((drafted) => isEntangled(drafted, operation));
  }

  /** Whether one transaction has room for the plan as well. */
  takes(plan: Plan): boolean {
    if (this.length > 0 && this.#characters + charactersOf(plan) > mostCharacters) return false;
    const most = this.length > 0 ? maxOperations : maxOperationsAlone;
    // A path of very many levels is not even looked at.
    if (plan.put.length > most) return false;
    let put = this.put.size;
    for (const { path } of plan.put) if (!this.put.has(path)) put++;
    const remove = this.remove.length + (plan.remove === undefined ? 0 : 1);
    return operationCount(put, remove) <= most;
  }

  add(plan: Plan, logged: LoggedEvent, text: string): void {
    this.#events.push(logged);
    this.#texts.push(text);
    this.#characters += charactersOf(plan);
    for (const node of plan.put) this.put.set(node.path, node);
    if (plan.remove !== undefined) this.remove.push(plan.remove);
  }
}

function isEntangled({ put, remove }: Drafted, operation: WriteOperation): boolean {
  const { path } = operation;
  if (remove.some((removed) => isWithin(path, removed))) return true;
  const removes =
    operation.do === "delete" || operation.do === "compareAndDelete" || operation.do === "expire";
  if (!removes) return false;
  if (remove.some((removed) => isWithin(removed, path))) return true;
  for (const changed of put.keys()) if (isWithin(changed, path)) return true;
  return false;
}

/** Whether `path` is `above`, or lies below it. */
function isWithin(path: string, above: string): boolean {
  return path === above || path.startsWith(prefixBelow(above));
}

/** A value is written with its node and in the event, which holds the one before as well. */
function charactersOf({ event, put }: Plan): number {
  const { node, prevNode } = event;
  let characters = (node.value?.length ?? 0) + (prevNode?.value?.length ?? 0);
  for (const { path, value } of put) characters += path.length + (value?.length ?? 0);
  return characters;
}
