import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { applyWrite } from "./apply.ts";
import { isKeysError } from "./errors.ts";
import type { WriteOperation } from "./model.ts";
import { readEvents, operationsOf } from "./records.ts";
import { replayed } from "./replay.ts";
import { Tree } from "./tree.ts";

const path = fc
  .array(fc.constantFrom("a", "b", "_c"), { minLength: 1, maxLength: 3 })
  .map((parts) => `/${parts.join("/")}`);
const deadlineMs = fc.option(fc.integer({ min: -9_223_372_036_854, max: 9_223_372_036_854 }), {
  nil: undefined,
});
const content = { path, value: fc.string({ unit: "grapheme", maxLength: 2 }), deadlineMs };
const condition = fc.record({ value: fc.constant(""), index: fc.constant(0n) });
const refresh = fc.boolean();
const directory = fc.boolean();

const operation: fc.Arbitrary<WriteOperation> = fc.oneof(
  fc.record({ do: fc.constant("set" as const), ...content, directory, refresh }),
  fc.record({ do: fc.constant("create" as const), ...content, directory, inOrder: fc.boolean() }),
  fc.record({ do: fc.constant("update" as const), ...content, refresh }),
  fc.record({ do: fc.constant("update" as const), ...content, value: fc.constant(""), refresh }),
  fc.record({ do: fc.constant("compareAndSwap" as const), ...content, refresh, condition }),
  fc.record({ do: fc.constant("delete" as const), path, directory, recursive: fc.boolean() }),
  fc.record({ do: fc.constant("compareAndDelete" as const), path, condition }),
);

test("an event that was stored tells all that its write did to the nodes", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 30 }), fc.nat(), (operations, nowMs) => {
      const tree = new Tree();
      let index = 0;
      for (const wanted of operations) {
        const plan = applyWrite(tree, wanted, index + 1, nowMs);
        if (isKeysError(plan)) continue;
        index++;
        const { event, silent, put, remove } = plan;
        const events = [{ index, event, silent, writer: "w" }];
        const [, record] = operationsOf({ events, put: [], remove: [] });
        assert.ok(record?.do === "put");
        const [stored] = readEvents(index, record.value);
        assert.ok(stored !== undefined);
        assert.deepEqual(replayed(tree, stored), { put, remove: remove === undefined ? [] : [remove] });
        for (const gone of remove === undefined ? [] : tree.pathsWithin(remove)) tree.remove(gone);
        for (const node of put) tree.put(node);
      }
    }),
    { numRuns: 500 },
  );
});

test("an index that was used up for something beside the keys changes no node", () => {
  const event = { action: "set", node: { dir: true } } as const;
  const logged = { index: 3, event, silent: true, writer: "" };
  assert.deepEqual(replayed(new Tree(), logged), { put: [], remove: [] });
});
