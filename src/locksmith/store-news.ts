import type { KeysClient, KeysResponse } from "../keys/client-keys.ts";
import { type Backoff, pauseMs } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { isFault } from "../lib/fault.ts";
import { machinesKey, rootKey } from "./lock-keys.ts";
import type { RebootBoard } from "./reboot-board.ts";
import type { RebootLock } from "./reboot-lock.ts";
import type { Wish } from "./wants.ts";

const retry: Backoff = { firstMs: 500, mostMs: 30_000 };

export interface StoreNewsParts {
  readonly id: string;
  readonly api: Pick<KeysClient, "get" | "watch">;
  readonly lock: RebootLock;
  readonly board: RebootBoard;
  /** Called when the store answers again after it did not. */
  readonly restored: () => Promise<void>;
}

/** What the store tells one machine about reboots, as it changes. */
export class StoreNews {
  /** The wish for this machine; undefined while there is none, or the store was never read. */
  wish: Wish | undefined;
  /** Resolves when the store was read for the first time. */
  readonly ready: Promise<void>;
  readonly #env: Env;
  readonly #parts: StoreNewsParts;
  readonly #isReady: () => void;
  readonly #listeners = new Set<() => void>();

  constructor(env: Env, parts: StoreNewsParts) {
    this.#env = env;
    this.#parts = parts;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ready = promise;
    this.#isReady = resolve;
  }

  /** Calls `listener` when the lock, the queue, a halt or the wish has changed. Returns the function that ends it. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Has the wish of that number done; nothing when there is another one by now. Throws the Faults of the client. */
  async fulfil(wish: number): Promise<void> {
    await this.#parts.board.withdraw({ id: this.#parts.id, number: wish });
    if (this.wish?.number === wish) this.wish = undefined;
  }

  /** Listens until the signal is aborted, however often the store is away meanwhile. */
  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      try {
        const index = await this.#readAll();
        if (failures > 0) this.#env.log.info("the keys API answers again");
        failures = 0;
        for await (const event of this.#parts.api.watch(rootKey, true, index)) await this.#hear(event);
      } catch (error) {
        if (signal.aborted) return;
        if (!isFault(error)) throw error;
        failures += 1;
        // Its history is gone, or it is; both mean to read everything again.
        if (failures === 1)
          this.#env.log.warning(`hears nothing from the keys API: ${firstLine(error.message)}`);
        await this.#env.clock
          .sleep(pauseMs(retry, failures, this.#env.random()), signal)
          .catch(() => undefined);
      }
    }
  }

  /** Reads what there is, and gives the index of the store after which to listen. */
  async #readAll(): Promise<number> {
    // Makes the keys if there are none yet, so that there is something to read.
    await this.#parts.lock.picture();
    const options = { recursive: false, sorted: false, quorum: true };
    const { index } = await this.#parts.api.get(rootKey, options);
    await this.#readWish();
    this.#isReady();
    await this.#parts.restored();
    return index;
  }

  async #readWish(): Promise<void> {
    this.wish = await this.#parts.board.wish(this.#parts.id);
    for (const listener of this.#listeners) listener();
  }

  async #hear({ node }: KeysResponse): Promise<void> {
    const key = node.key ?? "";
    // What machines tell about themselves is for people.
    if (key.startsWith(`${machinesKey}/`)) return;
    await this.#readWish();
  }
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
