import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { isFault } from "../lib/fault.ts";
import { momentAfter, momentUntil, parseCalendar } from "./calendar.ts";
import { rebootTimes, timesState } from "./reboot-times.ts";

process.env.TZ = "UTC";

function after(expression: string, from: string): string | undefined {
  const found = momentAfter(parseCalendar(expression, undefined), Date.parse(from));
  return found === undefined ? undefined : new Date(found).toISOString();
}

test("the next moment of an expression", () => {
  // 2026-11-22 is a Sunday.
  const table: readonly (readonly [string, string, string | undefined])[] = [
    ["Mon..Fri *-*-* 02:00 Europe/Berlin", "2026-11-22T13:00:00Z", "2026-11-23T01:00:00.000Z"],
    ["02:30", "2026-11-22T02:30:00Z", "2026-11-23T02:30:00.000Z"],
    ["Mon,Wed..Fri,Sun 1,3:0/15", "2026-11-22T03:20:00Z", "2026-11-22T03:30:00.000Z"],
    ["weekly", "2026-11-22T13:00:00Z", "2026-11-23T00:00:00.000Z"],
    ["quarterly", "2026-11-22T13:00:00Z", "2027-01-01T00:00:00.000Z"],
    ["*-02~03", "2026-11-22T13:00:00Z", "2027-02-26T00:00:00.000Z"],
    ["*-02~01 4:00", "2027-03-01T00:00:00Z", "2028-02-29T04:00:00.000Z"],
    ["Mon *-05~07/1", "2026-11-22T13:00:00Z", "2027-05-31T00:00:00.000Z"],
    ["12-24 3:00", "2026-11-22T13:00:00Z", "2026-12-24T03:00:00.000Z"],
    ["27-1..3/2-01 3:00:00/20", "2026-11-22T13:00:00Z", "2027-01-01T03:00:00.000Z"],
    ["Fri", "2026-11-22T13:00:00Z", "2026-11-27T00:00:00.000Z"],
    ["sunday 4:00 Asia/Tokyo", "2026-11-22T13:00:00Z", "2026-11-28T19:00:00.000Z"],
    ["*:0/10", "2026-11-22T13:05:00Z", "2026-11-22T13:10:00.000Z"],
    ["2026-11-01", "2026-11-22T13:00:00Z", undefined],
    ["*-02-30", "2026-11-22T13:00:00Z", undefined],
    // The clocks of Berlin go forward at 2:00 on 2027-03-28, and back at 3:00 on 2026-10-25.
    ["02:30 Europe/Berlin", "2027-03-28T00:00:00Z", "2027-03-28T01:30:00.000Z"],
    ["04:00 Europe/Berlin", "2027-03-27T12:00:00Z", "2027-03-28T02:00:00.000Z"],
    ["02:30 Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T00:30:00.000Z"],
    ["02:30 Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00.000Z"],
    // Half an hour of summer time, and a zone that skipped a whole day.
    ["02:15 Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-03T15:45:00.000Z"],
    ["2011-12-31 00:00 Pacific/Apia", "2011-12-01T00:00:00Z", "2011-12-30T10:00:00.000Z"],
  ];
  for (const [expression, from, next] of table) assert.equal(after(expression, from), next, expression);
});

test("the moment before is the one that the next one follows", () => {
  const week = 7 * 86_400_000;
  for (const expression of ["Sat 22:30 Europe/Berlin", "*:0/10", "Mon..Fri 02:00", "daily"]) {
    const calendar = parseCalendar(expression, undefined);
    for (let at = Date.parse("2026-10-20"), step = 0; step < 60; step++, at += 7_234_567) {
      const before = momentUntil(calendar, at, week);
      const next = momentAfter(calendar, at);
      assert.ok(before !== undefined && before <= at, expression);
      assert.equal(momentAfter(calendar, before), next, expression);
    }
  }
  assert.equal(
    momentUntil(parseCalendar("Mon 2:00", undefined), Date.parse("2026-11-22"), 3_600_000),
    undefined,
  );
});

test("what is no expression is refused with its reason", () => {
  const refused = [
    "",
    "noon",
    "25:00",
    "*-13-01",
    "Sat..Mon 3:00",
    "Mon..Tue..Wed",
    "1..5",
    "4:00 Mars/Base",
    "Moonday",
  ];
  for (const text of [...refused, "*-*-* */6:00", "04:00:00.5", "@1395716396", "4:00 UTC more"]) {
    assert.throws(
      () => parseCalendar(text, undefined),
      (error) => isFault(error, "bad-window") && error.message.startsWith("unable to parse "),
      text,
    );
  }
});

test("windows by calendar and zone", () => {
  const none = { start: "", length: "", calendar: "", zone: "" };
  assert.equal(rebootTimes(none), undefined);
  const nights = rebootTimes({ ...none, calendar: "Mon..Fri 23:00", length: "4h", zone: "America/New_York" });
  assert.ok(nights);
  // Friday night in New York lasts into Saturday.
  assert.equal(timesState(nights, Date.parse("2026-11-21T07:59:59Z"))?.open, true);
  assert.deepEqual(timesState(nights, Date.parse("2026-11-21T08:00:01Z")), {
    open: false,
    opensAt: Date.parse("2026-11-24T04:00:00Z"),
    waitMs: Date.parse("2026-11-24T04:00:00Z") - Date.parse("2026-11-21T08:00:01Z"),
  });
  const over = rebootTimes({ ...none, calendar: "2026-01-01", length: "1h" });
  assert.ok(over);
  assert.equal(timesState(over, Date.parse("2026-11-22")), undefined);
  const london = rebootTimes({ ...none, start: "Sun 01:30", length: "1h", zone: "Europe/London" });
  assert.ok(london);
  // Clocks go forward at 1:00 on 2027-03-28: the window of that day begins at 2:30 on the clock.
  assert.deepEqual(timesState(london, Date.parse("2027-03-28T01:29:00Z")), {
    open: false,
    opensAt: Date.parse("2027-03-28T01:30:00Z"),
    waitMs: 60_000,
  });
  for (const half of [{ start: "4:00" }, { length: "1h" }, { calendar: "daily" }]) {
    assert.throws(() => rebootTimes({ ...none, ...half }), /give both or none/);
  }
  assert.throws(
    () => rebootTimes({ ...none, start: "4:00", calendar: "daily", length: "1h" }),
    /one of them/,
  );
  assert.throws(() => rebootTimes({ ...none, start: "4:00", length: "1h", zone: "Nowhere" }), /time zone/);
});

test("systemd itself names the same moments", () => {
  const expressions = [
    "Mon..Fri *-*-* 02:00 Europe/Berlin",
    "Mon,Wed..Fri,Sun 1,3:0/15",
    "*-02~03",
    "Mon *-05~07/1",
    "12-24 3:00",
    "quarterly",
    "Sat 22:30 UTC",
    "*-*-1..7/2 0..6/3:10",
  ];
  for (const expression of expressions) {
    const words = ["calendar", "--iterations=6", "--base-time=2026-11-22 12:00:00 UTC", expression];
    const { stdout, error } = spawnSync("systemd-analyze", words, {
      encoding: "utf8",
      env: { ...process.env, TZ: "UTC", LANG: "C" },
    });
    assert.equal(error, undefined, "systemd-analyze is there");
    const theirs = [...stdout.matchAll(/(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC$/gm)].map(
      ([, date, time]) => `${date}T${time}.000Z`,
    );
    const ours: string[] = [];
    for (let from: string | undefined = "2026-11-22T12:00:00Z"; ours.length < theirs.length && from; ) {
      from = after(expression, from);
      if (from !== undefined) ours.push(from);
    }
    assert.ok(theirs.length >= 6, stdout);
    assert.deepEqual(ours, theirs, expression);
  }
});
