import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { commit, put, silentEnv } from "../store/contract-tools.ts";
import { openMemoryStore } from "../store/memory.ts";
import { contains, exactly, under } from "../store/range.ts";
import { eventRecords, eventsPrefix, forgottenKey } from "./events.ts";
import { placesOf, presentInAnyFleet, readFleetName, storeOfFleet, usualFleet } from "./fleet-name.ts";
import { fleetKeys, fleetPrefix, turnsPrefix } from "./registry.ts";
import { identityKey } from "./store-identity.ts";

/** Made of what is special in a path, in percent encoding and in the order of keys. */
const spelled = fc
  .array(fc.constantFrom("a", "b", "/", "%", "2F", ".", "..", ":", ";", "0", " ", "é", "\u{1f600}"), {
    maxLength: 12,
  })
  .map((pieces) => pieces.join(""));

test("a name is read as it was written, and slashes around it make no difference", () => {
  fc.assert(
    fc.property(spelled, (text) => {
      const name = readFleetName(text);
      assert.match(name, /^\//);
      for (const same of [name, `/${name}/`, name.slice(1), `./${name}//`])
        assert.equal(readFleetName(same), name);
    }),
  );
});

test("nothing of one fleet lies within another, and nothing within what else is in the store", () => {
  const others = [
    fleetPrefix,
    eventsPrefix,
    turnsPrefix,
    "/argosy/keys/",
    "/argosy/members/",
    "/argosy/update/",
  ];
  fc.assert(
    fc.property(spelled, spelled, (one, other) => {
      const [first, second] = [readFleetName(one), readFleetName(other)];
      for (const { seen, kept } of placesOf(first)) {
        assert.ok(contains(under("/argosy/"), kept), "it is carried along when the store moves");
        assert.equal(kept.split("/").length, seen.split("/").length);
        assert.ok(!others.some((prefix) => contains(under(prefix), kept)));
        assert.notEqual(kept, identityKey);
        if (first === second) continue;
        for (const place of placesOf(second)) {
          assert.notEqual(place.kept, kept);
          if (place.kept.endsWith("/"))
            assert.ok(!contains(under(place.kept), kept), `${second} holds ${kept}`);
        }
      }
    }),
  );
});

test("every key that fleet uses has its place in a fleet of another name", async () => {
  const store = openMemoryStore(silentEnv());
  const own = storeOfFleet(store, "/team/a");
  const keys = Object.values(fleetKeys).map((key) => (typeof key === "string" ? key : key("m", "a.service")));
  for (const key of [...keys, eventRecords.from, forgottenKey, identityKey])
    assert.deepEqual((await own.read(exactly(key))).entries, [], key);
});

test("the usual fleet keeps what it writes where it always was", () => {
  const store = openMemoryStore(silentEnv());
  assert.equal(storeOfFleet(store, readFleetName("/_coreos.com/fleet/")), store);
  assert.notEqual(storeOfFleet(store, "/team/a"), store);
});

test("machines are found in every fleet of the store, and nothing else is taken for one", async () => {
  const store = openMemoryStore(silentEnv());
  const names = [usualFleet, "/", "/team", "/team/a", "/team/b", "/zoo:1"];
  const wanted = names.map((_, index) => `m${index}`);
  for (const [index, name] of names.entries()) {
    const own = storeOfFleet(store, name);
    await commit(own, [
      put(fleetKeys.machine(`m${index}`), "{}"),
      put(fleetKeys.unit("web.service"), "{}"),
      put(fleetKeys.metadata("m9", "key"), "x"),
    ]);
    assert.equal((await own.read(under(fleetPrefix))).entries.length, 3, name);
    assert.equal((await own.read(exactly(fleetKeys.machine("m9")))).entries.length, 0);
  }
  await commit(storeOfFleet(store, "/without/machines"), [put(fleetKeys.unit("web.service"), "{}")]);
  const present = await presentInAnyFleet(async (range, limit) => {
    const snapshot = await store.read(range, limit === undefined ? {} : { limit });
    return snapshot.entries;
  });
  assert.deepEqual([...present].sort(), wanted);
});
