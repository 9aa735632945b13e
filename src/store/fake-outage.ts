import { Fault } from "../lib/fault.ts";
import type { Store, Transaction } from "./store.ts";

/** A store that a test can take away from one of its users, and give back. */
export class OutageStore implements Store {
  #store: Store;
  #outage = new AbortController();
  /** What its user waits for besides before it hears that a transaction was carried out; nothing at first. */
  beforeAnswer: (transaction: Transaction) => Promise<void> = () => Promise.resolve();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Every call fails from now on, and watches end. */
  cut(): void {
    this.#outage.abort(new Fault("store-unavailable", "Cannot reach the store: the test has cut it off."));
  }

  /** The store is there again, or another one in its place. */
  restore(store: Store = this.#store): void {
    this.#store = store;
    if (this.#outage.signal.aborted) this.#outage = new AbortController();
  }

  readonly read: Store["read"] = (range, options) => this.#reach(() => this.#store.read(range, options));
  readonly commit: Store["commit"] = (transaction) =>
    this.#reach(async () => {
      const result = await this.#store.commit(transaction);
      await this.beforeAnswer(transaction);
      return result;
    });
  readonly grantLease: Store["grantLease"] = (ttlMs) => this.#reach(() => this.#store.grantLease(ttlMs));
  readonly renewLease: Store["renewLease"] = (id) => this.#reach(() => this.#store.renewLease(id));
  readonly revokeLease: Store["revokeLease"] = (id) => this.#reach(() => this.#store.revokeLease(id));
  readonly compact: Store["compact"] = (revision) => this.#reach(() => this.#store.compact(revision));

  readonly watch: Store["watch"] = (range, after, signal, storeId) =>
    this.#store.watch(range, after, AbortSignal.any([signal, this.#outage.signal]), storeId);

  async close(): Promise<void> {
    await this.#store.close();
  }

  async #reach<T>(call: () => Promise<T>): Promise<T> {
    this.#outage.signal.throwIfAborted();
    return await call();
  }
}
