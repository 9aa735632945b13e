import type { Access } from "./access.ts";
import type { AuthDecision } from "./auth.ts";
import type { CountsShown } from "./counts.ts";
import type { KeysError } from "./errors.ts";
import type { KeysEvent, ReadOperation, WatchOperation, WriteOperation } from "./model.ts";

/**
 * The v2 keys: the rules of the etcd v2 API over a store. What goes wrong is a `KeysError`, also when the store cannot be
 * reached (300); calls reject only with their signal's reason.
 */
export interface Keyspace {
  /** Reads what this gateway knows, at once and without asking anyone, unless the operation demands a quorum. */
  read(operation: ReadOperation, signal: AbortSignal): Answer | KeysError | Promise<Answer | KeysError>;

  /**
   * Carries out one change. Resolves when reads of this gateway show it. After an error 300 that says so the change
   * may still be carried out later.
   * @param signal left out: it is carried out even if nobody waits for it any more
   */
  write(operation: WriteOperation, signal?: AbortSignal): Promise<Answer | KeysError>;

  /** Begins a watch, at once unless no keys were read yet; end it with `close`. */
  watch(operation: WatchOperation, signal: AbortSignal): Watch | KeysError | Promise<Watch | KeysError>;

  /** Users and roles as this gateway knows them; waits only while it has not read any keys yet. */
  access(signal: AbortSignal): Access | Promise<Access | KeysError>;

  /**
   * Changes users and roles in one order with the writes of keys. `decide` may be called several times, with the latest.
   * Resolves when this gateway goes by it.
   */
  changeAccess(
    decide: (access: Access) => AuthDecision,
    signal: AbortSignal,
  ): Promise<AuthDecision | KeysError>;

  /** Identities of members of the store that were removed over this API, the last ones of them. */
  removedMembers(): readonly string[];

  /** Lets the index go on, as etcd's does when its members change, and remembers who was removed. */
  noteMembers(
    indices: number,
    removed: string | undefined,
    signal: AbortSignal,
  ): Promise<KeysError | undefined>;

  /** What the gateway knows about itself. */
  status(): KeyspaceStatus;

  /** What the gateway has done, for people and monitors. */
  statistics(): KeyspaceStatistics;
}

export interface Answer {
  readonly event: KeysEvent;
  /** The index after the operation. */
  readonly index: number;
  /** The event as JSON, where that was made already. */
  readonly text?: string;
}

export interface Watch {
  /** The index when the watch began. */
  readonly index: number;
  /** The next event; undefined when the watch is over. Rejects with the signal's reason. */
  next(signal: AbortSignal): Promise<KeysEvent | undefined>;
  /** In place of `next`: calls `tell` once, with the next event, or with undefined when the watch is over without; maybe at once. */
  whenTold(tell: (event: KeysEvent | undefined) => void): void;
  close(): void;
}

export interface KeyspaceStatus {
  /** Hexadecimal; `0` while it is not known. */
  readonly clusterId: string;
  /** The index of the last change that reads show. */
  readonly index: number;
  /** The last change of the store that reads show. */
  readonly storeRevision: number;
  /** The store's term; 1 where there are no elections. */
  readonly storeTerm: number;
  /** Whether the gateway is connected to the store now. */
  readonly connected: boolean;
  /** Why it is not; undefined while it is. */
  readonly problem: string | undefined;
}

export interface KeyspaceStatistics {
  /** What the gateway has done since its start. */
  readonly counts: CountsShown;
  /** Watches that are open and wait for a change. */
  readonly watchers: number;
}
