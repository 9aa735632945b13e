import assert from "node:assert/strict";
import { test } from "node:test";
import { hasEnded, isComing, passGapMs, publishGapMs } from "./agent-steps.ts";

test("a unit is coming while it is loaded or started, and until it is anything but inactive", () => {
  const steps = [undefined, "loading", "starting", "restarting", "stopping", "unloading"] as const;
  const coming = (active: string) => steps.filter((step) => isComing({ active }, step));
  assert.deepEqual(coming("inactive"), ["loading", "starting"]);
  for (const active of ["activating", "active", "deactivating", "failed"])
    assert.deepEqual(coming(active), [], active);
});

test("a unit has ended when it is inactive or failed and nobody starts it", () => {
  const steps = [undefined, "loading", "starting", "restarting", "stopping", "unloading"] as const;
  const ended = (active: string) => steps.filter((step) => hasEnded({ active }, step));
  const over = [undefined, "loading", "stopping", "unloading"];
  assert.deepEqual([ended("inactive"), ended("failed")], [over, over]);
  for (const active of ["activating", "active", "deactivating"]) assert.deepEqual(ended(active), [], active);
  assert.equal(hasEnded(undefined, undefined), false, "nothing is known of it");
});

test("the more units are under way the longer a gap is, up to its end", () => {
  assert.deepEqual([0, 1, 2, 1000].map(passGapMs), [0, 0, 1, 50]);
  assert.deepEqual([0, 1, 2, 1000].map(publishGapMs), [40, 40, 44, 250]);
});
