import assert from "node:assert/strict";
import { test } from "node:test";
import { sectionSchema } from "../../src/cloudinit/directives/service-settings.ts";
import { fleetSettings, storesOf } from "../../src/daemon/fleet-settings.ts";
import { keysEndpoints, locksmithSettings } from "../../src/daemon/locksmith-settings.ts";
import { readSettings } from "../../src/daemon/settings.ts";
import { modernSettings } from "../../src/membership/old-settings.ts";

// What cloud-configs write for a daemon is what that daemon reads.

/** The variables of a section below `coreos`, each with a value that the original could have written. */
function variables(section: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [key, schema] of Object.entries(sectionSchema(section).keys)) {
    if (!("variable" in schema) || schema.variable === undefined) continue;
    const words: Readonly<Record<string, string>> = {
      agent_ttl: "30s",
      etcd_servers: "http://10.0.0.1:2379",
      endpoint: "http://10.0.0.1:2379",
      token_limit: "100",
      verbosity: "1",
    };
    const byKind = { int: "2", float64: "3e+07", bool: "true" }[schema.kind as string];
    found[schema.variable] = words[key] ?? byKind ?? "text";
  }
  assert.ok(Object.keys(found).length > 5, section);
  return found;
}

test("fleet knows every variable of coreos.fleet, and takes each value", () => {
  const known = Object.values(fleetSettings).map(({ environment }) => environment);
  const written = variables("fleet");
  assert.deepEqual(
    Object.keys(written).filter((name) => !known.includes(name)),
    [],
  );
  const { settings } = readSettings(fleetSettings, written);
  assert.equal(settings.disableEngine, true);
  assert.equal(settings.agentTtlMs, 30_000);
});

test("locksmithd knows every variable of coreos.locksmith", () => {
  const known = Object.values(locksmithSettings).map(({ environment }) => environment);
  assert.deepEqual(
    Object.keys(variables("locksmith")).filter((name) => !known.includes(name)),
    [],
  );
});

test("every variable of coreos.etcd and coreos.etcd2 is put into today's words, stays as it is, or is told to be gone", () => {
  for (const section of ["etcd", "etcd2"]) {
    for (const [name, value] of Object.entries(variables(section))) {
      const { variables: made, problems } = modernSettings({ [name]: value }, "10.0.0.7");
      const isBind = name.endsWith("_BIND_ADDR");
      assert.ok(Object.keys(made).length > 0 || problems.length === 1 || isBind, `${section}: ${name}`);
    }
  }
});

test("endpoints of old settings lead to where members and keys are served today", () => {
  assert.deepEqual(storesOf(["http://127.0.0.1:4001", "http://localhost:2379"]), []);
  assert.deepEqual(storesOf(["http://10.0.0.1:4001", "http://10.0.0.1:2379", "https://10.0.0.2:2381"]), [
    "http://10.0.0.1:2379",
    "https://10.0.0.2:2381",
  ]);
  assert.deepEqual(keysEndpoints(["http://127.0.0.1:2379"]), [
    "http://127.0.0.1:2379",
    "http://127.0.0.1:4001",
  ]);
});
