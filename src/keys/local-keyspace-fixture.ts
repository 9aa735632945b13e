import { assert } from "../lib/assert.ts";
import type { Env } from "../lib/env.ts";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { isKeysError, type KeysError } from "./errors.ts";
import type { Answer, Watch } from "./keyspace.ts";
import { openLocalKeyspace, type LocalKeyspace } from "./local-keyspace.ts";
import type { Gathering } from "./writer.ts";
import type { KeysEvent, WatchOperation, WriteOperation } from "./model.ts";

/** Ends nothing. */
export const open = new AbortController().signal;

/** One gateway to the keys; aborting `end` stops it. */
export interface Gateway {
  readonly keyspace: LocalKeyspace;
  readonly end: AbortController;
}

/** Gateways of one cluster: one time, chance of their own. */
export class Cluster {
  readonly env = new FakeEnv();
  readonly store: Store;
  #chance = 0;

  constructor(change: (store: Store) => Store = (store) => store) {
    this.store = change(openMemoryStore(this.env));
  }

  gateway(store: Store = this.store, gathering?: Gathering): Gateway {
    const end = new AbortController();
    const { clock, log } = this.env;
    const env: Env = { clock, log, random: () => (this.#chance = (this.#chance + 0.37) % 1) };
    return { keyspace: openLocalKeyspace(env, store, end.signal, gathering), end };
  }

  async stop(...gateways: readonly Gateway[]): Promise<void> {
    for (const { end } of gateways) end.abort(new Error("the test is over"));
    await Promise.all(gateways.map(({ keyspace }) => keyspace.ended));
    await this.store.close();
  }
}

/** PUT of a value. @param deadlineMs when it expires, on the clock of `Cluster.env` */
export function set(path: string, value: string, deadlineMs?: number): WriteOperation {
  return { do: "set", path, value, deadlineMs, directory: false, refresh: false };
}

/** PUT with prevValue. */
export function swap(path: string, value: string, prevValue: string): WriteOperation {
  const condition = { value: prevValue, index: 0n };
  return { do: "compareAndSwap", path, value, deadlineMs: undefined, refresh: false, condition };
}

/** GET with wait=true. */
export function watch(path: string, more: Partial<WatchOperation> = {}): WatchOperation {
  return { do: "watch", path, recursive: false, stream: false, waitIndex: 0, ...more };
}

/** The answer, which must not be an error. */
export function done<Good extends object>(answer: Good | KeysError): Good {
  assert(!isKeysError(answer), JSON.stringify(answer));
  return answer;
}

/** GET, recursive and sorted. */
export async function read(gateway: Gateway, path: string, quorum = false): Promise<Answer | KeysError> {
  return gateway.keyspace.read({ do: "read", path, recursive: true, sorted: true, quorum }, open);
}

/** The value that the store itself has; undefined when there is none. */
export async function valueOf(gateway: Gateway, path: string): Promise<string | undefined> {
  const answer = await read(gateway, path, true);
  return isKeysError(answer) ? undefined : answer.event.node.value;
}

/** The first event that a watch gives. */
export async function next(gateway: Gateway, operation: WatchOperation): Promise<KeysEvent | undefined> {
  return (done(await gateway.keyspace.watch(operation, open)) satisfies Watch).next(open);
}

/** The same store, of which a test replaces what it wants to fail. */
export function bound(store: Store): Store {
  return {
    read: async (range, options) => store.read(range, options),
    commit: async (transaction) => store.commit(transaction),
    watch: (range, after, signal) => store.watch(range, after, signal),
    grantLease: async (ttlMs) => store.grantLease(ttlMs),
    renewLease: async (id) => store.renewLease(id),
    revokeLease: async (id) => store.revokeLease(id),
    compact: async (revision) => store.compact(revision),
    close: async () => store.close(),
  };
}
