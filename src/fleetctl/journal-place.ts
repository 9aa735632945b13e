import { type JournalOptions, type JournalWindow, mostJournalLines } from "../fleet/local-machine.ts";
import type { Clock } from "../lib/env.ts";

/** The last lines that are kept, to find the place again in a journal that has lost old lines. */
const mostKeptLines = 1000;

/**
 * How far the journal of one unit on one machine was printed: all before an instant of the machine's clock, and so many lines from
 * then on. Told again from the same instant, the journal begins with just these lines, whatever they say.
 */
export class JournalPlace {
  /** Lines that were printed from the instant on. */
  count = 0;
  /** The last lines that were printed. */
  readonly last: string[] = [];
  /** Whether the last lines are wanted and nothing was read yet. */
  isUntouched: boolean;
  #endMs: number | undefined;
  #fromMs: number | undefined;

  /** @param fromMs from when on everything is wanted, by the clock of this process; undefined for the last lines */
  constructor(fromMs: number | undefined) {
    this.#fromMs = fromMs;
    this.isUntouched = fromMs === undefined;
  }

  /** From where to read; nothing while the last lines are wanted. */
  begin(clock: Clock): Partial<JournalOptions> & JournalWindow {
    if (this.#endMs !== undefined) return { lines: mostJournalLines, sinceMs: this.#endMs };
    if (this.#fromMs === undefined) return {};
    return { lines: mostJournalLines, withinMs: clock.monotonic() - this.#fromMs };
  }

  /**
   * Everything before an instant is printed, the last of it `fresh`.
   * @param endMs undefined when the machine's fleet is older than this and names none: then this process's clock has to do
   */
  caughtUp(fresh: readonly string[], endMs: number | undefined, clock: Clock): void {
    this.isUntouched = false;
    this.#keep(fresh);
    this.#endMs = endMs;
    this.#fromMs = clock.monotonic();
    this.count = 0;
  }

  /** More lines were printed. */
  followed(lines: readonly string[], clock: Clock): void {
    this.#keep(lines);
    if (this.#endMs === undefined) this.#fromMs = clock.monotonic();
    else this.count += lines.length;
  }

  #keep(lines: readonly string[]): void {
    this.last.push(...lines.slice(-mostKeptLines));
    this.last.splice(0, this.last.length - mostKeptLines);
  }
}

/**
 * Where in `lines` those begin that were not printed, when `last` were the last that were, `count` of them since `lines` begin. That is
 * behind the first `count`, unless other lines stand there: then the journal has lost old lines, and it is the nearest place behind
 * lines like the last ones. Without such a place all lines are new: a doubled line is better than a lost one.
 */
export function firstNewLine(lines: readonly string[], last: readonly string[], count: number): number {
  for (let distance = 0; distance <= Math.max(count, lines.length); distance++) {
    for (const place of [count - distance, count + distance])
      if (place >= 0 && place <= lines.length && standsBehind(lines, place, last)) return place;
  }
  return 0;
}

function standsBehind(lines: readonly string[], place: number, last: readonly string[]): boolean {
  const compared = Math.min(place, last.length);
  for (let back = 1; back <= compared; back++)
    if (lines[place - back] !== last[last.length - back]) return false;
  return true;
}
