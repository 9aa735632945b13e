import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Operation, Request, Result, Value } from "./history.ts";
import { checkKey } from "./linearizable.ts";
import { findStepBack } from "./monotonic.ts";

function operation(request: Request, result: Result, calledAt: number, endedAt: number): Operation {
  return { key: "/k", request, result, calledAt, endedAt };
}

const done = (before?: string): Result => ({ kind: "done", before });
const refused = (before?: string): Result => ({ kind: "refused", before });
const unknown: Result = { kind: "unknown" };
const read: Request = { kind: "read" };
const write = (value: string): Request => ({ kind: "write", value });

test("answers that fit into one order are found to", () => {
  const history = [
    operation(write("a"), done(), 0, 10),
    operation(read, done("a"), 1, 2),
    operation({ kind: "swap", expected: "a", value: "b" }, done("a"), 11, 20),
    operation({ kind: "delete", expected: "a" }, refused("b"), 15, 21),
    operation({ kind: "delete", expected: "b" }, done("b"), 22, 23),
    operation({ kind: "swap", expected: "b", value: "c" }, refused(), 24, 25),
  ];
  assert.deepEqual(checkKey(history), { linearizable: true });
});

const impossible: readonly (readonly [what: string, history: readonly Operation[]])[] = [
  [
    "a read misses a change that had ended",
    [operation(write("a"), done(), 0, 1), operation(read, done(), 2, 3)],
  ],
  [
    "a value is read before it is written",
    [operation(read, done("a"), 0, 1), operation(write("a"), done(), 2, 3)],
  ],
  [
    "two reads see a change, then not",
    [operation(write("a"), unknown, 0, 0), operation(read, done("a"), 1, 2), operation(read, done(), 3, 4)],
  ],
  [
    "two swaps of the same value both succeed",
    [
      operation(write("a"), done(), 0, 1),
      operation({ kind: "swap", expected: "a", value: "b" }, done("a"), 2, 9),
      operation({ kind: "swap", expected: "a", value: "c" }, done("a"), 2, 9),
    ],
  ],
  [
    "an acknowledged change is lost",
    [
      operation(write("a"), done(), 0, 1),
      operation(write("b"), done("a"), 2, 3),
      operation(write("c"), done("a"), 4, 5),
    ],
  ],
  [
    "a swap is refused for a value that it expects",
    [
      operation(write("a"), done(), 0, 1),
      operation({ kind: "swap", expected: "a", value: "b" }, refused("a"), 2, 3),
    ],
  ],
];

for (const [what, history] of impossible) {
  test(`not linearizable: ${what}`, () => assert.equal(checkKey(history).linearizable, false));
}

test("a change with an unknown end may happen late or never", () => {
  const late = [
    operation(write("a"), unknown, 0, 0),
    operation(read, done(), 5, 6),
    operation(read, done("a"), 7, 8),
  ];
  assert.equal(checkKey(late).linearizable, true);
  const never = [operation(write("a"), unknown, 0, 0), operation(read, done(), 5, 6)];
  assert.equal(checkKey(never).linearizable, true);
});

/** Any few operations on few values; most such histories are impossible, many are not. */
const anyHistory = fc.array(
  fc
    .tuple(
      fc.constantFrom("read", "write", "swap", "delete"),
      fc.constantFrom("a", "b", "c"),
      fc.constantFrom("done", "refused", "unknown"),
      fc.option(fc.constantFrom("a", "b", "c"), { nil: undefined }),
      fc.integer({ min: 0, max: 8 }),
      fc.integer({ min: 0, max: 5 }),
    )
    .map(([kind, expected, ending, before, calledAt, lasts]) => {
      return { kind, expected, ending, before, calledAt, endedAt: calledAt + lasts };
    }),
  { maxLength: 6 },
);

test("the search finds what trying every order finds", () => {
  let possible = 0;
  fc.assert(
    fc.property(anyHistory, (drawn) => {
      const history = drawn.map(({ kind, expected, ending, before, calledAt, endedAt }, index) => {
        // Values are written once in a history, as the clients do.
        const value = ["a", "b", "c"][index] ?? `v${index}`;
        const request = { kind, expected, value } as Request;
        const refusable = kind === "swap" || kind === "delete";
        const result = (
          ending === "unknown" ? unknown : { kind: refusable ? ending : "done", before }
        ) as Result;
        return operation(request, result, calledAt, endedAt);
      });
      const expected = someOrderFits(history, undefined);
      if (expected) possible += 1;
      assert.equal(checkKey(history).linearizable, expected);
    }),
    { numRuns: 5_000, seed: 7 },
  );
  assert.ok(possible > 200, `${possible} of 5000 histories are possible`);
});

/** Tries every order that time allows, leaving out changes of unknown end or not. */
function someOrderFits(rest: readonly Operation[], now: Value): boolean {
  if (rest.every(({ result }) => result.kind === "unknown")) return true;
  const firstEnd = Math.min(
    ...rest.map(({ result, endedAt }) => (result.kind === "unknown" ? Infinity : endedAt)),
  );
  return rest.some((chosen) => {
    if (chosen.calledAt > firstEnd) return false;
    const others = rest.filter((each) => each !== chosen);
    return possibleAfter(chosen, now).some((after) => someOrderFits(others, after));
  });
}

function possibleAfter({ request, result }: Operation, now: Value): readonly Value[] {
  const changed = request.kind === "write" || request.kind === "swap" ? request.value : undefined;
  if (result.kind === "unknown") {
    if (request.kind === "read") return [now];
    return request.kind === "write" || request.expected === now ? [changed] : [now];
  }
  if (result.before !== now) return [];
  if (request.kind === "read") return [now];
  if (request.kind === "write") return [changed];
  const fits = request.expected === now;
  if (result.kind === "refused") return fits ? [] : [now];
  return fits ? [changed] : [];
}

test("a view that goes back is found, on one machine, and only when one read began after the other ended", () => {
  const one = { machine: "m1", calledAt: 0, endedAt: 2, index: 5 };
  const less = { machine: "m1", calledAt: 3, endedAt: 4, index: 4 };
  assert.deepEqual(findStepBack([less, one]), { earlier: one, later: less });
  assert.equal(findStepBack([one, { ...less, calledAt: 1 }]), undefined);
  assert.equal(findStepBack([one, { ...less, machine: "m2" }]), undefined);
  assert.equal(findStepBack([one, { ...less, index: 5 }]), undefined);
});
