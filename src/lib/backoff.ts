/** How long to wait between tries: doubling from `firstMs` to `mostMs`. */
export interface Backoff {
  readonly firstMs: number;
  readonly mostMs: number;
}

/**
 * The pause before try number `attempt` (the first repetition is 1), with full jitter above one half,
 * so that machines which lost the same thing at the same moment do not come back together.
 * @param chance a number in [0, 1)
 */
export function pauseMs(backoff: Backoff, attempt: number, chance: number): number {
  const doubled = backoff.firstMs * 2 ** Math.min(attempt - 1, 30);
  const whole = Math.min(doubled, backoff.mostMs);
  return whole / 2 + (whole / 2) * chance;
}
