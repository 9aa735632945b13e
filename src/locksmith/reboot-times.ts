import { Fault } from "../lib/fault.ts";
import { type Calendar, momentAfter, momentUntil, parseCalendar } from "./calendar.ts";
import { parseLength, parseWindow, type WindowState } from "./window.ts";

/** When a machine may reboot, as its settings tell it; empty is not set. */
export interface WindowSettings {
  /** locksmith's `[DAY ]HH:MM`. */
  readonly start: string;
  /** A Go duration. */
  readonly length: string;
  /** Argosy's own: a calendar expression of systemd.time(7) in place of `start`. */
  readonly calendar: string;
  /** Argosy's own: a time zone of the IANA database; empty: that of the machine. */
  readonly zone: string;
}

/** Windows that open again and again. */
export interface RebootTimes {
  readonly calendar: Calendar;
  readonly lengthMs: number;
}

const mostLengthMs = 7 * 86_400_000;
const dayNames = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/**
 * Reads the settings of the windows; undefined when there are none and any time will do.
 * Throws Fault `bad-window`, with locksmith's words where it had any.
 */
export function rebootTimes({ start, length, calendar, zone }: WindowSettings): RebootTimes | undefined {
  const named = zone === "" ? undefined : zone;
  if (start === "" && calendar === "" && length === "") return undefined;
  if (start !== "" && calendar !== "")
    throw new Fault("bad-window", "the window has a start and a calendar; give one of them");
  if (length === "" || (start === "" && calendar === ""))
    throw new Fault("bad-window", "a window has a start and a length; give both or none");
  if (calendar !== "") {
    const lengthMs = parseLength(length, mostLengthMs);
    return { calendar: parseCalendar(calendar, named), lengthMs };
  }
  const { day, hour, minute, lengthMs } = parseWindow(start, length);
  const weekday = day === undefined ? "" : `${dayNames[day] ?? ""} `;
  return { calendar: parseCalendar(`${weekday}${hour}:${minute}`, named), lengthMs };
}

/** Whether a window is open, its end included, until when, or when the next one opens; undefined when none ever will. */
export function timesState({ calendar, lengthMs }: RebootTimes, nowMs: number): WindowState | undefined {
  const opened = momentUntil(calendar, nowMs, lengthMs);
  if (opened !== undefined) return { open: true, closesAt: opened + lengthMs };
  const opensAt = momentAfter(calendar, nowMs);
  return opensAt === undefined ? undefined : { open: false, opensAt, waitMs: opensAt - nowMs };
}
