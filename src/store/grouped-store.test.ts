import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault } from "../lib/fault.ts";
import { storeContract } from "./contract.ts";
import { groupedStore } from "./grouped-store.ts";
import { openMemoryStore } from "./memory.ts";
import { exactly, under } from "./range.ts";
import type { Outcome, Store, Transaction } from "./store.ts";
import { silentEnv } from "./contract-tools.ts";

storeContract("grouped over memory", () => Promise.resolve(groupedStore(openMemoryStore(silentEnv()))), {
  modelRuns: 20,
});

/** A memory store that counts its commits and answers them a turn later, as a network does. */
function countingStore(): { store: Store; commits: Transaction[]; failNext: (error: unknown) => void } {
  const inner = openMemoryStore(new FakeEnv());
  const commits: Transaction[] = [];
  let failure: unknown;
  const commit = async (transaction: Transaction): Promise<Outcome> => {
    commits.push(transaction);
    await new Promise((resolve) => setImmediate(resolve));
    if (failure !== undefined) {
      const error = failure;
      failure = undefined;
      throw error;
    }
    return inner.commit(transaction);
  };
  const store: Store = Object.assign(Object.create(inner) as Store, {
    commit,
    read: inner.read.bind(inner),
    close: inner.close.bind(inner),
  });
  return {
    store,
    commits,
    failNext: (error) => {
      failure = error;
    },
  };
}

function create(key: string): Transaction {
  return { when: [{ key, modRevision: 0 }], then: [{ do: "put", key, value: key }] };
}

test("a burst of commits takes few transactions, and each caller learns its own outcome", async () => {
  const { store, commits } = countingStore();
  const grouped = groupedStore(store);
  const outcomes = await Promise.all(
    Array.from({ length: 300 }, (_, index) => grouped.commit(create(`/${index}`))),
  );
  assert.ok(outcomes.every(({ committed }) => committed));
  assert.equal((await store.read(under("/"))).entries.length, 300);
  assert.ok(commits.length <= 5, `${commits.length} transactions`);
});

test("one that does not hold spoils no other", async () => {
  const { store } = countingStore();
  const grouped = groupedStore(store);
  await grouped.commit(create("/taken"));
  const outcomes = await Promise.all(["/a", "/b", "/taken", "/c"].map((key) => grouped.commit(create(key))));
  assert.deepEqual(
    outcomes.map(({ committed }) => committed),
    [true, true, false, true],
  );
});

test("commits of the same key keep their order", async () => {
  const { store } = countingStore();
  const grouped = groupedStore(store);
  const put = (value: string): Promise<Outcome> =>
    grouped.commit({ when: [], then: [{ do: "put", key: "/k", value }] });
  await Promise.all(["1", "2", "3", "4"].map(put));
  assert.equal((await store.read(exactly("/k"))).entries[0]?.value, "4");
});

test("a failure of the store reaches everybody who was sent together, and nobody else", async () => {
  const { store, failNext } = countingStore();
  const grouped = groupedStore(store);
  const first = grouped.commit(create("/first"));
  const together = ["/a", "/b"].map((key) => grouped.commit(create(key)));
  await first;
  failNext(new Fault("store-unavailable", "Cannot reach the store."));
  const results = await Promise.allSettled(together);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.ok((await grouped.commit(create("/later"))).committed);
});

test("grouped or not, the same commits leave the same store", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ key: fc.constantFrom("/a", "/b", "/c"), guarded: fc.boolean() }), {
        maxLength: 12,
      }),
      async (writes) => {
        const transactions = writes.map(({ key, guarded }, index): Transaction => {
          const then = [{ do: "put", key, value: String(index) } as const];
          return { when: guarded ? [{ key, modRevision: 0 }] : [], then };
        });
        const alone = countingStore().store;
        const expected: boolean[] = [];
        for (const transaction of transactions) expected.push((await alone.commit(transaction)).committed);
        const { store } = countingStore();
        const grouped = groupedStore(store);
        const outcomes = await Promise.all(transactions.map((transaction) => grouped.commit(transaction)));
        assert.deepEqual(
          outcomes.map(({ committed }) => committed),
          expected,
        );
        const values = async (from: Store): Promise<string[]> =>
          (await from.read(under("/"))).entries.map(({ key, value }) => `${key}=${value}`);
        assert.deepEqual(await values(store), await values(alone));
      },
    ),
    { numRuns: 200 },
  );
});

test("a large value goes alone, so that a store that refuses it refuses no other with it", async () => {
  const { store, commits } = countingStore();
  const limited: Store = Object.assign(Object.create(store) as Store, {
    commit: async (transaction: Transaction) => {
      if (JSON.stringify(transaction).length > 1_500_000) throw new Fault("store-too-large", "too large");
      return await store.commit(transaction);
    },
  });
  const grouped = groupedStore(limited);
  const big = (key: string, length: number): Transaction => ({
    when: [{ key, modRevision: 0 }],
    then: [{ do: "put", key, value: "x".repeat(length) }],
  });
  const outcomes = await Promise.allSettled([
    grouped.commit(create("/first")),
    ...[1, 2, 3].map(async (number) => await grouped.commit(big(`/big/${number}`, 1_000_000))),
    grouped.commit(big("/huge", 2_000_000)),
    grouped.commit(create("/last")),
  ]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["fulfilled", "fulfilled", "fulfilled", "fulfilled", "rejected", "fulfilled"],
  );
  assert.equal(commits.length, 5);
});
