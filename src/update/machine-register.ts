/** Machines that the update server keeps; a network address can claim to be any number of them. */
export const mostMachines = 10_000;

/** A machine that was not heard of for this long gives its place to a new one when there are no others. */
export const absentAfterMs = 24 * 3600_000;

/** Machines that are forgotten at once, so that the register is not gone through for each new one. */
export const mostForgotten = 100;

/** When it was looked for places and there were none, nobody looks again before this has passed. */
const leastPauseMs = 60_000;

/** A machine as far as its place is concerned. */
export interface Registered {
  readonly key: string;
  /** Of its record in the store. */
  readonly modRevision: number;
  /** ms since 1970; 0 where the record cannot be read. */
  readonly seenMs: number;
}

/** Who makes room for a new machine in a full register, or until when nobody does (ms since 1970). */
export type Room = { readonly forget: readonly Registered[] } | { readonly noneUntilMs: number };

/**
 * Makes room: those that were not heard of for the longest go first, and none that was heard of within a day. So whoever
 * invents machines fills the register at most, and machines that ask every hour keep their places.
 */
export function roomAmong(machines: readonly Registered[], most: number, nowMs: number): Room {
  const surplus = machines.length - most + 1;
  if (surplus <= 0) return { forget: [] };
  const byAge = machines.toSorted((left, right) => left.seenMs - right.seenMs);
  const absent = byAge.filter(({ seenMs }) => seenMs <= nowMs - absentAfterMs);
  if (absent.length >= surplus) return { forget: absent.slice(0, mostForgotten) };
  const next = (byAge[surplus - 1]?.seenMs ?? nowMs) + absentAfterMs;
  return { noneUntilMs: Math.max(next, nowMs + leastPauseMs) };
}
