import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FakeEnv } from "../../lib/fake-env.ts";
import { openMemoryStore } from "../memory.ts";
import type { Store } from "../store.ts";
import { digestOf, readContent } from "./content.ts";
import { copyWhileUsed } from "./live.ts";

async function put(store: Store, key: string, value: string, lease?: string): Promise<void> {
  const operation = {
    do: "put",
    key: `/argosy/${key}`,
    value,
    ...(lease === undefined ? {} : { lease }),
  } as const;
  await store.commit({ when: [], then: [operation] });
}

const key = fc.constantFrom("identity", "keys/a", "keys/b", "fleet/units/x", "fleet/units/y");
const change = fc.record({ key, value: fc.option(fc.string({ maxLength: 4 })) });

test("whatever changes while it is copied, both stores hold the same in the end", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(change), fc.array(change), async (before, meanwhile) => {
      const env = new FakeEnv();
      const [from, to] = [openMemoryStore(env), openMemoryStore(env)];
      const apply = async (changes: typeof before): Promise<void> => {
        for (const each of changes) {
          if (each.value !== null) await put(from, each.key, each.value);
          else {
            const range = { from: `/argosy/${each.key}` };
            await from.commit({ when: [], then: [{ do: "delete", range }] });
          }
        }
      };
      await apply(before);
      const copy = await copyWhileUsed(from, to);
      await apply(meanwhile);
      const digest = await copy.finish();
      assert.deepEqual(digest, digestOf((await readContent(to)).lasting));
      assert.deepEqual(digest, digestOf((await readContent(from)).lasting));
    }),
    { numRuns: 100 },
  );
});

test("signs of life hang on leases of the new store", async () => {
  const env = new FakeEnv();
  const [from, to] = [openMemoryStore(env), openMemoryStore(env)];
  await put(from, "keys/a", "1");
  const { id } = await from.grantLease(10_000);
  const copy = await copyWhileUsed(from, to);
  await put(from, "fleet/machines/m1", "here", id);
  await copy.finish();
  const { leased } = await readContent(to);
  assert.deepEqual(
    leased.map((entry) => [entry.key, entry.value]),
    [["/argosy/fleet/machines/m1", "here"]],
  );
  await env.advance(11_000);
  assert.deepEqual((await readContent(to)).leased, [], "it lapses as it would have");
});

test("a store that holds something is not written over", async () => {
  const env = new FakeEnv();
  const [from, to] = [openMemoryStore(env), openMemoryStore(env)];
  await put(to, "keys/a", "1");
  await assert.rejects(copyWhileUsed(from, to), { code: "store-not-empty" });
});
