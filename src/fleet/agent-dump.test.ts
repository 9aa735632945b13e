import assert from "node:assert/strict";
import { test } from "node:test";
import { dumpOf } from "./agent-dump.ts";
import type { UnitState } from "./model.ts";

test("what an agent has in mind is told in the words of fleet v1.0.0", () => {
  const machine = "1".repeat(32);
  const state = (unit: string, active: string): UnitState => {
    return { unit, machine, hash: "abc", load: "loaded", active, sub: "dead", reached: "loaded" };
  };
  const dumped = (unit: string, active: string): object => {
    return {
      LoadState: "loaded",
      ActiveState: active,
      SubState: "dead",
      MachineID: machine,
      UnitHash: "abc",
      UnitName: unit,
    };
  };
  const attempts = new Map([
    ["b.service", { hash: "abc", reached: "launched" }],
    ["a.service", { hash: "abc", reached: "loaded" }],
  ] as const);
  const states = new Map([
    ["b.service", state("b.service", "failed")],
    ["a.service", state("a.service", "inactive")],
  ]);
  assert.deepEqual(dumpOf(attempts, states, new Set(["b.service"])), {
    Agent: { Cache: { TargetStates: { "b.service": "launched", "a.service": "loaded" } } },
    UnitStatePublisher: {
      Cache: {
        "b.service": dumped("b.service", "failed"),
        "a.service": dumped("a.service", "inactive"),
      },
      ToPublish: { "b.service": dumped("b.service", "failed") },
    },
    UnitStateGenerator: { Subscribed: ["a.service", "b.service"] },
  });
});
