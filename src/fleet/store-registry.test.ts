import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault, isFault } from "../lib/fault.ts";
import { openMemoryStore } from "../store/memory.ts";
import type { Store, Transaction } from "../store/store.ts";
import { exactly } from "../store/range.ts";
import { fleetKeys, type Registry } from "./registry.ts";
import { SharedPicture } from "./shared-picture.ts";
import { storeRegistry } from "./store-registry.ts";

const unit = {
  name: "web.service",
  text: "[Service]\nExecStart=/bin/true\n",
  hash: "1",
  target: "loaded",
} as const;

/** A store whose writes are answered by an error as often as told, carried out before it or not. */
function losing(store: Store, answers: number, carriedOut: boolean): Store {
  let left = answers;
  return {
    read: async (range, options) => await store.read(range, options),
    watch: (range, after, signal) => store.watch(range, after, signal),
    grantLease: async (ttlMs) => await store.grantLease(ttlMs),
    renewLease: async (id) => await store.renewLease(id),
    revokeLease: async (id) => await store.revokeLease(id),
    compact: async (revision) => await store.compact(revision),
    close: async () => await store.close(),
    commit: async (transaction) => {
      if (left === 0) return await store.commit(transaction);
      left -= 1;
      if (carriedOut) await store.commit(transaction);
      throw new Fault("store-unavailable", "the store did not answer in time");
    },
  };
}

for (const carriedOut of [true, false]) {
  const kind = carriedOut ? "was carried out" : "was not carried out";
  test(`a write whose answer was lost and that ${kind} is sent again, and counts once`, async () => {
    const env = new FakeEnv();
    const store = openMemoryStore(env);
    const source = new SharedPicture(env, store, 1000);
    const lossy = (): ReturnType<typeof storeRegistry> => storeRegistry(losing(store, 1, carriedOut), source);
    const created = await lossy().create(unit);
    await assert.rejects(lossy().create({ ...unit, hash: "2" }), (error) => isFault(error, "unit-exists"));
    const targeted = await lossy().setTarget(unit.name, "launched");
    const replaced = await lossy().replace({ ...unit, hash: "3" }, targeted);
    const destroyed = await lossy().destroy(unit.name);
    assert.deepEqual([targeted - created, replaced - targeted, destroyed - replaced], [1, 1, 1]);
    await assert.rejects(lossy().destroy(unit.name), (error) => isFault(error, "unit-missing"));
    await store.close();
  });
}

test("a store that stays away is told", async () => {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const registry = storeRegistry(losing(store, 100, false), new SharedPicture(env, store, 1000));
  await assert.rejects(registry.create(unit), (error) => isFault(error, "store-unavailable"));
  await store.close();
});

/** A store that loses one write on its way, which the test has arrive later, and hears of what is done with it meanwhile. */
class LateStore {
  readonly #store: Store;
  #late: Transaction | undefined;
  /** What happens before the first write is answered by an error. */
  meanwhile: () => Promise<void> = () => Promise.resolve();
  /** Whether the first write is carried out at once, and only its answer is lost. */
  readonly #carriedOut: boolean;

  constructor(store: Store, carriedOut: boolean) {
    this.#store = store;
    this.#carriedOut = carriedOut;
  }

  readonly store = (): Store => ({
    ...losing(this.#store, 0, false),
    commit: async (transaction) => {
      if (this.#late !== undefined) return await this.#store.commit(transaction);
      this.#late = transaction;
      if (this.#carriedOut) await this.#store.commit(transaction);
      await this.meanwhile();
      throw new Fault("store-unavailable", "the store did not answer in time");
    },
  });

  async arrive(): Promise<boolean> {
    assert.ok(this.#late);
    return (await this.#store.commit(this.#late)).committed;
  }
}

const machine = "5ebed85d9e624c30bb2f10e796691623";
const drained = { machine, sinceMs: 1, drain: { mostMoving: 3 } };
const role = (value: string) => [{ machine, key: "role", value }];

/** What somebody asks for, and what somebody else asks for later: it is what has to be so in the end. */
const rows: readonly {
  readonly what: string;
  readonly before?: (registry: Registry) => Promise<unknown>;
  readonly first: (registry: Registry, signal?: AbortSignal) => Promise<unknown>;
  readonly later: (registry: Registry) => Promise<unknown>;
  readonly key: string;
  readonly value: string | undefined;
}[] = [
  {
    what: "a cordon and an uncordon of a machine that is not cordoned",
    first: (registry, signal) => registry.cordon({ machine, sinceMs: 1 }, undefined, signal),
    later: (registry) => registry.uncordon(machine),
    key: fleetKeys.cordon(machine),
    value: undefined,
  },
  {
    what: "an uncordon and a drain",
    before: (registry) => registry.cordon({ machine, sinceMs: 0 }),
    first: (registry, signal) => registry.uncordon(machine, undefined, signal),
    later: (registry) => registry.cordon(drained),
    key: fleetKeys.cordon(machine),
    value: JSON.stringify({ sinceMs: 1, drain: { mostMoving: 3 } }),
  },
  {
    what: "a drain and an uncordon",
    before: (registry) => registry.cordon({ machine, sinceMs: 0 }),
    first: (registry, signal) => registry.cordon(drained, undefined, signal),
    later: (registry) => registry.uncordon(machine),
    key: fleetKeys.cordon(machine),
    value: undefined,
  },
  {
    what: "two values of metadata",
    first: (registry, signal) => registry.setMetadata(role("first"), undefined, signal),
    later: (registry) => registry.setMetadata(role("later")),
    key: fleetKeys.metadata(machine, "role"),
    value: "later",
  },
  {
    what: "a new value of metadata and the one that it has",
    before: (registry) => registry.setMetadata(role("later")),
    first: (registry, signal) => registry.setMetadata(role("first"), undefined, signal),
    later: (registry) => registry.setMetadata(role("later")),
    key: fleetKeys.metadata(machine, "role"),
    value: "later",
  },
];

for (const { what, before, first, later, key, value } of rows) {
  for (const carriedOut of [true, false]) {
    test(`of ${what} the later one holds, the first ${carriedOut ? "carried out" : "on its way"} without an answer`, async () => {
      const env = new FakeEnv();
      const memory = openMemoryStore(env);
      const source = new SharedPicture(env, memory, 1000);
      const others = storeRegistry(memory, source);
      await before?.(others);
      const late = new LateStore(memory, carriedOut);
      late.meanwhile = async () => void (await later(others));
      await assert.rejects(first(storeRegistry(late.store(), source)), (error) =>
        isFault(error, "overtaken"),
      );
      assert.equal(await late.arrive(), false, "it comes too late");
      assert.equal((await memory.read(exactly(key))).entries[0]?.value, value);
      await memory.close();
    });
  }

  test(`of ${what} the later one holds when nobody waits for the first any more`, async () => {
    const env = new FakeEnv();
    const memory = openMemoryStore(env);
    const source = new SharedPicture(env, memory, 1000);
    const others = storeRegistry(memory, source);
    await before?.(others);
    const gone = new AbortController();
    const slow: Store = {
      ...losing(memory, 0, false),
      commit: async (transaction) => {
        gone.abort();
        await later(others);
        return await memory.commit(transaction);
      },
    };
    const asked = first(storeRegistry(slow, source), gone.signal);
    await assert.rejects(asked, (error) => isFault(error, "overtaken"));
    assert.equal((await memory.read(exactly(key))).entries[0]?.value, value);
    await memory.close();
  });

  test(`of ${what} each is carried out once and said to be done when one answer is lost`, async () => {
    const env = new FakeEnv();
    const memory = openMemoryStore(env);
    const source = new SharedPicture(env, memory, 1000);
    await before?.(storeRegistry(memory, source));
    for (const carriedOut of [true, false]) {
      const from = (await memory.read(exactly(key))).revision;
      const lossy = (): Registry => storeRegistry(losing(memory, 1, carriedOut), source);
      await first(lossy());
      await later(lossy());
      const { entries, revision } = await memory.read(exactly(key));
      assert.equal(entries[0]?.value, value);
      assert.equal(revision - from, 2);
    }
    await memory.close();
  });
}

test("of two who change a machine at the same time both are done", async () => {
  const env = new FakeEnv();
  const memory = openMemoryStore(env);
  const registry = storeRegistry(memory, new SharedPicture(env, memory, 1000));
  const { revision } = await memory.read(exactly("/"));
  await Promise.all([
    registry.cordon({ machine, sinceMs: 1 }),
    registry.cordon(drained),
    registry.uncordon(machine),
    registry.setMetadata(role("a")),
    registry.setMetadata(role("b")),
  ]);
  assert.equal((await memory.read(exactly("/"))).revision - revision, 5);
  await memory.close();
});

test("a write whose last answer was lost too is read before it is said to have failed", async () => {
  const env = new FakeEnv();
  const memory = openMemoryStore(env);
  const source = new SharedPicture(env, memory, 1000);
  await storeRegistry(losing(memory, 4, true), source).cordon(drained);
  await storeRegistry(losing(memory, 4, true), source).setMetadata(role("a"));
  await assert.rejects(storeRegistry(losing(memory, 4, false), source).uncordon(machine), (error) =>
    isFault(error, "store-unavailable"),
  );
  await memory.close();
});

test("a unit that others changed while the store did not answer is left as they want it", async () => {
  const env = new FakeEnv();
  const memory = openMemoryStore(env);
  const source = new SharedPicture(env, memory, 1000);
  const others = storeRegistry(memory, source);
  await others.create(unit);
  const late = new LateStore(memory, true);
  late.meanwhile = async () => void (await others.setTarget(unit.name, "inactive"));
  const asked = storeRegistry(late.store(), source).setTarget(unit.name, "launched");
  await assert.rejects(asked, (error) => isFault(error, "overtaken"));
  assert.match((await memory.read(exactly(fleetKeys.unit(unit.name)))).entries[0]?.value ?? "", /inactive/);
  await memory.close();
});
