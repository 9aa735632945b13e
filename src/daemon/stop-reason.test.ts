import assert from "node:assert/strict";
import { test } from "node:test";
import { stopReason } from "./stop-reason.ts";

const cases: [string, string, string][] = [
  ["no jobs", "", "unknown"],
  ["a restart", "812 fleet.service restart running\n", "restart"],
  ["a stop", "812 fleet.service stop running\n", "stop"],
  ["another unit's stop", "812 web.service stop running\n", "unknown"],
  [
    "a machine that goes down stops the service too",
    "901 poweroff.target start waiting\n902 fleet.service stop running\n",
    "shutdown",
  ],
  ["a reboot", "7 reboot.target start waiting\n8 web.service stop waiting\n", "shutdown"],
];

for (const [name, jobs, expected] of cases) {
  test(`why a service is stopped: ${name}`, () => {
    assert.equal(stopReason(jobs, "fleet.service"), expected);
  });
}
