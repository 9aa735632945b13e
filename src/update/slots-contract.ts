import assert from "node:assert/strict";
import { test } from "node:test";
import type { Offer } from "./offer.ts";
import type { SlotPicture, Slots } from "./slots.ts";

/** What one implementation of `Slots` is tried in: a machine with version 1 that runs and is good, and a place for releases. */
export interface SlotsWorld {
  /** The slots, as a program sees them that begins in the present boot. */
  open(): Promise<Slots>;
  /** Boots the machine again: the loader chooses and counts. */
  boot(): Promise<void>;
  /** Publishes a release and gives what a server would offer. `harm` is done to it after it was signed. */
  publish(version: string, harm?: Harm): Promise<Offer>;
  close(): Promise<void>;
}

/** `list`: another line in the signed list; `key`: signed by a key nobody knows; `digest`: the server promised another list. */
export type Harm = "list" | "key" | "no-signature" | "swapped" | "truncated" | "gone" | "digest";

/** What every implementation of `Slots` does. */
export function slotsContract(name: string, make: () => Promise<SlotsWorld>): void {
  const within = (what: string, work: (world: SlotsWorld) => Promise<void>): void =>
    void test(`${name}: ${what}`, async () => {
      const world = await make();
      try {
        await work(world);
      } finally {
        await world.close();
      }
    });
  const install = async (world: SlotsWorld, offer: Offer): Promise<void> => {
    const slots = await world.open();
    await slots.install(offer, offer.folders[0] ?? "", () => undefined, new AbortController().signal);
  };
  const look = async (world: SlotsWorld): Promise<SlotPicture> => {
    const { running, trial, others } = await (await world.open()).look();
    return { running, trial, others: others.toSorted((a, b) => (a.version < b.version ? -1 : 1)) };
  };

  within("a machine begins with one good version", async (world) => {
    assert.deepEqual(await look(world), { running: "1", trial: false, others: [] });
  });

  within("an installed version runs after the next boot, on trial until it is blessed", async (world) => {
    await install(world, await world.publish("2"));
    assert.deepEqual(await look(world), {
      running: "1",
      trial: false,
      others: [{ version: "2", state: "untried" }],
    });
    await world.boot();
    assert.deepEqual(await look(world), {
      running: "2",
      trial: true,
      others: [{ version: "1", state: "good" }],
    });
    const slots = await world.open();
    await slots.bless();
    await slots.bless();
    assert.deepEqual(await look(world), {
      running: "2",
      trial: false,
      others: [{ version: "1", state: "good" }],
    });
    await world.boot();
    assert.deepEqual((await look(world)).running, "2");
  });

  within("progress is told, and ends with looking at what was written", async (world) => {
    const offer = await world.publish("2");
    const slots = await world.open();
    const told: boolean[] = [];
    let highest = 0;
    await slots.install(
      offer,
      offer.folders[0] ?? "",
      ({ fraction, verifying }) => {
        told.push(verifying);
        highest = Math.max(highest, fraction);
      },
      new AbortController().signal,
    );
    assert.deepEqual([told[0], told.at(-1), highest], [false, true, 1]);
  });

  within("a version that is condemned on trial is left at the next boot", async (world) => {
    await install(world, await world.publish("2"));
    await world.boot();
    await (await world.open()).condemn("2");
    assert.deepEqual((await look(world)).running, "2");
    await world.boot();
    assert.deepEqual(await look(world), {
      running: "1",
      trial: false,
      others: [{ version: "2", state: "bad" }],
    });
  });

  within("a blessed version that is condemned is left for the one before", async (world) => {
    await install(world, await world.publish("2"));
    await world.boot();
    const slots = await world.open();
    await slots.bless();
    await slots.condemn("2");
    await world.boot();
    assert.deepEqual((await look(world)).running, "1");
  });

  within("a version that never gets blessed is given up after three boots", async (world) => {
    await install(world, await world.publish("2"));
    for (const boot of [1, 2, 3]) {
      await world.boot();
      assert.deepEqual((await look(world)).running, "2", `boot ${boot}`);
    }
    await world.boot();
    assert.deepEqual(await look(world), {
      running: "1",
      trial: false,
      others: [{ version: "2", state: "bad" }],
    });
  });

  within("a staged version that is condemned is never started", async (world) => {
    await install(world, await world.publish("2"));
    await (await world.open()).condemn("2");
    await world.boot();
    assert.deepEqual((await look(world)).running, "1");
  });

  within("a version that was condemned runs after it is installed again", async (world) => {
    const offer = await world.publish("2");
    await install(world, offer);
    await (await world.open()).condemn("2");
    await install(world, offer);
    assert.deepEqual((await look(world)).others, [{ version: "2", state: "untried" }]);
    await world.boot();
    assert.deepEqual([(await look(world)).running, (await look(world)).trial], ["2", true]);
  });

  within("what runs is never overwritten, what does not run is", async (world) => {
    await install(world, await world.publish("2"));
    await install(world, await world.publish("3"));
    assert.deepEqual(await look(world), {
      running: "1",
      trial: false,
      others: [{ version: "3", state: "untried" }],
    });
    await world.boot();
    assert.deepEqual((await look(world)).running, "3");
  });

  within("condemning a version that is not there does nothing", async (world) => {
    await (await world.open()).condemn("7");
    assert.deepEqual(await look(world), { running: "1", trial: false, others: [] });
  });

  const refusals: readonly (readonly [Harm, string])[] = [
    ["list", "update-signature"],
    ["key", "update-signature"],
    ["no-signature", "update-signature"],
    ["digest", "update-list"],
    ["swapped", "update-file"],
    ["truncated", "update-file"],
    ["gone", "update-transfer"],
  ];
  for (const [harm, code] of refusals) {
    within(
      `a release with harm "${harm}" is refused as ${code}, and the next boot is as before`,
      async (world) => {
        await assert.rejects(install(world, await world.publish("2", harm)), { code });
        assert.deepEqual(
          (await look(world)).others.filter(({ state }) => state !== "bad"),
          [],
        );
        await world.boot();
        assert.deepEqual((await look(world)).running, "1");
        await install(world, await world.publish("3"));
        await world.boot();
        assert.deepEqual((await look(world)).running, "3");
      },
    );
  }
}
