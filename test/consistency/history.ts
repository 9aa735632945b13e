/** What a key holds; undefined while it is absent. Every value is written at most once in a history. */
export type Value = string | undefined;

/** What was asked of one key. */
export type Request =
  | { readonly kind: "read" }
  | { readonly kind: "write"; readonly value: string }
  | { readonly kind: "swap"; readonly expected: string; readonly value: string }
  | { readonly kind: "delete"; readonly expected: string };

/**
 * How it ended. Every answer of the v2 API tells what the key held before: a read and a refusal as their answer, a change
 * as its `prevNode`. `unknown`: the change may have happened, may still happen, or never will.
 */
export type Result =
  | { readonly kind: "done"; readonly before: Value }
  | { readonly kind: "refused"; readonly before: Value }
  | { readonly kind: "unknown" };

/** One request and its end, on one clock for all machines. */
export interface Operation {
  readonly key: string;
  readonly request: Request;
  readonly result: Result;
  /** Nanoseconds. */
  readonly calledAt: number;
  /** Nanoseconds; no meaning when the result is unknown. */
  readonly endedAt: number;
}

/** A read that any machine answers from what it knows. */
export interface LocalRead {
  readonly machine: string;
  readonly calledAt: number;
  readonly endedAt: number;
  /** The X-Etcd-Index of the answer. */
  readonly index: number;
}
