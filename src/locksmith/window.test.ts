import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isFault } from "../lib/fault.ts";
import { rebootTimes, timesState } from "./reboot-times.ts";
import { parseWindow, type WindowState } from "./window.ts";

process.env.TZ = "Europe/Berlin";

function stateOf(start: string, length: string, nowMs: number): WindowState {
  const times = rebootTimes({ start, length, calendar: "", zone: "" });
  assert.ok(times);
  const state = timesState(times, nowMs);
  assert.ok(state);
  return state;
}

/** 2026-11-19 is a Thursday. */
function at(text: string): number {
  return new Date(text).getTime();
}

test("windows are open as locksmith has them, their end included", () => {
  const seconds = (hours: number, minutes = 0, more = 0): number => (hours * 60 + minutes) * 60 + more;
  // Start, length, now, and seconds to wait: what locksmith 0.6.2 said.
  const seen: readonly (readonly [string, string, string, number])[] = [
    ["14:30", "1h", "2026-11-19T14:29:59", 1],
    ["14:30", "1h", "2026-11-19T15:30:00", 0],
    ["14:30", "1h", "2026-11-19T15:30:01", seconds(22, 59, 59)],
    ["02:33", "10h", "2026-11-19T12:33:00", 0],
    ["02:33", "10h", "2026-11-19T12:33:01", seconds(13, 59, 59)],
    ["23:00", "2h", "2026-11-19T00:30:00", 0],
    ["Thu 23:00", "1h30m", "2026-11-20T00:15:00", 0],
    ["Thu 04:00", "1h", "2026-11-19T05:00:01", seconds(166, 59, 59)],
    ["Sat 23:00", "4h", "2026-11-22T01:00:00", 0],
    ["14:30", "0s", "2026-11-19T14:30:00", 0],
    ["14:30", "0s", "2026-11-19T14:30:01", seconds(23, 59, 59)],
  ];
  for (const [start, length, now, wait] of seen) {
    const state = stateOf(start, length, at(now));
    assert.equal(state.open ? 0 : state.waitMs / 1000, wait, `${start} ${length} at ${now}`);
  }
});

test("windows count on the clock of the wall when summer time begins and ends", () => {
  // Clocks went forward at 2:00 on 2026-03-29, and back at 3:00 on 2026-10-25.
  const spring = stateOf("04:00", "1h", at("2026-03-28T05:30:00"));
  assert.equal(spring.open ? 0 : spring.waitMs / 60_000, 21.5 * 60);
  const autumn = stateOf("04:00", "1h", at("2026-10-24T05:30:00"));
  assert.equal(autumn.open ? 0 : autumn.waitMs / 60_000, 23.5 * 60);
  // An hour that does not exist is the one after it.
  const missing = stateOf("02:30", "30m", at("2026-03-29T03:45:00"));
  assert.deepEqual(missing, { open: true, closesAt: at("2026-03-29T04:00:00") });
});

test("starts and lengths are read as locksmith reads them", () => {
  assert.deepEqual(parseWindow(" mon  4:5 ", "1h"), { day: 1, hour: 4, minute: 5, lengthMs: 3_600_000 });
  assert.deepEqual(parseWindow("SUN 004:005", "167h59m"), {
    day: 0,
    hour: 4,
    minute: 5,
    lengthMs: (167 * 60 + 59) * 60_000,
  });
  const lengths = { "90m": 90, "1h30m": 90, "1.5h": 90, "+1h": 60, "0": 0, "-0": 0, "45s": 0.75, ".5m": 0.5 };
  for (const [text, minutes] of Object.entries(lengths)) {
    assert.equal(Math.abs(parseWindow("4:00", text).lengthMs), minutes * 60_000, text);
  }
});

test("what is no window is refused in locksmith's words", () => {
  const refused = (start: string, length: string, message: RegExp): void => {
    assert.throws(
      () => parseWindow(start, length),
      (error) => isFault(error, "bad-window") && message.test(error.message),
      `${start} / ${length}`,
    );
  };
  refused("", "1h", /^unable to parse start: wrong number of fields$/);
  refused("Mon 4:00 x", "1h", /^unable to parse start: wrong number of fields$/);
  refused("Monday 04:00", "1h", /^unable to parse start: invalid day of week "Monday"$/);
  for (const time of ["24:00", "12:60", "noon", "14:30:15", "14:30xyz", "-1:00", "4"]) {
    refused(time, "1h", /^unable to parse start: invalid time of day "/);
  }
  refused("14:30", "-1h", /^unable to parse duration: duration cannot be negative$/);
  refused("14:30", "24h", /^unable to parse duration: duration cannot exceed period$/);
  refused("Mon 14:30", "168h", /^unable to parse duration: duration cannot exceed period$/);
  for (const length of ["", "60", " 1h", "1h ", "1d", "h", "1h-1m", "."]) {
    refused("14:30", length, /^unable to parse duration: (invalid|missing unit in) duration/);
  }
});

test("a closed window is open when the wait is over, and an open one is closed after its end", () => {
  const window = fc.record({
    day: fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined }),
    hour: fc.integer({ min: 0, max: 23 }),
    minute: fc.integer({ min: 0, max: 59 }),
    lengthMs: fc.integer({ min: 0, max: 20 * 3_600_000 }),
  });
  const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
  fc.assert(
    fc.property(window, fc.integer({ min: at("2026-01-01"), max: at("2028-01-01") }), (given, now) => {
      const { day, hour, minute, lengthMs } = given;
      const start = `${day === undefined ? "" : (days[day] ?? "")} ${hour}:${minute}`;
      const judge = (nowMs: number): WindowState => stateOf(start, `${lengthMs}ms`, nowMs);
      const state = judge(now);
      if (state.open) {
        assert.ok(state.closesAt >= now);
        assert.equal(judge(state.closesAt + 1).open, false);
      } else {
        assert.ok(state.waitMs > 0 && state.waitMs <= (given.day === undefined ? 26 : 170) * 3_600_000);
        assert.deepEqual(judge(state.opensAt), {
          open: true,
          closesAt: state.opensAt + lengthMs,
        });
        assert.equal(judge(state.opensAt - 1).open, false);
      }
    }),
  );
});
