import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import { hashUnitText } from "../unit/hash.ts";
import { AttemptBook } from "./attempt-book.ts";
import { FakeMachine } from "./fake-machine.ts";
import type { UnitName } from "./model.ts";
import type { Attempt } from "./reconcile.ts";

test("a daemon that is killed before systemd has taken a start gives it when it is back; one that was taken it does not give again", async () => {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const machine = new FakeMachine(env, store, 1);
  machine.start();
  await env.advance(1000);
  const submit = async (name: string, text: string): Promise<void> => {
    await machine.registry.create({ name, text, hash: hashUnitText(text), target: "launched" });
  };
  const starts = (name: string): number =>
    machine.units.calls.filter(({ operation, names }) => operation === "start" && names.includes(name))
      .length;
  try {
    await submit("once.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n");
    await env.advance(1000);
    assert.equal(starts("once.service"), 1);

    machine.units.callMs = 1000;
    await submit("web.service", "[Service]\nExecStart=/bin/sleep 1000\n");
    // Loading has taken a second; the start is on its way.
    await env.advance(1500);
    assert.equal(machine.units.textOf("web.service") !== undefined, true);
    await machine.crash();
    machine.units.unavailable = true;
    await env.advance(2000);
    assert.equal(starts("web.service"), 0, "it was lost with the daemon");
    machine.units.unavailable = false;
    machine.units.callMs = 0;
    machine.start();
    await env.advance(2000);
    assert.deepEqual(await machine.running(), ["web.service"]);
    assert.equal(starts("web.service"), 1);
    assert.equal(starts("once.service"), 1);
  } finally {
    await machine.crash();
    await store.close();
  }
});

test("a daemon that is killed before systemd was told of a restart has the next one carry it out; one that came about is not repeated", async () => {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const machine = new FakeMachine(env, store, 1);
  const name = "web.service";
  const text = "[Service]\nExecStart=/bin/sleep 1000\n";
  const restarts = (): number =>
    machine.units.calls.filter(({ operation }) => operation === "restart").length;
  machine.start();
  await env.advance(1000);
  try {
    await machine.registry.create({ name, text, hash: hashUnitText(text), target: "launched" });
    await env.advance(1000);

    machine.units.callMs = 1000;
    await machine.registry.restart(name);
    // Its invocation was asked for, which takes a second; systemd is about to be told.
    await env.advance(1500);
    await machine.crash();
    machine.units.unavailable = true;
    await env.advance(2000);
    assert.equal(restarts(), 0, "it was lost with the daemon");
    machine.units.unavailable = false;
    machine.units.callMs = 0;
    machine.start();
    await env.advance(2000);
    assert.equal(restarts(), 1);

    machine.units.callMs = 1000;
    await machine.registry.restart(name);
    await env.advance(1500);
    await machine.crash();
    // systemd was told in the daemon's last moment, and went on without it.
    await env.advance(2000);
    assert.equal(restarts(), 2);
    machine.units.callMs = 0;
    machine.start();
    await env.advance(20_000);
    assert.equal(restarts(), 2, "it came about");
    await machine.registry.restart(name);
    await env.advance(1000);
    assert.equal(restarts(), 3, "the next one is carried out");
  } finally {
    await machine.crash();
    await store.close();
  }
});

test("a start is written down as unconfirmed until it was taken, refused, or undone", async () => {
  let written: ReadonlyMap<UnitName, Attempt> = new Map();
  const book = new AttemptBook(new FakeEnv(), {
    read: () => Promise.resolve(new Map()),
    write: (all) => {
      written = all;
      return Promise.resolve();
    },
  });
  const launched: Attempt = { hash: "1", reached: "launched" };
  for (const name of ["a.service", "b.service", "c.service", "d.service"]) book.begin(name, launched);
  await book.save();
  assert.deepEqual(written.get("a.service"), { ...launched, unconfirmed: true });
  assert.deepEqual(book.get("a.service"), launched, "this daemon knows that it is under way");
  book.confirm("a.service");
  book.setLoaded("b.service");
  book.delete("c.service");
  await book.save();
  assert.deepEqual(
    [...written],
    [
      ["a.service", launched],
      ["b.service", { hash: "1", reached: "loaded" }],
      ["d.service", { ...launched, unconfirmed: true }],
    ],
  );
});
