import { Fault } from "../lib/fault.ts";
import type { OfficeHours } from "./server-records.ts";

const dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;

/** Whether a moment lies within the hours. An unknown time zone is never within: nobody is updated by mistake. */
export function isWithin({ days, fromMinute, toMinute, zone }: OfficeHours, nowMs: number): boolean {
  let parts: Intl.DateTimeFormatPart[];
  try {
    const format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      weekday: "short",
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
    parts = format.formatToParts(nowMs);
  } catch {
    return false;
  }
  const part = (type: string): string => parts.find((each) => each.type === type)?.value ?? "";
  const day = dayNames.findIndex((name) => name === part("weekday").toLowerCase());
  const minute = Number(part("hour")) * 60 + Number(part("minute"));
  if (fromMinute < toMinute) return days.includes(day) && minute >= fromMinute && minute < toMinute;
  const dayBefore = (day + 6) % 7;
  return (days.includes(day) && minute >= fromMinute) || (days.includes(dayBefore) && minute < toMinute);
}

/** Reads hours such as `Mon-Fri 09:00-17:00` and a time zone; those that end before they begin end on the day after. Throws Fault `bad-hours`. */
export function parseHours(text: string, zone: string): OfficeHours {
  const [, first = "", last, fromHour = "", fromMinutes = "", toHour = "", toMinutes = ""] =
    /^([a-z]{3})(?:-([a-z]{3}))? (\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})$/i.exec(text.trim()) ?? [];
  const from = dayNumber(first);
  const to = dayNumber(last ?? first);
  const fromMinute = Number(fromHour) * 60 + Number(fromMinutes);
  const toMinute = Number(toHour) * 60 + Number(toMinutes);
  const fits =
    Number(fromMinutes) < 60 &&
    Number(toMinutes) < 60 &&
    fromMinute !== toMinute &&
    fromMinute < 24 * 60 &&
    toMinute <= 24 * 60;
  if (from < 0 || to < 0 || !fits) {
    throw new Fault(
      "bad-hours",
      `"${text}" are no hours; write them as Mon-Fri 09:00-17:00, Sun 02:00-06:00, or Sat-Sun 22:00-04:00 for the nights that begin then`,
    );
  }
  if (!isZone(zone))
    throw new Fault("bad-hours", `"${zone}" is no time zone; write one such as Europe/Berlin or UTC`);
  const length = ((to - from + 7) % 7) + 1;
  const days = Array.from({ length }, (_, step) => (from + step) % 7);
  return { days, fromMinute, toMinute, zone };
}

/** Hours as `parseHours` reads them, with their time zone. */
export function hoursText({ days, fromMinute, toMinute, zone }: OfficeHours): string {
  const name = (day: number | undefined): string => {
    const text = dayNames[day ?? 0] ?? "";
    return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  };
  const time = (minute: number): string =>
    `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
  const range = days.length === 1 ? name(days[0]) : `${name(days[0])}-${name(days.at(-1))}`;
  return `${range} ${time(fromMinute)}-${time(toMinute)} ${zone}`;
}

function dayNumber(text: string): number {
  return dayNames.findIndex((name) => name === text.toLowerCase());
}

function isZone(zone: string): boolean {
  if (zone === "") return false;
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: zone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}
