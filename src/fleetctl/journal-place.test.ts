import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FakeEnv } from "../lib/fake-env.ts";
import { JournalPlace, firstNewLine } from "./journal-place.ts";

const rows: readonly (readonly [why: string, lines: string, last: string, count: number, first: number])[] = [
  ["nothing was printed", "abc", "", 0, 0],
  ["what was printed comes again", "abcd", "abc", 3, 3],
  ["printed lines of before the instant do not come again", "cd", "abc", 1, 1],
  ["all lines are alike", "xxxxx", "xxxxxxxx", 3, 3],
  ["nothing came since", "abc", "abc", 3, 3],
  ["the journal has lost its beginning", "cdef", "abcd", 4, 2],
  ["another line stands among them", "aXbcd", "abc", 3, 0],
  ["the journal was emptied", "xyz", "abc", 3, 0],
  ["the journal was emptied and is empty", "", "abc", 3, 0],
];

for (const [why, lines, last, count, first] of rows) {
  test(`new lines begin behind those that were printed: ${why}`, () => {
    assert.equal(firstNewLine(lines.split(""), last.split(""), count), first);
  });
}

test("however often a journal breaks off, each line is printed once", () => {
  const line = fc.constantFrom("a", "b");
  const step = fc.oneof(
    fc.record({ written: fc.array(line, { maxLength: 5 }) }),
    fc.record({ seen: fc.nat({ max: 5 }) }),
    fc.constant({ broken: true } as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const env = new FakeEnv();
      const journal: string[] = [];
      const printed: string[] = [];
      const place = new JournalPlace(undefined);
      // An instant is told by how many lines were written before it.
      const catchUp = (): void => {
        const from = place.begin(env.clock).sinceMs ?? 0;
        const lines = journal.slice(from);
        const fresh = lines.slice(firstNewLine(lines, place.last, place.count));
        printed.push(...fresh);
        place.caughtUp(fresh, journal.length, env.clock);
      };
      catchUp();
      for (const each of steps) {
        if ("written" in each) journal.push(...each.written);
        else if ("seen" in each) {
          const lines = journal.slice(printed.length, printed.length + each.seen);
          printed.push(...lines);
          place.followed(lines, env.clock);
        } else catchUp();
      }
      catchUp();
      assert.deepEqual(printed, journal);
    }),
  );
});

test("a machine whose fleet names no instant is asked by how long ago that was", async () => {
  const env = new FakeEnv();
  const place = new JournalPlace(undefined);
  assert.deepEqual(place.begin(env.clock), {});
  place.caughtUp(["a"], undefined, env.clock);
  await env.advance(50);
  place.followed(["b"], env.clock);
  await env.advance(70);
  assert.deepEqual(place.begin(env.clock), { lines: 100_000, withinMs: 70 });
  assert.equal(place.count, 0);
});
