import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import type {
  ChangeBatch,
  KeyRange,
  Lease,
  LeaseId,
  Outcome,
  ReadOptions,
  Revision,
  Snapshot,
  Store,
  StoreId,
  Transaction,
} from "./store.ts";

/** How long a call waits for a store to be there, in ms; a switch takes less than 2 s. */
const patienceMs = 5_000;

/**
 * A store that stands for another one, which is found later and may be replaced by a copy of itself while it is used. Calls
 * wait for it a little. A watch ends with `store-unavailable` when the store is replaced: revisions are counted anew
 * then, so that everything has to be read afresh.
 */
export class SwitchStore implements Store {
  readonly #env: Env;
  readonly #closing = new AbortController();
  #store: Store | undefined;
  /** Why there is none, for those who wait in vain. */
  #why: string;
  #given = Promise.withResolvers<void>();
  /** Aborted when the store is replaced. */
  #present = new AbortController();
  #writes = 0;
  #drained: (() => void) | undefined;

  /** @param why there is no store yet: ends a sentence that begins with "Cannot use the store, " */
  constructor(env: Env, why: string) {
    this.#env = env;
    this.#why = why;
  }

  get term(): number | undefined {
    return this.#store?.term;
  }

  /** Uses this store from now on; whoever waits goes on with it. The one before is the caller's to close. */
  use(store: Store): void {
    this.#present.abort(unavailable("it was replaced"));
    this.#present = new AbortController();
    this.#store = store;
    this.#given.resolve();
  }

  /**
   * Lets no call begin until `use`, and resolves when all writes under way have ended: what the store holds then stays as it is.
   * @param why as for the constructor
   */
  async hold(why: string): Promise<void> {
    this.#why = why;
    this.#store = undefined;
    this.#given = Promise.withResolvers();
    if (this.#writes === 0) return;
    await new Promise<void>((resolve) => (this.#drained = resolve));
  }

  async read(range: KeyRange, options?: ReadOptions): Promise<Snapshot> {
    return await (await this.#found()).read(range, options);
  }

  async commit(transaction: Transaction): Promise<Outcome> {
    return await this.#writing((store) => store.commit(transaction));
  }

  async *watch(
    range: KeyRange,
    after: Revision,
    signal: AbortSignal,
    storeId?: StoreId,
  ): AsyncGenerator<ChangeBatch, void> {
    const store = await this.#found();
    const ended = AbortSignal.any([signal, this.#present.signal, this.#closing.signal]);
    yield* store.watch(range, after, ended, storeId);
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    return await this.#writing((store) => store.grantLease(ttlMs));
  }

  async renewLease(id: LeaseId): Promise<Lease> {
    return await this.#writing((store) => store.renewLease(id));
  }

  async revokeLease(id: LeaseId): Promise<void> {
    await this.#writing((store) => store.revokeLease(id));
  }

  async compact(revision: Revision): Promise<void> {
    await (await this.#found()).compact(revision);
  }

  /** Closes the store that is used now, too. */
  async close(): Promise<void> {
    this.#closing.abort(new Fault("store-closed", "Cannot use the store, it was closed: open it again."));
    await this.#store?.close();
  }

  async #writing<Result>(write: (store: Store) => Promise<Result>): Promise<Result> {
    const store = await this.#found();
    this.#writes++;
    try {
      return await write(store);
    } finally {
      this.#writes--;
      if (this.#writes === 0) this.#drained?.();
    }
  }

  /** The store, as soon as there is one. */
  async #found(): Promise<Store> {
    this.#closing.signal.throwIfAborted();
    if (this.#store !== undefined) return this.#store;
    const over = new AbortController();
    const either = AbortSignal.any([over.signal, this.#closing.signal]);
    const late = this.#env.clock.sleep(patienceMs, either).catch(() => undefined);
    await Promise.race([this.#given.promise, late]);
    over.abort();
    this.#closing.signal.throwIfAborted();
    if (this.#store === undefined) throw unavailable(this.#why);
    return this.#store;
  }
}

function unavailable(why: string): Fault {
  return new Fault("store-unavailable", `Cannot use the store, ${why}.`);
}
