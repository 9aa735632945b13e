import assert from "node:assert/strict";
import { test } from "node:test";
import { commandNames, launcher } from "./launcher.ts";

test("only commands that ask and end begin where V8 finds its primes at once", () => {
  const fixed = commandNames.filter((name) => launcher(name).includes("--random-seed="));
  assert.deepEqual(fixed, ["fleetctl", "etcdctl", "locksmithctl"]);
});
