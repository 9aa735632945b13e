import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { goJson } from "../keys/client-text.ts";
import { isFault } from "../lib/fault.ts";
import { groupKeys } from "./lock-keys.ts";
import {
  type Decision,
  firstSemaphore,
  lock,
  parseSemaphore,
  type Semaphore,
  semaphoreBody,
  setMax,
  unlock,
} from "./semaphore.ts";

const text = (semaphore: Semaphore): string => goJson(semaphoreBody(semaphore));

function done(decision: Decision): Semaphore {
  assert.ok("semaphore" in decision, JSON.stringify(decision));
  return decision.semaphore;
}

test("the key holds what locksmith writes, to the byte", () => {
  assert.equal(text(firstSemaphore), '{"semaphore":1,"max":1,"holders":null}');
  const two = setMax(firstSemaphore, 2);
  assert.equal(text(two), '{"semaphore":2,"max":2,"holders":null}');
  const both = done(lock(done(lock(two, "b", [])), "a", []));
  assert.equal(text(both), '{"semaphore":0,"max":2,"holders":["a","b"]}');
  assert.equal(text(setMax(both, 1)), '{"semaphore":-1,"max":1,"holders":["a","b"]}');
  const none = done(unlock(done(unlock(both, "a")), "b"));
  assert.equal(text(none), '{"semaphore":2,"max":2,"holders":[]}');
  assert.equal(text(setMax(none, 0)), '{"semaphore":0,"max":0,"holders":[]}');
});

test("refusals are in locksmith's words", () => {
  const held = done(lock(firstSemaphore, "a", []));
  assert.deepEqual(lock(held, "c", []), { refused: "semaphore is at 0" });
  assert.deepEqual(lock(setMax(held, 0), "c", []), { refused: "semaphore is at -1" });
  assert.deepEqual(unlock(held, "x"), { refused: "holder does not exist" });
});

test("a holder may lock again, and nothing changes", () => {
  const held = done(lock(firstSemaphore, "a", []));
  assert.deepEqual(lock(held, "a", []), { semaphore: held });
  assert.deepEqual(lock(setMax(held, 0), "a", []), { semaphore: setMax(held, 0) });
  assert.deepEqual(lock(held, "a", ["a"]), { semaphore: held });
});

test("whose lease has ended gives way", () => {
  const held = done(lock(firstSemaphore, "a", []));
  assert.deepEqual(done(lock(held, "b", ["a"])).holders, ["b"]);
  assert.deepEqual(lock(setMax(held, 0), "b", ["a"]), { refused: "semaphore is at 0" });
});

test("whatever is done, free slots and holders make up the maximum", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("lock" as const), id: fc.constantFrom("a", "b", "c", "d") }),
    fc.record({ do: fc.constant("unlock" as const), id: fc.constantFrom("a", "b", "c", "d") }),
    fc.record({ do: fc.constant("max" as const), max: fc.integer({ min: -1, max: 4 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let now = firstSemaphore;
      for (const each of steps) {
        if (each.do === "max") {
          now = setMax(now, each.max);
        } else {
          const decision = each.do === "lock" ? lock(now, each.id, []) : unlock(now, each.id);
          if ("semaphore" in decision) {
            const grew = decision.semaphore.holders.length > now.holders.length;
            if (grew) assert.ok(decision.semaphore.holders.length <= decision.semaphore.max);
            now = decision.semaphore;
          }
        }
        assert.equal(now.free, now.max - now.holders.length);
        assert.deepEqual(now.holders, [...new Set(now.holders)].sort());
        assert.deepEqual(parseSemaphore(text(now), "/k"), now);
      }
    }),
  );
});

test("what is no semaphore is named with its key", () => {
  for (const bad of ["", "null", "1", "[]", '{"semaphore":1}', '{"semaphore":1,"max":"1","holders":null}']) {
    assert.throws(
      () => parseSemaphore(bad, "/k"),
      (error) => isFault(error, "bad-semaphore") && error.message.includes("/k"),
    );
  }
  assert.throws(() => parseSemaphore('{"semaphore":1,"max":1,"holders":[1]}', "/k"));
  assert.deepEqual(parseSemaphore('{"semaphore":1,"max":1,"more":2}', "/k"), firstSemaphore);
});

test("each group has keys of its own, escaped as locksmith does", () => {
  const root = "/coreos.com/updateengine/rebootlock";
  assert.equal(groupKeys("").semaphore, `${root}/semaphore`);
  assert.equal(groupKeys("prod/db x").semaphore, `${root}/groups/prod%2Fdb+x/semaphore`);
  assert.equal(groupKeys("").lease("_a/b"), `${root}/leases/m-_a%2Fb`);
  for (const group of [".", ".."]) assert.throws(() => groupKeys(group), /cannot use the group/);
});
