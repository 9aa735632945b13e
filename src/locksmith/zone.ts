import { Fault } from "../lib/fault.ts";

/** A date and a time as a clock on a wall shows them. */
export interface WallTime {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

const dayMs = 86_400_000;

/** A time zone of the IANA database, or the one of this machine; knows the offsets of summer and winter. */
export class Zone {
  readonly #format: Intl.DateTimeFormat;

  /** @param name such as `Europe/Berlin`; undefined: that of this machine. Throws Fault `bad-window`. */
  constructor(name: string | undefined) {
    try {
      this.#format = new Intl.DateTimeFormat("en-US", {
        ...(name === undefined ? {} : { timeZone: name }),
        calendar: "gregory",
        numberingSystem: "latn",
        hourCycle: "h23",
        year: "numeric",
        month: "numeric",
        day: "numeric",
        hour: "numeric",
        minute: "numeric",
        second: "numeric",
      });
    } catch {
      throw new Fault(
        "bad-window",
        `unable to parse time zone: there is no ${JSON.stringify(name)}; give one such as Europe/Berlin`,
      );
    }
  }

  /** What the clock shows at a moment, in milliseconds since 1970. */
  wall(atMs: number): WallTime {
    const parts = new Map(this.#format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]));
    const part = (name: Intl.DateTimeFormatPartTypes): number => parts.get(name) ?? 0;
    return {
      year: part("year"),
      month: part("month"),
      day: part("day"),
      hour: part("hour"),
      minute: part("minute"),
      second: part("second"),
    };
  }

  /**
   * When the clock shows this. A time that it shows twice, because it is set back, is the first of them; one that it never shows,
   * because it is set forward, is as long after the jump as it would have been after its beginning.
   */
  moment(wall: WallTime): number {
    const asUtc = utcOf(wall);
    // Zones change their offset at most once within two days.
    const [before, after] = [this.#offset(asUtc - dayMs), this.#offset(asUtc + dayMs)];
    const shows = (offset: number): boolean => this.#offset(asUtc - offset) === offset;
    const fitting = [before, after].filter(shows).map((offset) => asUtc - offset);
    return fitting.length === 0 ? asUtc - before : Math.min(...fitting);
  }

  /** How far the clock is ahead of UTC, in milliseconds. */
  #offset(atMs: number): number {
    const wholeMs = Math.floor(atMs / 1000) * 1000;
    return utcOf(this.wall(wholeMs)) - wholeMs;
  }
}

function utcOf({ year, month, day, hour, minute, second }: WallTime): number {
  return Date.UTC(year, month - 1, day, hour, minute, second);
}
