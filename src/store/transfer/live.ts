import type { Entry, Store } from "../store.ts";
import {
  carryLeases,
  type Content,
  type Digest,
  digestOf,
  readContent,
  writeContent,
  writeDifference,
} from "./content.ts";
import { compare } from "./migrate.ts";

/** A copy that was begun while its source is written to. */
export interface LiveCopy {
  /**
   * Carries over what has changed since, and compares both sides. Nobody may write to either store from here on.
   * Throws Fault `store-differs`, and the stores' own Faults.
   */
  finish(): Promise<Digest>;
}

/**
 * Copies everything of Argosy from one store to an empty one while the first is used, so that its users have to wait only for
 * the rest. Throws Fault `store-not-empty`, `store-half-full`, and the stores' own Faults.
 */
export async function copyWhileUsed(from: Store, to: Store): Promise<LiveCopy> {
  const first = await readContent(from);
  await writeContent(to, first.lasting, { replace: false, progress: () => undefined });
  // Most of what changed during the long first round goes over in a second one, which is short.
  const second = await carryRest(from, to, first);
  return {
    async finish() {
      const last = await carryRest(from, to, second);
      await writeDifference(to, await carryLeases(from, to, last.leased), []);
      const digest = digestOf(last.lasting);
      await compare(to, digest);
      return digest;
    },
  };
}

/** Carries over what changed since `before`; returns what is there now. */
async function carryRest(from: Store, to: Store, before: Content): Promise<Content> {
  const now = await readContent(from);
  const { changed, gone } = differenceOf(before.lasting, now.lasting);
  await writeDifference(to, changed, gone);
  return now;
}

/** What has to be put and deleted to come from one content to the other. */
export function differenceOf(
  before: readonly Entry[],
  now: readonly Entry[],
): { readonly changed: readonly Entry[]; readonly gone: readonly string[] } {
  const revisions = new Map(before.map(({ key, modRevision }) => [key, modRevision]));
  const changed = now.filter(({ key, modRevision }) => revisions.get(key) !== modRevision);
  for (const { key } of now) revisions.delete(key);
  return { changed, gone: [...revisions.keys()] };
}
