import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { leaseLifeMs, renewalPauseMs } from "./lease-life.ts";
import { partitionTimes } from "./partition.ts";

/** As etcd-member.service has it. */
const electionTimeoutMs = 400;
/** etcd looks for leases that are over twice a second. */
const lookForOverMs = 500;

test("leases live for whole seconds, two less than agent_ttl, or two thirds of it", () => {
  const lives = [500, 1_000, 2_000, 3_000, 5_000, 10_000, 30_000, 600_000].map(leaseLifeMs);
  assert.deepEqual(lives, [1_000, 1_000, 1_000, 2_000, 3_000, 8_000, 28_000, 598_000]);
});

test("a lost leader of the store delays nothing beyond agent_ttl and a second, with the longest election without a split vote", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1_500, max: 3_600_000 }), (agentTtlMs) => {
      const election = 2 * electionTimeoutMs;
      const over = election + leaseLifeMs(agentTtlMs) + electionTimeoutMs + lookForOverMs;
      assert(over <= agentTtlMs + 1_000 + (agentTtlMs < 3_000 ? 500 : 0), String(over));
    }),
  );
});

test("a lease is renewed so often that a machine that is well keeps clear of what a cut one does", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3_600_000 }), (agentTtlMs) => {
      const life = leaseLifeMs(agentTtlMs);
      assert(2 * renewalPauseMs(life) < life);
      assert(renewalPauseMs(life) + 0.25 * life < partitionTimes(life).stopMs);
    }),
  );
  assert.equal(renewalPauseMs(leaseLifeMs(10_000)), 3_200);
  assert.equal(renewalPauseMs(leaseLifeMs(3_000)), 500);
});

test("a unit that must not run twice is killed before the lease lapses, however short agent_ttl is", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3_600_000 }), (agentTtlMs) => {
      const life = leaseLifeMs(agentTtlMs);
      const { stopMs, killMs } = partitionTimes(life);
      assert(stopMs <= killMs && killMs <= life - 300, `${stopMs} ${killMs} ${life}`);
    }),
  );
});
