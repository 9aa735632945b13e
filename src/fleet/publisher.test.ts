import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault, isFault } from "../lib/fault.ts";
import { openMemoryStore } from "../store/memory.ts";
import { under } from "../store/range.ts";
import type { LeaseId, Store, Transaction } from "../store/store.ts";
import type { UnitName, UnitState } from "./model.ts";
import { StatePublisher } from "./publisher.ts";
import { fleetKeys } from "./registry.ts";

const me = "1".repeat(32);
const line = fleetKeys.scheduled(me, "a.service");

function state(unit: UnitName, active: string): UnitState {
  return { unit, machine: me, hash: "h", load: "loaded", active, sub: active, reached: "loaded" };
}

function statesOf(wanted: Readonly<Record<UnitName, string>>): ReadonlyMap<UnitName, UnitState> {
  return new Map(Object.entries(wanted).map(([unit, active]) => [unit, state(unit, active)]));
}

/** A store whose member is cut off now and then: what was sent to it is carried out when it is reached again. */
class TardyStore {
  readonly #store: Store;
  #waiting: Transaction[] = [];
  isAway = false;

  constructor(store: Store) {
    this.#store = store;
  }

  get client(): Store {
    const commit: Store["commit"] = async (transaction) => {
      if (!this.isAway) return await this.#store.commit(transaction);
      this.#waiting.push(transaction);
      throw new Fault("store-unavailable", "Cannot write to the store, it did not answer in time.");
    };
    return new Proxy(this.#store, {
      get: (store, name) => (name === "commit" ? commit : Reflect.get(store, name).bind(store)),
    });
  }

  async carryOut(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const transaction of waiting) {
      await this.#store.commit(transaction).catch((error: unknown) => {
        if (!isFault(error, "store-lease-gone")) throw error;
      });
    }
  }
}

async function withPublisher(
  body: (parts: {
    store: Store;
    tardy: TardyStore;
    publisher: StatePublisher;
    another: () => StatePublisher;
    lease: LeaseId;
    shown: () => Promise<Record<UnitName, string>>;
  }) => Promise<void>,
): Promise<void> {
  const store = openMemoryStore(new FakeEnv());
  const tardy = new TardyStore(store);
  const another = (): StatePublisher => new StatePublisher(tardy.client, me);
  const lease = (await store.grantLease(10_000)).id;
  const prefix = fleetKeys.states(me);
  const shown = async (): Promise<Record<UnitName, string>> => {
    const { entries } = await store.read(under(prefix));
    return Object.fromEntries(
      entries.map(({ key, value }) => [
        key.slice(prefix.length),
        (JSON.parse(value) as { active: string }).active,
      ]),
    );
  };
  try {
    await body({ store, tardy, publisher: another(), another, lease, shown });
  } finally {
    await store.close();
  }
}

async function fails(write: Promise<unknown>): Promise<void> {
  await assert.rejects(write, (error) => isFault(error, "store-unavailable"));
}

test("a claim that the store carries out late does not take a newer state back", async () => {
  await withPublisher(async ({ store, tardy, publisher, lease, shown }) => {
    await store.commit({ when: [], then: [{ do: "put", key: line, value: "{}" }] });
    const when = { key: line, value: "{}" };
    await publisher.publish(lease, () => statesOf({ "b.service": "active" }));
    tardy.isAway = true;
    await fails(publisher.claim(lease, state("a.service", "inactive"), when));
    tardy.isAway = false;
    assert.equal(await publisher.claim(lease, state("a.service", "inactive"), when), true);
    const now = { "a.service": "active", "b.service": "active" };
    await publisher.publish(lease, () => statesOf(now));
    await tardy.carryOut();
    assert.deepEqual(await shown(), now);
  });
});

test("a state that the store carries out late is not shown of a unit that has gone, or is as it was before", async () => {
  await withPublisher(async ({ tardy, publisher, lease, shown }) => {
    await publisher.publish(lease, () => statesOf({ "a.service": "active" }));
    tardy.isAway = true;
    await fails(publisher.publish(lease, () => statesOf({ "a.service": "failed", "b.service": "active" })));
    tardy.isAway = false;
    await publisher.publish(lease, () => statesOf({ "a.service": "active" }));
    await tardy.carryOut();
    assert.deepEqual(await shown(), { "a.service": "active" });
  });
});

test("what a daemon sent before it was killed does not come over what the next one shows", async () => {
  await withPublisher(async ({ tardy, publisher, another, lease, shown }) => {
    await publisher.publish(lease, () => statesOf({ "a.service": "activating" }));
    tardy.isAway = true;
    await fails(publisher.publish(lease, () => statesOf({ "a.service": "failed" })));
    tardy.isAway = false;
    await another().publish(lease, () => statesOf({ "a.service": "active" }));
    await tardy.carryOut();
    assert.deepEqual(await shown(), { "a.service": "active" });
  });
});

test("a claim that does not hold is told, and whoever finds another's turn takes one and shows everything again", async () => {
  await withPublisher(async ({ publisher, another, lease, shown }) => {
    const when = { key: line, modRevision: 77 };
    assert.equal(await publisher.claim(lease, state("a.service", "inactive"), when), false);
    await publisher.publish(lease, () => statesOf({ "a.service": "active" }));
    await another().publish(lease, () => statesOf({ "a.service": "failed" }));
    const again = (): Promise<boolean> =>
      publisher.publish(lease, () => statesOf({ "a.service": "inactive" }));
    await assert.rejects(again(), (error) => isFault(error, "states-overtaken"));
    assert.equal(await again(), true);
    assert.deepEqual(await shown(), { "a.service": "inactive" });
  });
});

test("whatever the store carries out late, what was published last is what it shows", async () => {
  const wanted = fc.dictionary(
    fc.constantFrom("a.service", "b.service", "c.service"),
    fc.constantFrom("active", "failed"),
    {
      maxKeys: 3,
      noNullPrototype: true,
    },
  );
  const step = fc.record({
    wanted,
    isAway: fc.boolean(),
    carriesOut: fc.boolean(),
    isRestarted: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), wanted, async (steps, last) => {
      await withPublisher(async ({ tardy, publisher: first, another, lease, shown }) => {
        let publisher = first;
        const publish = async (states: Readonly<Record<UnitName, string>>): Promise<void> => {
          try {
            await publisher.publish(lease, () => statesOf(states));
          } catch (error) {
            if (!isFault(error, "store-unavailable", "states-overtaken")) throw error;
            if (!tardy.isAway) await publisher.publish(lease, () => statesOf(states));
          }
        };
        for (const each of steps) {
          tardy.isAway = each.isAway;
          if (each.isRestarted) publisher = another();
          await publish(each.wanted);
          if (each.carriesOut) await tardy.carryOut();
        }
        tardy.isAway = false;
        await publish(last);
        await tardy.carryOut();
        // A turn that was sent in between may come over this one: then the next write finds out.
        await publish({ ...last, "later.service": "active" });
        await publish({ ...last });
        assert.deepEqual(await shown(), last);
      });
    }),
  );
});
