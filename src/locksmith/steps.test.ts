import assert from "node:assert/strict";
import { test } from "node:test";
import { afterDrain, parseTurn, type Turn } from "./reboot-turn.ts";
import { nextStep, type Situation, warningMs } from "./steps.ts";
import { wantOf, type Wishes } from "./wants.ts";

const turn: Turn = { boot: "b1", why: "a test", locks: true, rebooting: false };
const well = { global: [], placed: [] };
const drained: Turn = { ...turn, drain: { before: "ready", done: true, well } };
const stopping: Turn = { ...drained, stop: { names: ["all.service"], done: false } };
const stopped: Turn = { ...drained, stop: { names: ["all.service"], done: true } };
const calm: Situation = {
  goingDown: false,
  want: { kind: "update", version: "2" },
  window: "always",
  inhibitors: [],
  turn: undefined,
  slot: "none",
  halted: undefined,
  drains: true,
  users: [],
  toldForMs: undefined,
};
const closed = { open: false, opensAt: Date.UTC(2026, 0, 2), waitMs: 5_000 } as const;

test("the steps of a reboot, one after the other", () => {
  const steps: readonly (readonly [string, Partial<Situation>, string])[] = [
    ["nothing is wanted", { want: undefined }, "wait steady"],
    ["wanted", {}, "begin"],
    ["begun", { turn }, "lock"],
    ["begun, the store is away", { turn, slot: "unknown" }, "lock"],
    ["holds the slot", { turn, slot: "held" }, "drain"],
    [
      "drains",
      { turn: { ...turn, drain: { before: "ready", done: false, well } }, slot: "held" },
      "wait draining",
    ],
    ["drained: what stays is stopped", { turn: drained, slot: "held" }, "stop"],
    ["drained, the store is away: the slot is confirmed before", { turn: drained, slot: "unknown" }, "stop"],
    ["units stop", { turn: stopping, slot: "held" }, "wait stopping"],
    ["they have stopped", { turn: stopped, slot: "held" }, "reboot"],
    ["they have stopped, the store is away", { turn: stopped, slot: "unknown" }, "reboot"],
    ["somebody logs in while units stop", { turn: stopping, slot: "held", users: ["core"] }, "wait stopping"],
    ["somebody logs in once they have", { turn: stopped, slot: "held", users: ["core"] }, "reboot"],
    ["what was not drained systemd stops", { turn: drained, slot: "held", drains: false }, "reboot"],
    ["no drain is wanted", { turn, slot: "held", drains: false }, "reboot"],
    ["no lock is wanted", { turn: { ...turn, locks: false }, drains: false }, "reboot"],
    ["somebody is logged in", { turn: drained, slot: "held", users: ["core"] }, "warn"],
    ["was told", { turn: drained, slot: "held", users: ["core"], toldForMs: 1_000 }, "wait warning"],
    ["had the time", { turn: drained, slot: "held", users: ["core"], toldForMs: warningMs }, "stop"],
    ["goes down", { turn: drained, slot: "held", goingDown: true }, "wait rebooting"],
  ];
  for (const [name, change, expected] of steps) {
    const step = nextStep({ ...calm, ...change });
    assert.equal(step.do === "wait" ? `wait ${step.phase}` : step.do, expected, name);
  }
});

test("whatever stands against a reboot waits without a slot, and gives back one that was won", () => {
  const against: readonly (readonly [string, Partial<Situation>, string])[] = [
    ["the window is closed", { window: closed }, "waits-for-window"],
    ["the window never opens", { window: "never" }, "waits-for-window"],
    ["somebody forbids it", { inhibitors: [{ who: "apt", why: "installs" }] }, "inhibited"],
  ];
  for (const [name, change, phase] of against) {
    const waiting = nextStep({ ...calm, ...change });
    assert.equal(waiting.do === "wait" && waiting.phase, phase, name);
    for (const begun of [turn, drained, stopping, stopped])
      assert.equal(nextStep({ ...calm, ...change, turn: begun, slot: "held" }).do, "undo", name);
  }
  assert.equal(nextStep({ ...calm, turn: drained, slot: "held", want: undefined }).do, "undo");
  assert.equal(nextStep({ ...calm, turn: drained, slot: "held", halted: "a sale" }).do, "undo");
  assert.deepEqual(nextStep({ ...calm, turn: drained, slot: "none" }), {
    do: "undo",
    why: "this machine has lost its slot",
  });
  const wait = nextStep({ ...calm, window: closed });
  assert.equal(wait.do === "wait" && wait.ms, 5_000);
});

test("what a reboot is wanted for: people first, then updates, then packages; nothing twice", () => {
  const none: Wishes = {
    wish: undefined,
    update: undefined,
    required: undefined,
    boot: "b1",
    rebootedFor: undefined,
  };
  const wish = { id: "m", number: 7, boot: "b1", since: "", reason: "" };
  const update = { operation: "UPDATE_STATUS_UPDATED_NEED_REBOOT", version: "2" };
  assert.equal(wantOf(none), undefined);
  assert.equal(wantOf({ ...none, wish, update, required: [] })?.kind, "wish");
  assert.equal(wantOf({ ...none, wish: { ...wish, boot: "b0" }, required: ["x"] })?.kind, "required");
  assert.equal(wantOf({ ...none, update })?.kind, "update");
  assert.equal(wantOf({ ...none, update, rebootedFor: "1" })?.kind, "update");
  assert.equal(wantOf({ ...none, update, rebootedFor: "2" }), undefined);
  for (const operation of ["UPDATE_STATUS_IDLE", "UPDATE_STATUS_DOWNLOADING"])
    assert.equal(wantOf({ ...none, update: { operation, version: "2" } }), undefined);
});

test("a drain that is over leaves what operators did, and ends only itself", () => {
  const part = { before: "ready", since: "t1", done: true, well } as const;
  assert.equal(afterDrain(part, { taking: "drained", since: "t1" }), "uncordon");
  assert.equal(afterDrain(part, { taking: "draining", since: "t1" }), "uncordon");
  assert.equal(afterDrain(part, { taking: "drained", since: "t2" }), undefined);
  assert.equal(afterDrain(part, { taking: "cordoned", since: "t2" }), undefined);
  assert.equal(afterDrain(part, { taking: "ready", since: undefined }), undefined);
  assert.equal(afterDrain({ ...part, before: "cordoned" }, { taking: "drained", since: "t1" }), "cordon");
  for (const before of ["draining", "drained"] as const)
    assert.equal(afterDrain({ before, done: true, well }, { taking: "drained", since: "t0" }), undefined);
});

test("a turn is read as it was written, and nothing else is taken for one", () => {
  assert.deepEqual(parseTurn(JSON.stringify(stopped)), stopped);
  for (const text of ["", "null", "7", "{}", '{"boot":"b1"}']) assert.equal(parseTurn(text), undefined, text);
});
