import { crc32 } from "node:zlib";
import type { Entry, LeaseId } from "../store.ts";
import type { LeaseRow, StoreNames } from "./messages.ts";

/** Sums of checksums stay below this, so that they are exact. */
const sumModulus = 2 ** 48;

/** CRC-32 of everything that the row of an entry says. */
export function entryChecksum({ key, value, createRevision, modRevision, lease = "" }: Entry): number {
  return crc32(value, crc32(`${createRevision} ${modRevision} ${lease}\0${key}\0`));
}

/** CRC-32 of everything that the row of a lease says. */
export function leaseChecksum(id: LeaseId, { ttlMs, deadlineMs }: LeaseRow): number {
  return crc32(`lease ${id} ${ttlMs} ${deadlineMs}`);
}

/** CRC-32 of the row that counts all others. */
export function stateChecksum(names: StoreNames, revision: number, tally: Tally): number {
  const { clusterId, memberId } = names;
  return crc32(`state ${clusterId} ${memberId} ${revision} ${tally.count} ${tally.sum}`);
}

/** How many rows there are, and the sum of their checksums in whatever order: a row that is lost or old changes it. */
export interface Tally {
  readonly count: number;
  readonly sum: number;
}

export const emptyTally: Tally = { count: 0, sum: 0 };

/** The tally after a row with checksum `old` gave way to one with checksum `fresh`; undefined stands for no row. */
export function replaceInTally(tally: Tally, old: number | undefined, fresh: number | undefined): Tally {
  const count = tally.count + (fresh === undefined ? 0 : 1) - (old === undefined ? 0 : 1);
  const sum = (tally.sum + (fresh ?? 0) - (old ?? 0) + sumModulus) % sumModulus;
  return { count, sum };
}
