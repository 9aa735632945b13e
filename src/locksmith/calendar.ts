import { Fault } from "../lib/fault.ts";
import { Zone } from "./zone.ts";

/** Moments that come again and again, as a calendar expression of systemd.time(7) tells them. */
export interface Calendar {
  /** 0 is Sunday; undefined: any. */
  readonly weekdays: ReadonlySet<number> | undefined;
  readonly years: Numbers;
  readonly months: Numbers;
  readonly days: Numbers;
  /** Days count from the end of the month: 1 is its last. */
  readonly fromEnd: boolean;
  readonly hours: readonly number[];
  readonly minutes: readonly number[];
  readonly seconds: readonly number[];
  readonly zone: Zone;
}

/** Numbers that fit; undefined: any. */
type Numbers = ((number: number) => boolean) | undefined;

const shorthands: Readonly<Record<string, string>> = {
  minutely: "*-*-* *:*:00",
  hourly: "*-*-* *:00:00",
  daily: "*-*-* 00:00:00",
  weekly: "Mon *-*-* 00:00:00",
  monthly: "*-*-01 00:00:00",
  quarterly: "*-01,04,07,10-01 00:00:00",
  semiannually: "*-01,07-01 00:00:00",
  yearly: "*-01-01 00:00:00",
  annually: "*-01-01 00:00:00",
};

/**
 * Reads a calendar expression of systemd.time(7): `[WEEKDAYS] [DATE] [TIME] [ZONE]`, or one of its words such as `weekly`. Fractions
 * of a second and `@SECONDS` are not taken, because no window needs them.
 * @param zone counts where the expression names none; undefined: that of this machine
 * Throws Fault `bad-window`.
 */
export function parseCalendar(text: string, zone: string | undefined): Calendar {
  const words = text.split(/\s+/).filter((word) => word !== "");
  const shorthand = shorthands[(words[0] ?? "").toLowerCase()];
  if (shorthand !== undefined) words.splice(0, 1, ...shorthand.split(" "));
  const weekdays = /^[a-z]{3,}([,.-].*)?$/i.test(words[0] ?? "") ? weekdaysOf(words[0] ?? "") : undefined;
  if (weekdays !== undefined) words.shift();
  const date = isDate(words[0]) ? words.shift() : undefined;
  const time = words[0]?.includes(":") === true ? words.shift() : undefined;
  const named = words.shift();
  const isNothing = weekdays === undefined && date === undefined && time === undefined;
  if (isNothing || words.length > 0)
    throw badCalendar(text, "it is not [WEEKDAYS] [DATE] [TIME] [ZONE] of systemd.time(7)");
  return {
    weekdays,
    ...dateOf(date ?? "*-*-*"),
    ...timeOf(time ?? "00:00:00"),
    zone: new Zone(named ?? zone),
  };
}

/** How far is looked ahead; what does not come in that time, such as a year that is over, never comes. */
const mostDaysAhead = 366 * 40;

/** The first of its moments after a moment; undefined when there is none any more. Both in milliseconds since 1970. */
export function momentAfter(calendar: Calendar, afterMs: number): number | undefined {
  for (let days = -1; days <= mostDaysAhead; days++) {
    const found = momentsOn(calendar, afterMs, days).find((moment) => moment > afterMs);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The last of its moments until a moment, that included, but none more than `backMs` before; undefined when there is none. */
export function momentUntil(calendar: Calendar, untilMs: number, backMs: number): number | undefined {
  const mostDays = Math.ceil(backMs / 86_400_000) + 1;
  for (let days = 1; days >= -mostDays; days--) {
    const found = momentsOn(calendar, untilMs, days).findLast((moment) => moment <= untilMs);
    if (found !== undefined) return untilMs - found <= backMs ? found : undefined;
  }
  return undefined;
}

/** The moments of the day so many days from a moment, in order. */
function momentsOn(calendar: Calendar, fromMs: number, days: number): readonly number[] {
  const today = calendar.zone.wall(fromMs);
  const date = new Date(Date.UTC(today.year, today.month - 1, today.day + days));
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()];
  const daysOfMonth = new Date(Date.UTC(year, month, 0)).getUTCDate();
  const fits =
    (calendar.weekdays?.has(date.getUTCDay()) ?? true) &&
    (calendar.years?.(year) ?? true) &&
    (calendar.months?.(month) ?? true) &&
    (calendar.days?.(calendar.fromEnd ? daysOfMonth - day + 1 : day) ?? true);
  if (!fits) return [];
  const { hours, minutes, seconds, zone } = calendar;
  return hours
    .flatMap((hour) =>
      minutes.flatMap((minute) =>
        seconds.map((second) => zone.moment({ year, month, day, hour, minute, second })),
      ),
    )
    .sort((a, b) => a - b);
}

/** A date has three parts or two, and a `~` in place of its last dash counts from the end. */
function isDate(word: string | undefined): boolean {
  return word !== undefined && !word.includes(":") && /^[\d*][\d*,./]*([-~][\d*,./]+){1,2}$/.test(word);
}

function dateOf(word: string): Pick<Calendar, "years" | "months" | "days" | "fromEnd"> {
  const [, early = "", mark, day = ""] = /^(.*)([-~])([^-~]*)$/.exec(word) ?? [];
  const [first = "", second] = early.split(/[-~]/);
  const [year, month] = second === undefined ? ["*", first] : [first, second];
  return {
    years: fitting(year, "year", [0, 9999], fullYear),
    months: fitting(month, "month", [1, 12]),
    days: mark === "~" ? fittingFromEnd(day) : fitting(day, "day", [1, 31]),
    fromEnd: mark === "~",
  };
}

/** Counted from the end of a month, steps lead towards it: `~07/1` is its last seven days. */
function fittingFromEnd(text: string): Numbers {
  const [, from = "", step = ""] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  if (step === "") return fitting(text, "day", [1, 31]);
  const first = fitting(from, "day", [1, 31]) && Number(from);
  const every = fitting(step, "step", [1, 31]) && Number(step);
  return (number) => number <= (first ?? 0) && ((first ?? 0) - number) % (every ?? 1) === 0;
}

/** Years of two digits are of 1970 to 2069, as systemd reads them. */
function fullYear(year: number): number {
  if (year > 99) return year;
  return year >= 70 ? year + 1900 : year + 2000;
}

function timeOf(word: string): Pick<Calendar, "hours" | "minutes" | "seconds"> {
  const parts = word.split(":");
  const [hour = "", minute = "", second = "00"] = parts;
  if (parts.length > 3) throw badCalendar(word, "it is not HH:MM or HH:MM:SS");
  return {
    hours: listed(hour, "hour", 23),
    minutes: listed(minute, "minute", 59),
    seconds: listed(second, "second", 59),
  };
}

function listed(text: string, what: string, most: number): readonly number[] {
  const fits = fitting(text, what, [0, most]);
  return Array.from({ length: most + 1 }, (_, at) => at).filter((number) => fits?.(number) ?? true);
}

/** `*`, or numbers, ranges `A..B`, and steps `A/STEP` or `A..B/STEP` with commas between. */
function fitting(
  text: string,
  what: string,
  [least, most]: readonly [number, number],
  meaning: (number: number) => number = (number) => number,
): Numbers {
  if (text === "*") return undefined;
  const ranges = text.split(",").map((piece) => {
    const [, from, to, step] = /^(\d+)(?:\.\.(\d+))?(?:\/(\d+))?$/.exec(piece) ?? [];
    const [first, every] = [meaning(Number(from)), Number(step ?? 1)];
    const last = to === undefined ? (step === undefined ? first : most) : meaning(Number(to));
    if (!(first >= least && first <= last && last <= most && every >= 1))
      throw badCalendar(piece, `it is no ${what} from ${least} to ${most}, range A..B or step A/N`);
    return { first, last, every };
  });
  return (number) =>
    ranges.some(
      ({ first, last, every }) => number >= first && number <= last && (number - first) % every === 0,
    );
}

const dayNames = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

function weekdaysOf(word: string): ReadonlySet<number> {
  const days = new Set<number>();
  for (const piece of word.split(",")) {
    const [from = "", to = from, ...more] = piece.split(/\.\.|-/);
    // A week begins on Monday here, as it does for systemd.
    const [first, last] = [(weekdayOf(from) + 6) % 7, (weekdayOf(to) + 6) % 7];
    if (more.length > 0 || first > last)
      throw badCalendar(piece, "it is no range of days from Monday to Sunday");
    for (let day = first; day <= last; day++) days.add((day + 1) % 7);
  }
  return days;
}

function weekdayOf(name: string): number {
  const small = name.toLowerCase();
  const found = dayNames.findIndex((day) => day === small || day.slice(0, 3) === small);
  if (found === -1) throw badCalendar(name, "it is no day of the week");
  return found;
}

function badCalendar(text: string, problem: string): Fault {
  return new Fault("bad-window", `unable to parse calendar: ${JSON.stringify(text)}: ${problem}`);
}
