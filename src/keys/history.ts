import { keysError, type KeysError } from "./errors.ts";
import type { KeysEvent, LoggedEvent, WatchOperation } from "./model.ts";
import { prefixBelow } from "./paths.ts";
import { historyLength } from "./records.ts";

/** The last events, for watches that begin in the past. */
export class History {
  /** In the order of their indices, which have no gaps. */
  readonly #events = new Map<number, LoggedEvent>();
  /** The first index in each record, by the last one, which names it. */
  readonly #firsts = new Map<number, number>();
  #last = 0;

  get(index: number): LoggedEvent | undefined {
    return this.#events.get(index);
  }

  /** Adds the events of one record, and forgets those that are too old by now, also where their record is still kept. */
  add(record: readonly LoggedEvent[]): void {
    const [first] = record;
    const last = record.at(-1);
    if (first === undefined || last === undefined) return;
    for (const logged of record) this.#events.set(logged.index, logged);
    this.#firsts.set(last.index, first.index);
    this.#last = last.index;
    for (const index of this.#events.keys()) {
      if (index > this.#last - historyLength) break;
      this.#events.delete(index);
    }
  }

  /** Forgets a record. */
  forget(last: number): void {
    for (let index = this.#firsts.get(last) ?? last; index <= last; index++) this.#events.delete(index);
    this.#firsts.delete(last);
  }

  /**
   * The first event from `waitIndex` on that the watch is about; undefined when it has not come yet, and error 401 when
   * it may have been forgotten. The history tells more than a live watch does, as in etcd: hidden nodes, and every path
   * whose text begins with that of a removed directory.
   */
  find(operation: WatchOperation, index: number): KeysEvent | KeysError | undefined {
    const { waitIndex } = operation;
    const oldest = this.#events.keys().next().value;
    if (oldest === undefined || waitIndex > this.#last) return undefined;
    if (waitIndex < oldest) {
      return keysError(401, `the requested history has been cleared [${oldest}/${waitIndex}]`, index);
    }
    for (let next = waitIndex; next <= this.#last; next++) {
      const logged = this.#events.get(next);
      if (logged !== undefined && !logged.silent && isAbout(logged.event, operation)) return logged.event;
    }
    return undefined;
  }
}

function isAbout(event: KeysEvent, operation: WatchOperation): boolean {
  const key = event.node.key ?? "/";
  if (key === operation.path) return true;
  if (operation.recursive && key.startsWith(prefixBelow(operation.path))) return true;
  const removesDirectory = isRemoval(event) && event.prevNode?.dir === true;
  return removesDirectory && operation.path.startsWith(key);
}

/** Whether the event took a node away; compareAndDelete takes away only files. */
export function isRemoval(event: KeysEvent): boolean {
  return event.action === "delete" || event.action === "compareAndDelete" || event.action === "expire";
}
