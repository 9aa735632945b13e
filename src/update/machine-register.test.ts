import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import { absentAfterMs, mostForgotten, type Registered, roomAmong } from "./machine-register.ts";
import { type OmahaApp, osAppId } from "./omaha.ts";
import { newGroup, updatePrefix } from "./server-records.ts";
import { under } from "../store/range.ts";
import { UpdateRegistry } from "./update-registry.ts";

const hourMs = 3600_000;

function app(machineId: string): OmahaApp {
  return {
    appId: osAppId,
    version: "1",
    track: "stable",
    bootId: "",
    oem: "",
    oemVersion: "",
    alephVersion: "",
    machineId,
    machineAlias: "",
    board: "",
    ping: true,
    updateCheck: true,
    events: [],
  };
}

/** Two servers on one store with room for `most` machines. */
async function servers(most: number) {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const registries = [new UpdateRegistry(env, store, most), new UpdateRegistry(env, store, most)] as const;
  await registries[0].putRelease({
    version: "5",
    urls: [],
    digest: "ab".repeat(32),
    packages: [{ name: "SHA256SUMS", size: 10 }],
  });
  await registries[0].changeChannel("stable", () => ({ name: "stable", version: "5", floors: [] }));
  await registries[0].changeGroup("stable", () => newGroup("stable"));
  const ask = async (machineId: string, server: 0 | 1 = 0): Promise<string> => {
    const when = { address: "", ownFolder: (version: string) => `http://own/${version}/` };
    return (await registries[server].answer(app(machineId), when)).status;
  };
  const ids = async (): Promise<string> => (await registries[0].machines()).map(({ id }) => id).join(" ");
  return { env, store, registry: registries[0], ask, ids };
}

test("a full register takes no new machine while all of it was heard of within a day", async () => {
  const { env, ask, ids, registry } = await servers(3);
  for (const id of ["a", "b", "c"]) {
    assert.equal(await ask(id), "ok");
    env.jump(hourMs);
  }
  assert.equal(await ask("d"), "error-instanceRegistrationFailed");
  assert.equal(await ask("e", 1), "error-instanceRegistrationFailed");
  assert.equal(await ask("a"), "ok", "whoever has a place keeps it");
  assert.equal(await ids(), "a b c");
  assert.equal(env.lines.filter((line) => line.startsWith("warning: new machines are refused")).length, 2);
  assert.equal(await registry.remove("machine", "b"), true);
  assert.equal(await ask("d"), "ok", "somebody made room");
  assert.equal(await ids(), "a c d");
});

test("a machine that was not heard of for a day gives its place to a new one, the one that is longest away first", async () => {
  const { env, ask, ids } = await servers(3);
  for (const id of ["a", "b", "c"]) {
    await ask(id);
    env.jump(hourMs);
  }
  await ask("d");
  env.jump(absentAfterMs - 3 * hourMs);
  assert.equal(await ask("a"), "ok");
  env.jump(hourMs);
  assert.equal(await ask("d"), "ok");
  assert.equal(await ids(), "a c d", "b is gone; c was heard of last after it, a asked again");
});

test("however many new machines ask at once at two servers, the register holds no more than it may and refuses nobody else", async () => {
  const { ask, ids, store } = await servers(40);
  const answers = await Promise.all(
    Array.from({ length: 60 }, async (_, number) => await ask(`m${number}`, number % 2 === 0 ? 0 : 1)),
  );
  assert.equal(answers.filter((status) => status === "ok").length, 40);
  assert.equal((await ids()).split(" ").length, 40);
  const { entries } = await store.read(under(updatePrefix));
  assert.equal(entries.find(({ key }) => key.endsWith("/machine-count"))?.value, '{"machines":40}');
  await store.close();
});

test("only machines that are away for a day make room, as many as are needed, and never so many that a transaction is too long", () => {
  const ages = fc.array(fc.integer({ min: 0, max: 2 * absentAfterMs }), { maxLength: 300 });
  fc.assert(
    fc.property(ages, fc.integer({ min: 1, max: 300 }), (agesMs, most) => {
      const nowMs = 3 * absentAfterMs;
      const machines = agesMs.map(
        (age, place): Registered => ({
          key: `m${place}`,
          modRevision: place + 1,
          seenMs: nowMs - age,
        }),
      );
      const room = roomAmong(machines, most, nowMs);
      if (!("forget" in room)) {
        assert.ok(room.noneUntilMs > nowMs);
        assert.ok(agesMs.filter((age) => age >= absentAfterMs).length < machines.length - most + 1);
        return;
      }
      assert.ok(room.forget.length <= mostForgotten);
      const oldest = Math.max(
        0,
        ...machines.filter((each) => !room.forget.includes(each)).map((each) => nowMs - each.seenMs),
      );
      for (const { seenMs } of room.forget) {
        assert.ok(nowMs - seenMs >= absentAfterMs);
        assert.ok(nowMs - seenMs >= oldest, "the longest away first");
      }
      const needed = machines.length - most + 1;
      assert.ok(room.forget.length >= Math.min(needed, mostForgotten));
    }),
  );
});
