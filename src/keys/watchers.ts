import { Wake } from "../lib/wake.ts";
import type { KeysEvent, WatchOperation } from "./model.ts";
import { ancestorsOf, isHiddenBelow } from "./paths.ts";

/** Events that wait for one slow watcher; one more, and it is told nothing from then on (etcd v2 API: 100). */
const mostWaitingEvents = 100;

const nobody: readonly Watcher[] = [];

/** Live watches by path, and the rules of the etcd v2 API for who is told. */
export class Watchers {
  readonly #byPath = new Map<string, Set<Watcher>>();

  /** How many there are. */
  get size(): number {
    let size = 0;
    for (const watchers of this.#byPath.values()) size += watchers.size;
    return size;
  }

  add(operation: WatchOperation): Watcher {
    const { path } = operation;
    const watcher = new Watcher(operation, () => this.#remove(path, watcher));
    const others = this.#byPath.get(path);
    if (others === undefined) this.#byPath.set(path, new Set([watcher]));
    else others.add(watcher);
    return watcher;
  }

  /**
   * Tells an event to whom it concerns.
   * @param index the event's index
   * @param removed the paths of all nodes that it removed, children before their directory
   */
  tell(event: KeysEvent, index: number, removed: readonly string[]): void {
    if (this.#byPath.size === 0) return;
    const key = event.node.key ?? "/";
    // Whoever watches exactly a node that is gone hears of it first: so a stream on the removed path hears twice.
    for (const path of removed) {
      for (const watcher of this.#at(path)) watcher.push(event, index);
    }
    for (const path of ["/", ...ancestorsOf(key)]) {
      if (path === key) continue;
      for (const watcher of this.#at(path)) {
        if (watcher.recursive && !isHiddenBelow(path, key)) watcher.push(event, index);
      }
    }
    for (const watcher of this.#at(key)) watcher.push(event, index);
  }

  /** Ends every watch: events were lost, and whoever watches has to read again. */
  endAll(): void {
    const all = Array.from(this.#byPath.values()).flatMap((watchers) => Array.from(watchers));
    for (const watcher of all) watcher.end();
  }

  #at(path: string): readonly Watcher[] {
    const watchers = this.#byPath.get(path);
    return watchers === undefined ? nobody : Array.from(watchers);
  }

  #remove(path: string, watcher: Watcher): void {
    const others = this.#byPath.get(path);
    others?.delete(watcher);
    if (others?.size === 0) this.#byPath.delete(path);
  }
}

/** One live watch. */
export class Watcher {
  readonly recursive: boolean;
  readonly #stream: boolean;
  readonly #waitIndex: number;
  readonly #leave: () => void;
  readonly #waiting: KeysEvent[] = [];
  readonly #wake = new Wake();
  #ended = false;
  #tell: ((event: KeysEvent | undefined) => void) | undefined;

  constructor(operation: WatchOperation, leave: () => void) {
    this.recursive = operation.recursive;
    this.#stream = operation.stream;
    this.#waitIndex = operation.waitIndex;
    this.#leave = leave;
  }

  /** The next event; undefined when the watch is over. Rejects with the signal's reason. */
  async next(signal: AbortSignal): Promise<KeysEvent | undefined> {
    for (;;) {
      const event = this.#waiting.shift();
      if (event !== undefined) return event;
      if (this.#ended) return undefined;
      await this.#wake.next(signal);
    }
  }

  /** In place of `next`: calls `tell` once, with the next event, or with undefined when the watch is over without; maybe at once. */
  whenTold(tell: (event: KeysEvent | undefined) => void): void {
    this.#tell = tell;
    this.#wakeUp();
  }

  push(event: KeysEvent, index: number): void {
    if (index < this.#waitIndex) return;
    // Too slow: what waits is still sent, then nothing more, and the answer stays open, as in etcd.
    if (this.#waiting.length >= mostWaitingEvents) return this.close();
    this.#waiting.push(event);
    if (this.#stream) this.#wakeUp();
    else this.end();
  }

  end(): void {
    this.#ended = true;
    this.close();
    this.#wakeUp();
  }

  /** Nothing is told from now on. */
  close(): void {
    this.#leave();
  }

  #wakeUp(): void {
    const tell = this.#tell;
    if (tell === undefined) return this.#wake.wake();
    if (this.#waiting.length === 0 && !this.#ended) return;
    this.#tell = undefined;
    tell(this.#waiting.shift());
  }
}
