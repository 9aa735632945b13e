/** What is stored of one path: a file when it has a value, otherwise a directory. */
export interface KeyNode {
  /** Begins with `/`, has no other slash at its end; the root has no record of its own. */
  readonly path: string;
  readonly value: string | undefined;
  readonly createdIndex: number;
  readonly modifiedIndex: number;
  /** When it expires, in ms since 1970; undefined: never. */
  readonly deadlineMs: number | undefined;
}

/** A node as clients see it; the order of the fields is the order in the JSON text. */
export interface ShownNode {
  /** Absent on the root. */
  readonly key?: string;
  readonly value?: string;
  readonly dir?: true;
  /** RFC 3339, UTC. */
  readonly expiration?: string;
  /** Seconds left, rounded up; absent when they are 0. */
  readonly ttl?: number;
  /** Absent when there are none to show. */
  readonly nodes?: readonly ShownNode[];
  readonly modifiedIndex?: number;
  readonly createdIndex?: number;
}

/** What a change does, as the `action` of the v2 API names it. */
export type Action =
  | "get"
  | "set"
  | "create"
  | "update"
  | "compareAndSwap"
  | "delete"
  | "compareAndDelete"
  | "expire";

/** The body of a successful answer, and one line of a watch. */
export interface KeysEvent {
  readonly action: Action;
  readonly node: ShownNode;
  readonly prevNode?: ShownNode;
}

/** One entry of the event history. */
export interface LoggedEvent {
  readonly index: number;
  readonly event: KeysEvent;
  /** A refresh: it used an index, but watchers are not told. */
  readonly silent: boolean;
  /** Which write made it, so that a gateway that lost the answer recognizes its own write. */
  readonly writer: string;
}

/** What a compare demands; an empty `value` and an index of 0 demand nothing. */
export interface Condition {
  readonly value: string;
  /** 64 bits, so that the text of a failed compare shows what was asked. */
  readonly index: bigint;
}

interface NewContent {
  readonly path: string;
  readonly value: string;
  /** In ms since 1970; undefined: permanent. */
  readonly deadlineMs: number | undefined;
}

/** A change that was asked for, after its parameters were found to be in order. */
export type WriteOperation =
  | (NewContent & { readonly do: "set"; readonly directory: boolean; readonly refresh: boolean })
  | (NewContent & { readonly do: "create"; readonly directory: boolean; readonly inOrder: boolean })
  | (NewContent & { readonly do: "update"; readonly refresh: boolean })
  | (NewContent & { readonly do: "compareAndSwap"; readonly refresh: boolean; readonly condition: Condition })
  | {
      readonly do: "delete";
      readonly path: string;
      readonly directory: boolean;
      readonly recursive: boolean;
    }
  | { readonly do: "compareAndDelete"; readonly path: string; readonly condition: Condition }
  /** Made by a gateway, not by a client: the node goes if it still has this deadline. */
  | { readonly do: "expire"; readonly path: string; readonly deadlineMs: number };

export interface ReadOperation {
  readonly do: "read";
  readonly path: string;
  readonly recursive: boolean;
  readonly sorted: boolean;
  /** Ask the store first, so that nothing older than the request is answered. */
  readonly quorum: boolean;
}

export interface WatchOperation {
  readonly do: "watch";
  readonly path: string;
  readonly recursive: boolean;
  readonly stream: boolean;
  /** The first index of interest; 0: from now on. */
  readonly waitIndex: number;
}
