import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { alone, digest, Machine, none, offers, staged, wish } from "./fake-policy-machine.ts";
import { parseMemory, printMemory, type UpdateMemory } from "./memory.ts";
import type { SlotPicture } from "./slots.ts";
import type { UpdateEvent } from "./update-state.ts";

test("an engine that ended between the commit and its note does not install the same again", () => {
  const there: SlotPicture = { ...alone, others: [{ version: "2", state: "untried" }] };
  const machine = new Machine().on(wish, offers("2"));
  const restarted = machine.boot(there, "boot 1");
  assert.deepEqual([restarted.state.phase, restarted.done], ["reboot-wanted", ["tell 14/1", "tell 3/1"]]);
  assert.equal(restarted.state.memory.pending?.stage, "staged");
  const booted = machine.boot(there);
  assert.deepEqual([booted.state.phase, booted.state.memory.pending?.stage], ["reboot-wanted", "staged"]);
  const half = machine.boot(alone, "boot 1");
  assert.deepEqual([half.state.phase, half.state.memory.pending], ["failed", undefined]);
});

test("a version that a power cut took out of its slot is not held against, and is installed again", () => {
  const lost = staged().boot(alone);
  assert.deepEqual([lost.state.phase, lost.state.memory.pending], ["failed", undefined]);
  assert.match(lost.state.failure?.sentence ?? "", /2 was installed, and was gone from its slot/);
  assert.deepEqual(lost.state.memory.refusals, []);
  assert.ok(lost.on(wish, offers("2")).done.some((deed) => deed.startsWith("install")));
});

test("what the loader was to be told when the engine ended is told it by the next one", () => {
  const both: SlotPicture = { running: "2", trial: false, others: [{ version: "1", state: "good" }] };
  const back = new Machine(both).on({ on: "rollback" }).boot(both, "boot 1");
  assert.deepEqual([back.state.phase, back.done], ["reboot-wanted", ["condemn 2"]]);
  const later = back.boot(both);
  assert.deepEqual([later.state.phase, later.done], ["reboot-wanted", ["condemn 2"]]);
  const untried: SlotPicture = { ...alone, others: [{ version: "2", state: "untried" }] };
  const rolled = staged().on({ on: "rollback" }).boot(untried, "boot 1");
  assert.deepEqual([rolled.state.phase, rolled.done], ["idle", ["condemn 2"]]);
  const reset = staged().on({ on: "reset" }).boot(untried, "boot 1");
  assert.deepEqual([reset.state.phase, reset.done], ["idle", ["condemn 2"]]);
  const heard = reset.boot({ ...alone, others: [{ version: "2", state: "bad" }] }, "boot 1");
  assert.deepEqual([heard.done, heard.state.memory.pending], [[], undefined]);
});

test("what the loader was told shows at once, and ends the note of it", () => {
  const condemned: UpdateEvent = {
    on: "condemned",
    slots: { ...alone, others: [{ version: "2", state: "bad" }] },
  };
  const reset = staged().on({ on: "reset" }, condemned);
  assert.deepEqual(reset.state.slots.others, [{ version: "2", state: "bad" }]);
  assert.deepEqual([reset.state.phase, reset.state.memory.pending], ["idle", undefined]);
});

test("a machine that does not go back after three boots keeps both of its versions", () => {
  const both: SlotPicture = { running: "2", trial: false, others: [{ version: "1", state: "good" }] };
  const machine = new Machine(both).on({ on: "rollback" }).boot(both).boot(both).boot(both);
  assert.deepEqual([machine.state.phase, machine.done], ["failed", ["tell 3/0 44"]]);
});

test("a version that was found unwell by an engine that ended is judged again, and not refused once it is well", () => {
  const trial: SlotPicture = { running: "2", trial: true, others: [{ version: "1", state: "good" }] };
  const ill: UpdateEvent = { on: "judged", well: false, sentence: "no network" };
  const again = new Machine(trial).on(ill).boot(trial, "boot 1");
  assert.deepEqual([again.state.phase, again.done], ["idle", ["judge"]]);
  again.on({ on: "judged", well: true, sentence: "" }, { on: "blessed", slots: { ...trial, trial: false } });
  assert.deepEqual(again.state.memory.refusals, []);
});

test("a memory that somebody wrote to is understood whole or not at all", () => {
  const { memory } = staged().on({ on: "hold", reason: "sale" }).state;
  const known = {
    ...memory,
    refusals: [{ version: "1", digest, kind: "downgrade", sentence: "", atMs: 0, times: 1 }],
  };
  const text = JSON.parse(printMemory(known as UpdateMemory)) as Record<string, unknown>;
  const paths = Object.entries(text).flatMap(([name, value]) =>
    typeof value === "object" && value !== null
      ? [[name], ...Object.keys(value).map((inner) => [name, inner])]
      : [[name]],
  );
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.jsonValue(), ([name = "", inner], value) => {
      const harmed = structuredClone(text);
      if (inner === undefined) harmed[name] = value;
      else (harmed[name] as Record<string, unknown>)[inner] = value;
      const read = parseMemory(JSON.stringify(harmed));
      if (read === undefined) return;
      const machine = new Machine(alone, read).on(wish, { on: "release" }, wish, offers("2"));
      assert.equal(typeof machine.state.phase, "string");
    }),
  );
});

test("the answer to a ping is not taken for the answer to the check that began meanwhile", () => {
  const machine = new Machine().on({ on: "hold", reason: "" }, { on: "release" }, wish);
  machine.on({
    on: "answer",
    result: { kind: "failed", code: 34, sentence: "nothing said" },
    pingOnly: true,
  });
  assert.deepEqual([machine.state.phase, machine.done], ["checking", []]);
  machine.on(offers("2"));
  assert.equal(machine.state.phase, "downloading");
});

test("whoever wants a refused release again asks as if for the first time, so that the server forgets, too", () => {
  const machine = new Machine().on(wish, none, { on: "wish", again: true });
  assert.deepEqual(machine.deeds[0], {
    do: "ask",
    onDemand: true,
    pingOnly: false,
    events: [{ type: 3, result: 2, previousVersion: "0.0.0.0" }],
  });
});
