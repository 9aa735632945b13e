import { Fault } from "../lib/fault.ts";

/** A time in which machines may reboot, daily or weekly, in the local time of the machine. */
export interface RebootWindow {
  /** 0 is Sunday; undefined: every day. */
  readonly day: number | undefined;
  readonly hour: number;
  readonly minute: number;
  /** May be 0: open at the very start only. */
  readonly lengthMs: number;
}

/** How a window stands at some moment; times are milliseconds since 1970. */
export type WindowState =
  | { readonly open: true; readonly closesAt: number }
  | { readonly open: false; readonly opensAt: number; readonly waitMs: number };

const hourMs = 3_600_000;
const dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/**
 * Reads a window as locksmith's settings write it (REBOOT_WINDOW_START, REBOOT_WINDOW_LENGTH).
 * @param start `[DAY ]HH:MM`, such as `Thu 04:00`
 * @param length a Go duration, below a day, or below a week when there is a day
 * Throws Fault `bad-window` in locksmith's words.
 */
export function parseWindow(start: string, length: string): RebootWindow {
  const begin = parseStart(start);
  return { ...begin, lengthMs: parseLength(length, (begin.day === undefined ? 24 : 168) * hourMs) };
}

/**
 * Reads the length of a window, in milliseconds.
 * @param periodMs what it has to be shorter than
 * Throws Fault `bad-window` in locksmith's words.
 */
export function parseLength(length: string, periodMs: number): number {
  const lengthMs = parseDuration(length);
  if (lengthMs < 0) throw badLength("duration cannot be negative");
  if (lengthMs >= periodMs) throw badLength("duration cannot exceed period");
  return lengthMs;
}

function parseStart(text: string): Pick<RebootWindow, "day" | "hour" | "minute"> {
  const fields = text.split(/\s+/).filter((field) => field !== "");
  const [dayText, time] = fields.length === 2 ? [fields[0], fields[1]] : [undefined, fields[0]];
  if (time === undefined || fields.length > 2) throw badStart("wrong number of fields");
  const day = dayText === undefined ? undefined : dayNames.indexOf(dayText.toLowerCase());
  if (day === -1) throw badStart(`invalid day of week ${JSON.stringify(dayText)}`);
  const [, hourText, minuteText] = /^(\d+):(\d+)$/.exec(time) ?? [];
  const [hour, minute] = [Number(hourText), Number(minuteText)];
  const problem = Number.isNaN(hour)
    ? "it is not HH:MM"
    : hour > 23
      ? "there is no such hour"
      : minute > 59
        ? "there is no such minute"
        : undefined;
  if (problem !== undefined) throw badStart(`invalid time of day ${JSON.stringify(time)}: ${problem}`);
  return { day, hour, minute };
}

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: hourMs,
};

/** A duration as Go's time.ParseDuration reads it, in milliseconds. */
function parseDuration(text: string): number {
  const [, sign = "", parts = ""] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (parts === "0") return 0;
  if (/^(\d+\.?\d*|\.\d+)$/.test(parts)) throw badLength(`missing unit in duration ${JSON.stringify(text)}`);
  if (!/^((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/.test(parts)) {
    throw badLength(`invalid duration ${JSON.stringify(text)}`);
  }
  let sum = 0;
  for (const [, number, unit = ""] of parts.matchAll(/([\d.]+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    sum += Number(number) * (unitMs[unit] ?? 0);
  }
  return sign === "-" ? -sum : sum;
}

function badStart(problem: string): Fault {
  return new Fault("bad-window", `unable to parse start: ${problem}`);
}

function badLength(problem: string): Fault {
  return new Fault("bad-window", `unable to parse duration: ${problem}`);
}
