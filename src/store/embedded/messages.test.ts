import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { packRows, unpackRows, type GroupRows } from "./messages.ts";

const text = fc.string({ unit: "grapheme" });
const count = fc.nat();
const lease = fc.option(
  text.filter((id) => id !== ""),
  { nil: undefined },
);
const entry = fc
  .record({ value: text, createRevision: count, modRevision: count, lease }, { noNullPrototype: true })
  .map(({ lease: id, ...rest }) => (id === undefined ? rest : { ...rest, lease: id }));
const entries = fc.array(
  fc
    .tuple(text, fc.option(entry, { nil: undefined }))
    .map(([key, found]): GroupRows["entries"][number] => [key, found && { key, ...found }]),
);
const leases = fc.array(
  fc.tuple(
    text,
    fc.option(fc.record({ ttlMs: count, deadlineMs: count }, { noNullPrototype: true }), { nil: undefined }),
  ),
);

test("rows are the same on the other side", () => {
  fc.assert(
    fc.property(count, entries, leases, (revision, someEntries, someLeases) => {
      const rows: GroupRows = { revision, entries: someEntries, leases: someLeases };
      assert.deepEqual(unpackRows(structuredClone(packRows(rows))), rows);
    }),
  );
});
