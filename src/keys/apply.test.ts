import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { applyRead, applyWrite, type Plan } from "./apply.ts";
import { isKeysError, type KeysError } from "./errors.ts";
import type { KeyNode, WriteOperation } from "./model.ts";
import { ancestorsOf, parentOf } from "./paths.ts";
import { Tree } from "./tree.ts";

const nowMs = 1_700_000_000_000;

/** Keys in one process: the rules and a tree, without a store. */
class Keys {
  readonly tree = new Tree();
  index = 0;

  write(operation: WriteOperation): Plan | KeysError {
    const plan = applyWrite(this.tree, operation, this.index + 1, nowMs);
    if (isKeysError(plan)) return plan;
    this.index++;
    if (plan.remove !== undefined) {
      for (const path of this.tree.pathsWithin(plan.remove)) this.tree.remove(path);
    }
    for (const node of plan.put) this.tree.put(node);
    return plan;
  }

  /** What the body of the answer would say, in short. */
  answer(operation: WriteOperation): object {
    const plan = this.write(operation);
    return isKeysError(plan) ? failure(plan) : plan.event;
  }
}

function failure({ errorCode, cause, index }: KeysError): object {
  return { errorCode, cause, index };
}

function set(path: string, value: string, more: Partial<Extract<WriteOperation, { do: "set" }>> = {}) {
  return {
    do: "set",
    path,
    value,
    deadlineMs: undefined,
    directory: false,
    refresh: false,
    ...more,
  } as const;
}

function create(path: string, more: Partial<Extract<WriteOperation, { do: "create" }>> = {}) {
  return {
    do: "create",
    path,
    value: "",
    deadlineMs: undefined,
    directory: false,
    inOrder: false,
    ...more,
  } as const;
}

function update(path: string, value: string, more: Partial<Extract<WriteOperation, { do: "update" }>> = {}) {
  return { do: "update", path, value, deadlineMs: undefined, refresh: false, ...more } as const;
}

function swap(path: string, prevValue: string, prevIndex: bigint) {
  const condition = { value: prevValue, index: prevIndex };
  return {
    do: "compareAndSwap",
    path,
    value: "new",
    deadlineMs: undefined,
    refresh: false,
    condition,
  } as const;
}

function remove(path: string, more: { directory?: boolean; recursive?: boolean } = {}) {
  return { do: "delete", path, directory: false, recursive: false, ...more } as const;
}

function compareAndDelete(path: string, prevValue: string, prevIndex: bigint) {
  return { do: "compareAndDelete", path, condition: { value: prevValue, index: prevIndex } } as const;
}

test("set makes a node anew, and with it the directories above", () => {
  const keys = new Keys();
  assert.deepEqual(keys.answer(set("/a/b", "1")), {
    action: "set",
    node: { key: "/a/b", value: "1", modifiedIndex: 1, createdIndex: 1 },
  });
  assert.deepEqual(keys.answer(set("/a/b", "2")), {
    action: "set",
    node: { key: "/a/b", value: "2", modifiedIndex: 2, createdIndex: 2 },
    prevNode: { key: "/a/b", value: "1", modifiedIndex: 1, createdIndex: 1 },
  });
  assert.equal(keys.tree.get("/a")?.modifiedIndex, 1);
  assert.deepEqual(keys.answer(set("/a/b", "", { directory: true })), {
    action: "set",
    node: { key: "/a/b", dir: true, modifiedIndex: 3, createdIndex: 3 },
    prevNode: { key: "/a/b", value: "2", modifiedIndex: 2, createdIndex: 2 },
  });
});

test("update and swap keep the node, and a directory keeps its index", () => {
  const keys = new Keys();
  keys.write(set("/f", "1"));
  keys.write(set("/d", "", { directory: true }));
  assert.deepEqual(keys.answer(update("/f", "2")), {
    action: "update",
    node: { key: "/f", value: "2", modifiedIndex: 3, createdIndex: 1 },
    prevNode: { key: "/f", value: "1", modifiedIndex: 1, createdIndex: 1 },
  });
  assert.deepEqual(keys.answer(swap("/f", "2", 3n)), {
    action: "compareAndSwap",
    node: { key: "/f", value: "new", modifiedIndex: 4, createdIndex: 1 },
    prevNode: { key: "/f", value: "2", modifiedIndex: 3, createdIndex: 1 },
  });
  const answer = keys.answer(update("/d", "", { deadlineMs: nowMs + 9_001 }));
  assert.deepEqual(answer, {
    action: "update",
    node: {
      key: "/d",
      dir: true,
      expiration: "2023-11-14T22:13:29.001Z",
      ttl: 10,
      modifiedIndex: 5,
      createdIndex: 2,
    },
    prevNode: { key: "/d", dir: true, modifiedIndex: 2, createdIndex: 2 },
  });
  assert.equal(keys.tree.get("/d")?.modifiedIndex, 2);
});

test("a refresh changes the lifetime and nothing that is told", () => {
  const keys = new Keys();
  keys.write(set("/f", "kept"));
  const plan = keys.write(update("/f", "", { refresh: true, deadlineMs: nowMs + 1000 }));
  assert.ok(!isKeysError(plan));
  assert.equal(plan.silent, true);
  assert.deepEqual(keys.tree.get("/f"), {
    path: "/f",
    value: "kept",
    createdIndex: 1,
    modifiedIndex: 2,
    deadlineMs: nowMs + 1000,
  });
  keys.write(set("/f", "", { refresh: true, deadlineMs: nowMs + 2000 }));
  assert.equal(keys.tree.get("/f")?.value, "kept");
  assert.equal(keys.tree.get("/f")?.createdIndex, 3);
});

test("in-order names are the index with 20 digits", () => {
  const keys = new Keys();
  const inOrder = { inOrder: true, value: "job" };
  assert.deepEqual(keys.answer(create("/queue", inOrder)), {
    action: "create",
    node: { key: "/queue/00000000000000000001", value: "job", modifiedIndex: 1, createdIndex: 1 },
  });
  const plan = keys.write(create("/", inOrder));
  assert.ok(!isKeysError(plan));
  assert.equal(plan.event.node.key, "/00000000000000000002");
});

test("removals say what was there and leave the rest alone", () => {
  const keys = new Keys();
  keys.write(set("/d/f", "1", { deadlineMs: nowMs + 5000 }));
  keys.write(set("/dx", "1"));
  assert.deepEqual(keys.answer(remove("/d", { recursive: true })), {
    action: "delete",
    node: { key: "/d", dir: true, modifiedIndex: 3, createdIndex: 1 },
    prevNode: { key: "/d", dir: true, modifiedIndex: 1, createdIndex: 1 },
  });
  assert.equal(keys.tree.get("/d/f"), undefined);
  assert.equal(keys.tree.get("/dx")?.value, "1");
  assert.deepEqual(keys.answer(compareAndDelete("/dx", "1", 2n)), {
    action: "compareAndDelete",
    node: { key: "/dx", modifiedIndex: 4, createdIndex: 2 },
    prevNode: { key: "/dx", value: "1", modifiedIndex: 2, createdIndex: 2 },
  });
});

test("an expiry removes what still has the deadline, and nothing else", () => {
  const keys = new Keys();
  const deadlineMs = nowMs - 500;
  keys.write(set("/f", "1", { deadlineMs }));
  assert.deepEqual(keys.answer({ do: "expire", path: "/f", deadlineMs: deadlineMs - 1 }), {
    errorCode: 100,
    cause: "/f",
    index: 1,
  });
  assert.deepEqual(keys.answer({ do: "expire", path: "/f", deadlineMs }), {
    action: "expire",
    node: { key: "/f", modifiedIndex: 2, createdIndex: 1 },
    prevNode: {
      key: "/f",
      value: "1",
      expiration: "2023-11-14T22:13:19.5Z",
      modifiedIndex: 1,
      createdIndex: 1,
    },
  });
});

const refused: readonly (readonly [string, WriteOperation, number, string])[] = [
  ["set of the root", set("/", "1"), 107, "/"],
  ["set of a directory", set("/d", "1"), 102, "/d"],
  ["set of a directory as a directory", set("/d", "", { directory: true }), 102, "/d"],
  ["set below a file", set("/f/x/y", "1"), 104, "/f"],
  ["refresh of nothing", set("/no/thing", "", { refresh: true }), 100, "/no"],
  ["create of the root", create("/"), 107, "/"],
  ["create of a file that is there", create("/f"), 105, "/f"],
  ["create of a directory that is there", create("/d", { directory: true }), 105, "/d"],
  ["create below a file", create("/f/x"), 104, "/f"],
  ["in-order key below a file", create("/f", { inOrder: true }), 104, "/f"],
  ["update of the root", update("/", ""), 107, "/"],
  ["update of nothing", update("/d/no/thing", "1"), 100, "/d/no"],
  ["update of a directory with a value", update("/d", "1"), 102, "/d"],
  ["swap of the root", swap("/", "1", 0n), 107, "/"],
  ["swap of a directory", swap("/d", "1", 0n), 102, "/d"],
  ["swap of another value", swap("/f", "x", 0n), 101, "[x != 1]"],
  ["swap of another index", swap("/f", "", 7n), 101, "[7 != 1]"],
  ["swap of another index, the value fits", swap("/f", "1", 7n), 101, "[7 != 1]"],
  ["swap of another value and index", swap("/f", "x", 7n), 101, "[x != 1] [7 != 1]"],
  ["swap of an empty value", swap("/d/empty", "x", 0n), 101, "[x != ]"],
  ["delete of the root", remove("/", { recursive: true }), 107, "/"],
  ["delete of a directory as a file", remove("/d"), 102, "/d"],
  ["delete of a directory with hidden children", remove("/d", { directory: true }), 108, "/d"],
  ["delete of nothing", remove("/x"), 100, "/x"],
  ["compare-and-delete of the root", compareAndDelete("/", "x", 0n), 102, ""],
  ["compare-and-delete of a directory", compareAndDelete("/d", "x", 0n), 102, "/d"],
  ["compare-and-delete of another value", compareAndDelete("/f", "x", 0n), 101, "[x != 1]"],
];

for (const [title, operation, errorCode, cause] of refused) {
  test(`${title} is error ${errorCode}`, () => {
    const keys = new Keys();
    keys.write(set("/f", "1"));
    keys.write(set("/d/empty", ""));
    keys.write(set("/d/_hidden", "1"));
    assert.deepEqual(keys.answer(operation), { errorCode, cause, index: 3 });
  });
}

test("a read shows one level, or all, in the order of bytes, without what is hidden", () => {
  const keys = new Keys();
  for (const path of ["/d/b/x", "/d/😀", "/d/\uffee", "/d/a", "/d/_hidden/y", "/d/b/_z"])
    keys.write(set(path, ""));
  const read = (path: string, recursive: boolean): unknown => {
    const answer = applyRead(
      keys.tree,
      { do: "read", path, recursive, sorted: true, quorum: false },
      keys.index,
      nowMs,
    );
    return isKeysError(answer) ? failure(answer) : names(answer.node);
  };
  assert.deepEqual(read("/d", false), ["/d", ["/d/a"], ["/d/b"], ["/d/\uffee"], ["/d/😀"]]);
  assert.deepEqual(read("/d", true), ["/d", ["/d/a"], ["/d/b", ["/d/b/x"]], ["/d/\uffee"], ["/d/😀"]]);
  assert.deepEqual(read("/d/_hidden", true), ["/d/_hidden", ["/d/_hidden/y"]]);
  assert.deepEqual(read("/", false), [undefined, ["/d"]]);
  assert.deepEqual(read("/d/a/b", false), { errorCode: 104, cause: "/d/a", index: 6 });
  assert.deepEqual(read("/e/f", false), { errorCode: 100, cause: "/e", index: 6 });
});

function names(node: { readonly key?: string; readonly nodes?: readonly object[] }): unknown {
  return [node.key, ...(node.nodes ?? []).map(names)];
}

test("whatever is asked, indices and directories stay in order", () => {
  const path = fc
    .array(fc.constantFrom("a", "b", "_c"), { minLength: 0, maxLength: 3 })
    .map((parts) => `/${parts.join("/")}`);
  const value = fc.constantFrom("", "1", "2");
  const deadlineMs = fc.constantFrom(undefined, nowMs - 1000, nowMs + 1000);
  const condition = fc.record({ value, index: fc.bigInt(0n, 20n) });
  const [directory, refresh, inOrder, recursive] = [fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()];
  const content = { path, value, deadlineMs };
  const operation: fc.Arbitrary<WriteOperation> = fc.oneof(
    fc.record({ do: fc.constant("set" as const), ...content, directory, refresh }),
    fc.record({ do: fc.constant("create" as const), ...content, directory, inOrder }),
    fc.record({ do: fc.constant("update" as const), ...content, refresh }),
    fc.record({ do: fc.constant("compareAndSwap" as const), ...content, refresh, condition }),
    fc.record({ do: fc.constant("delete" as const), path, directory, recursive }),
    fc.record({ do: fc.constant("compareAndDelete" as const), path, condition }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      const keys = new Keys();
      for (const next of operations) checkStep(keys, next);
    }),
    { numRuns: 300 },
  );
});

function checkStep(keys: Keys, operation: WriteOperation): void {
  const before = recordsOf(keys.tree);
  const indexBefore = keys.index;
  const plan = keys.write(operation);
  const after = recordsOf(keys.tree);
  if (isKeysError(plan)) {
    assert.equal(plan.index, indexBefore);
    assert.deepEqual(after, before);
    return;
  }
  const { action, node, prevNode } = plan.event;
  assert.equal(keys.index, indexBefore + 1);
  assert.equal(node.modifiedIndex, keys.index);
  const isNew = action === "set" || action === "create";
  assert.equal(node.createdIndex, isNew ? keys.index : prevNode?.createdIndex);
  const touched = new Set(plan.put.map(({ path }) => path));
  for (const [path, record] of after) {
    if (!touched.has(path)) assert.equal(record, before.get(path), `${path} was not to be touched`);
    assert.ok(record.createdIndex <= record.modifiedIndex && record.modifiedIndex <= keys.index);
    if (record.value === undefined) assert.equal(record.modifiedIndex, record.createdIndex);
    for (const ancestor of ancestorsOf(path)) {
      assert.ok(after.get(ancestor), `${ancestor} is above ${path}`);
      assert.equal(after.get(ancestor)?.value, undefined, `${ancestor} is a directory`);
    }
  }
  for (const path of before.keys()) {
    const removed: boolean = plan.remove !== undefined && `${path}/`.startsWith(`${plan.remove}/`);
    assert.equal(after.has(path), !removed, path);
  }
}

function recordsOf(tree: Tree): ReadonlyMap<string, KeyNode> {
  const records = new Map<string, KeyNode>();
  for (const path of tree.pathsWithin("/")) {
    const node = tree.get(path);
    if (node !== undefined) records.set(path, node);
    if (path !== "/") assert.ok(tree.hasChildren(parentOf(path)));
  }
  return records;
}
