/** When the engine asks its server. */
export interface CheckSchedule {
  /** The first check after a start, and how far it is spread to either side, in ms. */
  readonly firstMs: number;
  readonly firstSpreadMs: number;
  /** The time between checks, and how far it is spread to either side, in ms. */
  readonly everyMs: number;
  readonly spreadMs: number;
  /** What neither a server's wish nor its trouble goes beyond, in ms. */
  readonly mostMs: number;
}

const minuteMs = 60_000;

/** update_engine's own times. */
export const usualSchedule: CheckSchedule = {
  firstMs: 7 * minuteMs,
  firstSpreadMs: 5 * minuteMs,
  everyMs: 45 * minuteMs,
  spreadMs: 5 * minuteMs,
  mostMs: 240 * minuteMs,
};

/** How long until the first check. @param chance in [0, 1) */
export function firstPauseMs({ firstMs, firstSpreadMs }: CheckSchedule, chance: number): number {
  return spread(firstMs, firstSpreadMs, chance);
}

/**
 * How long until the next check. A server's own wish replaces the usual time within its bounds; each answer 500 or 503 in a
 * row doubles it. Both are spread by half to either side, so that machines do not come back together.
 */
export function nextPauseMs(
  schedule: CheckSchedule,
  { pollSeconds, troubles }: { readonly pollSeconds?: number | undefined; readonly troubles: number },
  chance: number,
): number {
  const { everyMs, spreadMs, mostMs } = schedule;
  const wishedMs =
    pollSeconds === undefined ? everyMs : Math.min(Math.max(pollSeconds * 1000, everyMs), mostMs);
  if (troubles > 0) {
    const doubledMs = Math.min(wishedMs * 2 ** Math.min(troubles, 30), Math.max(mostMs, wishedMs));
    return spread(doubledMs, doubledMs / 2, chance);
  }
  return pollSeconds === undefined
    ? spread(everyMs, spreadMs, chance)
    : spread(wishedMs, wishedMs / 2, chance);
}

const dayMs = 24 * 60 * minuteMs;

/** How long a release waits after all its folders failed for the `rounds`th time: a day, doubling up to 16, 6 hours to either side. */
export function payloadPauseMs(rounds: number, chance: number): number {
  return spread(Math.min(2 ** (rounds - 1), 16) * dayMs, dayMs / 4, chance);
}

function spread(middleMs: number, byMs: number, chance: number): number {
  return Math.max(0, middleMs + (2 * chance - 1) * byMs);
}
