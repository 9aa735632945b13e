import assert from "node:assert/strict";
import { test } from "node:test";
import { isComing } from "./agent-steps.ts";

test("a unit is coming while it is loaded or started, and until it is anything but inactive", () => {
  const steps = [undefined, "loading", "starting", "restarting", "stopping", "unloading"] as const;
  const coming = (active: string) => steps.filter((step) => isComing({ active }, step));
  assert.deepEqual(coming("inactive"), ["loading", "starting"]);
  for (const active of ["activating", "active", "deactivating", "failed"])
    assert.deepEqual(coming(active), [], active);
});
