import assert from "node:assert/strict";
import { commit, fault, keysAndValues, put, valuesAt, type Run } from "./contract-tools.ts";
import { between, exactly, under } from "./range.ts";
import { maxOperations, type Entry, type Store } from "./store.ts";

export function revisions(run: Run): void {
  run("each commit that changes something adds one to the revision", async (store, prefix) => {
    const first = await commit(store, [put(`${prefix}a`, "1")]);
    const second = await commit(store, [put(`${prefix}a`, "2"), put(`${prefix}b`, "1")]);
    assert.equal(second, first + 1);
    const nothing = await commit(store, [{ do: "delete", range: exactly(`${prefix}none`) }]);
    assert.equal(nothing, second, "deleting nothing is no change");
    assert.equal(await commit(store, []), second);
    const snapshot = await store.read(under(prefix));
    assert.equal(snapshot.revision, second);
    assert.deepEqual(snapshot.entries, [
      { key: `${prefix}a`, value: "2", createRevision: first, modRevision: second },
      { key: `${prefix}b`, value: "1", createRevision: second, modRevision: second },
    ]);
  });

  run("a key that was deleted and made again is a new one", async (store, prefix) => {
    const key = `${prefix}a`;
    await commit(store, [put(key, "1")]);
    await commit(store, [{ do: "delete", range: exactly(key) }]);
    const again = await commit(store, [put(key, "2")]);
    const [entry] = (await store.read(exactly(key))).entries;
    assert.equal(entry?.createRevision, again);
  });

  run("the past can be read at its revision", async (store, prefix) => {
    const first = await commit(store, [put(`${prefix}a`, "1"), put(`${prefix}b`, "1")]);
    const second = await commit(store, [
      put(`${prefix}a`, "2"),
      { do: "delete", range: exactly(`${prefix}b`) },
    ]);
    assert.deepEqual(await valuesAt(store, prefix, first), ["a=1", "b=1"]);
    assert.deepEqual(await valuesAt(store, prefix, second), ["a=2"]);
    await assert.rejects(
      store.read(under(prefix), { atRevision: second + 1000 }),
      fault("store-future-revision"),
    );
  });
}

export function ranges(run: Run): void {
  run("keys are ordered by their UTF-8 bytes", async (store, prefix) => {
    // UTF-16 units would put the astral ones before U+FF5E.
    const ordered = [
      "",
      "!",
      "a",
      "a/b",
      "aa",
      "b",
      "~",
      "\u00e9",
      "\u{ff5e}",
      "\u{10000}",
      "\u{1f600}",
      "\u{1f600}a",
    ];
    await commit(
      store,
      ordered.toReversed().map((name) => put(`${prefix}${name}`, "")),
    );
    const { entries } = await store.read(under(prefix));
    assert.deepEqual(
      entries.map((entry) => entry.key),
      ordered.map((name) => prefix + name),
    );
    const middle = await store.read(between(`${prefix}\u{ff5e}`, `${prefix}\u{1f600}`));
    assert.deepEqual(
      middle.entries.map((entry) => entry.key),
      [`${prefix}\u{ff5e}`, `${prefix}\u{10000}`],
    );
  });

  run("a range is a key, a prefix or an interval", async (store, prefix) => {
    await commit(
      store,
      ["a", "a/1", "a/2", "a0", "b"].map((name) => put(prefix + name, name)),
    );
    const names = async (range: Parameters<Store["read"]>[0]): Promise<string[]> =>
      (await store.read(range)).entries.map((entry) => entry.value);
    assert.deepEqual(await names(exactly(`${prefix}a`)), ["a"]);
    assert.deepEqual(await names(exactly(`${prefix}c`)), []);
    assert.deepEqual(await names(under(`${prefix}a/`)), ["a/1", "a/2"]);
    assert.deepEqual(await names(between(`${prefix}a/2`, `${prefix}b`)), ["a/2", "a0"]);
    assert.deepEqual(await names(between(`${prefix}b`, `${prefix}b`)), []);
  });

  run("a limit leaves out the highest keys and says so", async (store, prefix) => {
    await commit(
      store,
      ["a", "b", "c"].map((name) => put(prefix + name, name)),
    );
    const two = await store.read(under(prefix), { limit: 2 });
    assert.deepEqual([two.entries.map((entry) => entry.value), two.more], [["a", "b"], true]);
    const three = await store.read(under(prefix), { limit: 3 });
    assert.deepEqual([three.entries.length, three.more], [3, false]);
    const local = await store.read(under(prefix), { consistency: "local" });
    assert.ok(local.entries.length <= 3);
  });

  run("values of any text come back as they were", async (store, prefix) => {
    const values = ["", "\0", "line\nline\r\n", "\u{1f600} \u00e9", "x".repeat(100_000)];
    await commit(
      store,
      values.map((value, i) => put(`${prefix}${i}`, value)),
    );
    const { entries } = await store.read(under(prefix));
    assert.deepEqual(
      entries.map((entry) => entry.value),
      values,
    );
  });
}

export function transactions(run: Run): void {
  run("a compare holds on the modRevision, on absence and on the value", async (store, prefix) => {
    const key = `${prefix}a`;
    const absent = { key, modRevision: 0 };
    const made = await store.commit({ when: [absent], then: [put(key, "1")] });
    assert.ok(made.committed);
    const late = await store.commit({ when: [absent], then: [put(key, "2")] });
    assert.ok(!late.committed);
    const { revision } = made;
    const cases = [
      { when: { key, modRevision: revision }, holds: true },
      { when: { key, modRevision: revision - 1 }, holds: false },
      { when: { key, value: "1" }, holds: true },
      { when: { key, value: "11" }, holds: false },
      { when: { key: `${prefix}none`, value: "" }, holds: false },
      { when: { key: `${prefix}none`, modRevision: 0 }, holds: true },
    ];
    for (const { when, holds } of cases) {
      const outcome = await store.commit({ when: [when], then: [] });
      assert.equal(outcome.committed, holds, JSON.stringify(when));
    }
  });

  run("a transaction happens whole or not at all", async (store, prefix) => {
    const before = await commit(store, [put(`${prefix}a`, "1"), put(`${prefix}b`, "1")]);
    const outcome = await store.commit({
      when: [
        { key: `${prefix}a`, value: "1" },
        { key: `${prefix}b`, value: "2" },
      ],
      then: [put(`${prefix}a`, "3"), put(`${prefix}c`, "3")],
      otherwise: [under(prefix), exactly(`${prefix}b`), exactly(`${prefix}none`)],
    });
    assert.ok(!outcome.committed);
    assert.equal(outcome.revision, before);
    assert.deepEqual(outcome.seen.map(keysAndValues), [
      [`${prefix}a=1`, `${prefix}b=1`],
      [`${prefix}b=1`],
      [],
    ]);
    assert.deepEqual(await valuesAt(store, prefix, before), ["a=1", "b=1"]);
  });

  run("a range is deleted in one revision", async (store, prefix) => {
    await commit(
      store,
      ["a", "d/1", "d/2", "e"].map((name) => put(prefix + name, "1")),
    );
    const revision = await commit(store, [
      { do: "delete", range: under(`${prefix}d/`) },
      { do: "delete", range: exactly(`${prefix}e`) },
      put(`${prefix}f`, "1"),
    ]);
    assert.deepEqual(await valuesAt(store, prefix, revision), ["a=1", "f=1"]);
  });

  run("a transaction may be as large as it says", async (store, prefix) => {
    const keys = Array.from({ length: maxOperations }, (_, i) => `${prefix}${i}`);
    const outcome = await store.commit({
      when: keys.map((key) => ({ key, modRevision: 0 })),
      then: keys.map((key) => put(key, "1")),
      otherwise: keys.map(exactly),
    });
    assert.ok(outcome.committed);
    assert.equal((await store.read(under(prefix))).entries.length, maxOperations);
  });

  run("a hundred increments by twenty writers at once lose nothing", async (store, prefix) => {
    const key = `${prefix}counter`;
    await commit(store, [put(key, "0")]);
    const start = (await store.read(exactly(key))).entries;
    const writer = async (): Promise<void> => {
      for (let i = 0; i < 5; i++) await increment(store, key, start);
    };
    await Promise.all(Array.from({ length: 20 }, writer));
    const [entry] = (await store.read(exactly(key))).entries;
    assert.equal(entry?.value, "100");
  });
}

async function increment(store: Store, key: string, seen: readonly Entry[]): Promise<void> {
  const [entry] = seen;
  assert.ok(entry);
  const outcome = await store.commit({
    when: [{ key, modRevision: entry.modRevision }],
    then: [put(key, String(Number(entry.value) + 1))],
    otherwise: [exactly(key)],
  });
  if (!outcome.committed) await increment(store, key, outcome.seen[0] ?? []);
}
