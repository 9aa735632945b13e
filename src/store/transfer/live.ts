import { Fault } from "../../lib/fault.ts";
import { exactly } from "../range.ts";
import type { Entry, Store } from "../store.ts";
import {
  carriedRange,
  carryLeases,
  type Content,
  type Digest,
  digestOf,
  readContent,
  writeContent,
  writeDifference,
} from "./content.ts";
import { compare } from "./migrate.ts";

/** Entries that are looked at again at once. */
const mostReads = 16;

/** A copy that was begun while its source is written to. */
export interface LiveCopy {
  /**
   * Carries over what has changed since, and looks at it again in the copy. Nobody may write to either store from here on.
   * Throws Fault `store-differs`, and the stores' own Faults.
   */
  finish(): Promise<Digest>;
}

/**
 * Copies everything of Argosy from one store to an empty one while the first is used, and compares both sides as they were at a
 * moment of it: its users have to wait only for what changed after that. The first one is of this process.
 * Throws Fault `store-not-empty`, `store-half-full`, `store-differs`, and the stores' own Faults.
 */
export async function copyWhileUsed(from: Store, to: Store): Promise<LiveCopy> {
  const first = await readContent(from);
  await writeContent(to, first.lasting, { replace: false, progress: () => undefined });
  const second = await carryRest(from, to, first);
  await compare(to, digestOf(second.now.lasting));
  // The rounds before took their time; what changed meanwhile is little, and what changes during this one next to nothing.
  const third = await carryRest(from, to, second.now);
  return {
    async finish() {
      const last = await carryRest(from, to, third.now);
      await writeDifference(to, await carryLeases(from, to, last.now.leased), []);
      for (const { changed, gone } of [third, last]) await lookAgain(to, last.now, changed, gone);
      return digestOf(last.now.lasting);
    },
  };
}

interface Round {
  readonly now: Content;
  readonly changed: readonly Entry[];
  readonly gone: readonly string[];
}

/** Carries over what changed since `before`. */
async function carryRest(from: Store, to: Store, before: Content): Promise<Round> {
  const { revision, entries } = await from.read(carriedRange);
  const lasting = entries.filter(({ lease }) => lease === undefined);
  const leased = entries.filter(({ lease }) => lease !== undefined);
  const { changed, gone } = differenceOf(before.lasting, lasting);
  await writeDifference(to, changed, gone);
  return { now: { revision, lasting, leased }, changed, gone };
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

/** Throws Fault `store-differs` when the copy does not hold what was carried over to it. */
async function lookAgain(
  copy: Store,
  { lasting, leased }: Content,
  changed: readonly Entry[],
  gone: readonly string[],
): Promise<void> {
  const wanted = new Map([...lasting, ...leased].map(({ key, value }) => [key, value]));
  const keys = [...changed.map(({ key }) => key), ...gone];
  const look = async (): Promise<void> => {
    for (let key = keys.pop(); key !== undefined; key = keys.pop()) {
      const [found] = (await copy.read(exactly(key))).entries;
      if (found?.value === wanted.get(key)) continue;
      throw new Fault("store-differs", `Cannot confirm the copy, it does not hold ${key} as it was written.`);
    }
  };
  await Promise.all(Array.from({ length: mostReads }, look));
}
