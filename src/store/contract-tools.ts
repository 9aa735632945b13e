import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import type { Env } from "../lib/env.ts";
import { isFault } from "../lib/fault.ts";
import { under } from "./range.ts";
import type { Change, ChangeBatch, Entry, Operation, Revision, Store } from "./store.ts";

export type Run = (title: string, body: (store: Store, prefix: string) => Promise<void>) => void;

/** An Env on real time that says nothing, for tests of engines. */
export function silentEnv(): Env {
  return {
    clock: {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      sleep: (ms, signal) => (signal === undefined ? setTimeout(ms) : abortable(ms, signal)),
    },
    random: Math.random,
    log: { debug: silent, info: silent, warning: silent, error: silent },
  };
}

/** Commits without a condition and returns the revision. */
export async function commit(store: Store, then: readonly Operation[]): Promise<Revision> {
  const outcome = await store.commit({ when: [], then });
  assert.ok(outcome.committed);
  return outcome.revision;
}

export function put(key: string, value: string, lease?: string): Operation {
  return lease === undefined ? { do: "put", key, value } : { do: "put", key, value, lease };
}

/** Checks a rejection: a Fault with this code, in one sentence. */
export function fault(code: string): (error: unknown) => true {
  return (error) => {
    assert.ok(isFault(error), `a Fault, not ${String(error)}`);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, /^Cannot [^\n]+\.$/);
    return true;
  };
}

/** A watch that is read step by step. */
export interface Followed {
  /** What came since the last call, up to `revision` or later, as lines of `revision: name=value`. */
  next(revision: Revision): Promise<string[]>;
  end(): Promise<void>;
}

export function follow(store: Store, prefix: string, after: Revision): Followed {
  const stop = new AbortController();
  const batches = store.watch(under(prefix), after, stop.signal)[Symbol.asyncIterator]();
  let last = after;
  return {
    async next(revision) {
      const lines: string[] = [];
      while (last < revision) {
        const { value, done }: IteratorResult<ChangeBatch, unknown> = await batches.next();
        assert.ok(done !== true, "a watch does not end by itself");
        assert.ok(value.revision > last, "revisions only grow");
        last = value.revision;
        lines.push(...value.changes.map((change) => lineOf(prefix, change)));
      }
      return lines;
    },
    async end() {
      const reason = new Error("the test has seen enough");
      stop.abort(reason);
      await assert.rejects(async () => batches.next(), reason);
    },
  };
}

export async function valuesAt(store: Store, prefix: string, atRevision: Revision): Promise<string[]> {
  const { entries } = await store.read(under(prefix), { atRevision });
  return entries.map((entry) => `${entry.key.slice(prefix.length)}=${entry.value}`);
}

export function keysAndValues(entries: readonly Entry[]): string[] {
  return entries.map((entry) => `${entry.key}=${entry.value}`);
}

export async function drain(batches: AsyncIterable<ChangeBatch>): Promise<void> {
  for await (const _ of batches);
}

function lineOf(prefix: string, change: Change): string {
  if (change.kind === "delete") return `${change.modRevision}: ${change.key.slice(prefix.length)} gone`;
  const { key, value, modRevision } = change.entry;
  return `${modRevision}: ${key.slice(prefix.length)}=${value}`;
}

async function abortable(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

function silent(): void {}
