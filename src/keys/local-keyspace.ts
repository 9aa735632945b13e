import { orAborted } from "../lib/aborted.ts";
import { pauseMs, type Backoff } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { Fault, isFault, sentenceOf } from "../lib/fault.ts";
import { openMirror } from "../store/mirror.ts";
import { exactly } from "../store/range.ts";
import type { Store } from "../store/store.ts";
import type { Access } from "./access.ts";
import { applyRead } from "./apply.ts";
import type { AuthDecision } from "./auth.ts";
import { Counts } from "./counts.ts";
import { isKeysError, keysError, type KeysError } from "./errors.ts";
import { runExpiry } from "./expiry.ts";
import { writeHidden, type HiddenDecision } from "./hidden-writer.ts";
import type { Answer, Keyspace, KeyspaceStatistics, KeyspaceStatus, Watch } from "./keyspace.ts";
import type { ReadOperation, WatchOperation, WriteOperation } from "./model.ts";
import { clusterKey, counterKey, followedRange, keysRange, putAccess, putRemovedMembers } from "./records.ts";
import { RequestLimits } from "./request-limits.ts";
import { View } from "./view.ts";
import { Watcher } from "./watchers.ts";
import { type Gathering, Writer } from "./writer.ts";

/** How long a request may wait for the store (etcd v2 API: 5 s and two election timeouts of 1 s). */
const requestLimitMs = 7_000;

const stopped = new Fault("keyspace-closed", "etcdserver: server stopped");
const timedOut = new Fault("request-limit", "etcdserver: request timed out");

const clusterBackoff: Backoff = { firstMs: 250, mostMs: 5_000 };

/** A keyspace that this process keeps over a store. */
export interface LocalKeyspace extends Keyspace {
  /** Resolves after the signal was aborted, when everything has ended and the expiry lease was given back. */
  readonly ended: Promise<void>;
}

/**
 * Opens the keys in a store; it need not be reachable yet.
 * @param gathering how writes come to go together; left out: each goes as soon as it can
 */
export function openLocalKeyspace(
  env: Env,
  store: Store,
  signal: AbortSignal,
  gathering?: Gathering,
): LocalKeyspace {
  return new StoreKeyspace(env, store, signal, gathering);
}

class StoreKeyspace implements LocalKeyspace {
  readonly ended: Promise<void>;
  readonly #env: Env;
  readonly #store: Store;
  readonly #signal: AbortSignal;
  readonly #view: View;
  readonly #writer: Writer;
  readonly #limits: RequestLimits;
  readonly #counts = new Counts();

  constructor(env: Env, store: Store, signal: AbortSignal, gathering: Gathering | undefined) {
    this.#env = env;
    this.#store = store;
    this.#signal = signal;
    const name = randomHex(env);
    this.#view = new View(env, openMirror(env, store, followedRange, signal, keysRange));
    this.#writer = new Writer(env, store, this.#view, name, gathering);
    this.#limits = new RequestLimits(env, requestLimitMs, timedOut, stopped, signal);
    const loops = [runExpiry(env, store, this.#view, this, name, signal), this.#nameCluster()];
    this.ended = Promise.all(loops).then(() => undefined);
  }

  read(operation: ReadOperation, signal: AbortSignal): Answer | KeysError | Promise<Answer | KeysError> {
    if (this.#view.ready && !operation.quorum) return this.#counted(operation, this.#readNow(operation));
    return this.#readLater(operation, signal);
  }

  async #readLater(operation: ReadOperation, signal: AbortSignal): Promise<Answer | KeysError> {
    const answer = await this.#limited(signal, async (limit) => {
      await orAborted(this.#view.mirror.ready, limit);
      if (operation.quorum) await this.#catchUp(limit);
      return this.#readNow(operation);
    });
    return this.#counted(operation, answer);
  }

  write(operation: WriteOperation, signal?: AbortSignal): Promise<Answer | KeysError> {
    if (!this.#view.ready || signal !== undefined) return this.#writeLater(operation, signal ?? this.#signal);
    return this.#writer.write(operation, this.#limits.next()).then(
      (answer) => this.#counted(operation, answer),
      (error: unknown) => this.#counted(operation, this.#unfinished(error)),
    );
  }

  async #writeLater(operation: WriteOperation, signal: AbortSignal): Promise<Answer | KeysError> {
    const answer = await this.#limited(signal, async (limit) => {
      await orAborted(this.#view.mirror.ready, limit);
      return this.#writer.write(operation, limit);
    });
    return this.#counted(operation, answer);
  }

  /** The answer to a request that the store did not answer in time, or that was stopped. */
  #unfinished(error: unknown): KeysError {
    if (this.#signal.aborted) return keysError(300, stopped.message);
    if (error === timedOut) return keysError(300, timedOut.message);
    if (isFault(error)) return keysError(300, `argosy: ${error.message}`);
    throw error;
  }

  watch(operation: WatchOperation, signal: AbortSignal): Watch | KeysError | Promise<Watch | KeysError> {
    if (this.#view.ready) return this.#watchNow(operation);
    return this.#limited(signal, async (limit) => {
      await orAborted(this.#view.mirror.ready, limit);
      return this.#watchNow(operation);
    });
  }

  access(signal: AbortSignal): Access | Promise<Access | KeysError> {
    if (this.#view.ready) return this.#view.access;
    return this.#limited(signal, async (limit) => {
      await orAborted(this.#view.mirror.ready, limit);
      return this.#view.access;
    });
  }

  async changeAccess(
    decide: (access: Access) => AuthDecision,
    signal: AbortSignal,
  ): Promise<AuthDecision | KeysError> {
    return this.#limited(signal, async (limit) => {
      await orAborted(this.#view.mirror.ready, limit);
      await this.#catchUp(limit);
      const plan = (): HiddenDecision<AuthDecision> => {
        const answer = decide(this.#view.access);
        const { access, indices = 0 } = answer.change ?? {};
        return { answer, indices, operations: access && [putAccess(access)] };
      };
      return writeHidden(this.#env, this.#store, this.#view, plan, limit);
    });
  }

  removedMembers(): readonly string[] {
    return this.#view.removedMembers;
  }

  async noteMembers(
    indices: number,
    removed: string | undefined,
    signal: AbortSignal,
  ): Promise<KeysError | undefined> {
    return this.#limited(signal, async (limit) => {
      await orAborted(this.#view.mirror.ready, limit);
      const plan = (): HiddenDecision<undefined> => {
        const all = this.#view.removedMembers;
        const operations = removed === undefined ? [] : [putRemovedMembers([...all, removed])];
        return { answer: undefined, indices, operations };
      };
      return writeHidden(this.#env, this.#store, this.#view, plan, limit);
    });
  }

  status(): KeyspaceStatus {
    const { mirror, index, clusterId = "0" } = this.#view;
    const { revision, problem } = mirror;
    return {
      clusterId,
      index,
      storeRevision: revision,
      storeTerm: this.#store.term ?? 1,
      connected: mirror.syncedSinceMs !== undefined,
      problem,
    };
  }

  statistics(): KeyspaceStatistics {
    return { counts: this.#counts.show(), watchers: this.#view.watchers.size };
  }

  #counted<Result extends Answer | KeysError>(
    operation: ReadOperation | WriteOperation,
    answer: Result,
  ): Result {
    this.#counts.add(operation, isKeysError(answer) ? answer : undefined);
    return answer;
  }

  #readNow(operation: ReadOperation): Answer | KeysError {
    const { index, tree } = this.#view;
    const event = applyRead(tree, operation, index, this.#env.clock.now());
    return isKeysError(event) ? event : { event, index };
  }

  #watchNow(operation: WatchOperation): Watch | KeysError {
    const { index, history, watchers } = this.#view;
    const past = operation.waitIndex === 0 ? undefined : history.find(operation, index);
    if (past === undefined) return watchOf(watchers.add(operation), index);
    if (isKeysError(past)) return past;
    // A stream that began in the past is told this one event and nothing after it, as in etcd.
    const watcher = new Watcher(operation, () => undefined);
    watcher.push(past, operation.waitIndex);
    return watchOf(watcher, index);
  }

  /** Waits until the view shows every write that was finished before. */
  async #catchUp(limit: AbortSignal): Promise<void> {
    const { entries } = await orAborted(this.#store.read(exactly(counterKey)), limit);
    await this.#view.mirror.reached(entries[0]?.modRevision ?? 0, limit);
  }

  /** Turns a store that does not answer in time into error 300. */
  async #limited<Value>(
    signal: AbortSignal,
    work: (limit: AbortSignal) => Promise<Value | KeysError>,
  ): Promise<Value | KeysError> {
    const done = new AbortController();
    const limit = new AbortController();
    const stop = (): void => limit.abort(stopped);
    const leave = (): void => limit.abort(signal.reason);
    const timer = this.#env.clock.sleep(requestLimitMs, done.signal).then(
      () => limit.abort(timedOut),
      () => undefined,
    );
    signal.addEventListener("abort", leave);
    this.#signal.addEventListener("abort", stop);
    try {
      if (this.#signal.aborted) throw stopped;
      signal.throwIfAborted();
      return await work(limit.signal);
    } catch (error) {
      if (signal !== this.#signal) signal.throwIfAborted();
      return this.#unfinished(error);
    } finally {
      signal.removeEventListener("abort", leave);
      this.#signal.removeEventListener("abort", stop);
      done.abort();
      await timer;
    }
  }

  /** Gives the keys their name when they are used for the first time. Never rejects. */
  async #nameCluster(): Promise<void> {
    for (let failures = 0; !this.#signal.aborted; ) {
      try {
        await this.#view.mirror.ready;
        if (this.#view.clusterId !== undefined) return;
        await this.#store.commit({
          when: [{ key: clusterKey, modRevision: 0 }],
          then: [{ do: "put", key: clusterKey, value: randomHex(this.#env) }],
        });
        return;
      } catch (error) {
        failures++;
        this.#env.log.debug("Cannot name the keys yet.", { why: sentenceOf(error) });
        const pause = pauseMs(clusterBackoff, failures, this.#env.random());
        await this.#env.clock.sleep(pause, this.#signal).catch(() => undefined);
      }
    }
  }
}

function watchOf(watcher: Watcher, index: number): Watch {
  return {
    index,
    next: (signal) => watcher.next(signal),
    whenTold: (tell) => watcher.whenTold(tell),
    close: () => watcher.close(),
  };
}

/** 52 bits of chance, as hexadecimal digits without zeros in front. */
function randomHex(env: Env): string {
  return Math.floor(1 + env.random() * (2 ** 52 - 1)).toString(16);
}
