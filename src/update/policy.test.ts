import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  alone,
  failed,
  installed,
  Machine,
  none,
  offers,
  settings,
  staged,
  wish,
} from "./fake-policy-machine.ts";
import { begin } from "./after-boot.ts";
import { emptyMemory, parseMemory, printMemory } from "./memory.ts";
import { step } from "./policy.ts";
import type { SlotPicture } from "./slots.ts";
import { engineReport, engineStatus, statusLines } from "./status.ts";
import type { PolicySettings, UpdateEvent } from "./update-state.ts";

test("an update goes through its phases, and tells the server of each", () => {
  const machine = new Machine();
  assert.equal(machine.state.phase, "idle");
  machine.on(wish);
  assert.deepEqual([machine.state.phase, machine.done], ["checking", ["ask on demand"]]);
  machine.on(offers("2"));
  assert.deepEqual(
    [machine.state.phase, machine.done],
    ["downloading", ["tell 13/1", "install 2 from http://a/"]],
  );
  assert.equal(engineStatus(machine.state).operation, "UPDATE_STATUS_UPDATE_AVAILABLE");
  machine.on({ on: "progress", fraction: 0.5, verifying: false });
  assert.equal(engineStatus(machine.state).operation, "UPDATE_STATUS_DOWNLOADING");
  machine.on({ on: "progress", fraction: 1, verifying: true });
  assert.equal(machine.state.phase, "verifying");
  machine.on(installed("2"));
  assert.deepEqual([machine.state.phase, machine.done], ["reboot-wanted", ["tell 14/1", "tell 3/1"]]);
  assert.equal(
    statusLines(engineStatus(machine.state)),
    "LAST_CHECKED_TIME=1800000000\nPROGRESS=1.000000\nCURRENT_OP=UPDATE_STATUS_UPDATED_NEED_REBOOT\nNEW_VERSION=2\nNEW_SIZE=100\n",
  );
});

test("while a reboot is wanted the machine only pings", () => {
  const machine = staged();
  machine.upMs = machine.state.nextMs;
  machine.on({ on: "due" });
  assert.deepEqual([machine.state.phase, machine.done], ["reboot-wanted", ["ping"]]);
  machine.on(wish);
  assert.match(machine.refused ?? "", /waits for a reboot/);
  machine.on(none);
  assert.equal(machine.state.phase, "reboot-wanted");
});

test("a restart of the engine finds the update that waits", () => {
  const again = staged().boot({ ...alone, others: [{ version: "2", state: "untried" }] }, "boot 1");
  assert.deepEqual([again.state.phase, again.done], ["reboot-wanted", []]);
});

test("a new version is judged at its first boot, blessed, and told of", () => {
  const machine = staged().boot({ running: "2", trial: true, others: [{ version: "1", state: "good" }] });
  assert.deepEqual([machine.state.phase, machine.state.trial, machine.done], ["idle", true, ["judge"]]);
  machine.on(wish);
  assert.match(machine.refused ?? "", /not proven itself/);
  machine.on({ on: "judged", well: true, sentence: "" });
  assert.deepEqual(machine.done, ["bless"]);
  machine.on({
    on: "blessed",
    slots: { running: "2", trial: false, others: [{ version: "1", state: "good" }] },
  });
  assert.deepEqual(machine.deeds, [{ do: "tell", event: { type: 3, result: 2, previousVersion: "1" } }]);
  assert.deepEqual([machine.state.phase, machine.state.memory.pending], ["idle", undefined]);
});

test("a new version that is not well goes back at once, and is never tried again", () => {
  const machine = staged().boot({ running: "2", trial: true, others: [{ version: "1", state: "good" }] });
  machine.on({ on: "judged", well: false, sentence: "no network" });
  assert.deepEqual(machine.done, ["condemn 2", "reboot"]);
  const back = machine.boot({ running: "1", trial: false, others: [{ version: "2", state: "bad" }] });
  assert.deepEqual([back.state.phase, back.done], ["failed", ["tell 3/0 44"]]);
  back.on(wish, offers("2"));
  assert.deepEqual([back.state.phase, back.done], ["idle", ["tell 3/9 35"]]);
  back.on(wish, offers("2", { digest: "e".repeat(64) }));
  assert.deepEqual(back.done, ["tell 3/9 35"], "another list does not make the version another");
  back.on(wish, offers("3"));
  assert.deepEqual(back.done, ["tell 13/1", "install 3 from http://a/"]);
});

test("a reboot that seems to have failed keeps nobody from hearing why the machine went back", () => {
  const machine = staged().boot({ running: "2", trial: true, others: [{ version: "1", state: "good" }] });
  machine.on({ on: "judged", well: false, sentence: "no network" });
  machine.on({ on: "broke", code: 7, sentence: "the program that asks was ended" });
  const back = machine.boot({ running: "1", trial: false, others: [{ version: "2", state: "bad" }] });
  assert.deepEqual([back.state.phase, back.done], ["failed", ["tell 3/0 44"]]);
  assert.equal(back.state.memory.refusals[0]?.kind, "failed-here");
});

test("a version that never came up counts as failed here once the loader gave it up", () => {
  const back = staged().boot({ running: "1", trial: false, others: [{ version: "2", state: "bad" }] });
  assert.deepEqual(back.done, ["tell 3/0 44"]);
  assert.equal(back.state.memory.refusals[0]?.kind, "failed-here");
});

test("a machine that was booted into the old version by hand still wants the new one, three times", () => {
  const still: SlotPicture = { running: "1", trial: false, others: [{ version: "2", state: "untried" }] };
  let machine = staged().boot(still);
  assert.equal(machine.state.phase, "reboot-wanted");
  machine = machine.boot(still);
  assert.equal(machine.state.phase, "reboot-wanted");
  machine = machine.boot(still);
  assert.deepEqual([machine.state.phase, machine.done], ["failed", ["condemn 2", "tell 3/0 44"]]);
});

test("without something to go back to, a version that is not well stays", () => {
  const machine = new Machine({ running: "1", trial: true, others: [{ version: "0", state: "bad" }] });
  machine.on({ on: "judged", well: false, sentence: "no network" });
  assert.deepEqual([machine.state.phase, machine.done], ["failed", []]);
});

test("an installation that the power ended is tried again", () => {
  const machine = new Machine().on(wish, offers("2"));
  const next = machine.boot(alone);
  assert.deepEqual([next.state.phase, next.state.memory.refusals], ["failed", []]);
  next.on(wish, offers("2"));
  assert.deepEqual(next.done, ["tell 13/1", "install 2 from http://a/"]);
});

test("power that goes between the commit and its note loses nothing", () => {
  const machine = new Machine().on(wish, offers("2"));
  const next = machine.boot({ running: "2", trial: true, others: [{ version: "1", state: "good" }] });
  next.on({ on: "judged", well: true, sentence: "" });
  next.on({ on: "blessed", slots: { running: "2", trial: false, others: [] } });
  assert.deepEqual(next.deeds, [{ do: "tell", event: { type: 3, result: 2, previousVersion: "1" } }]);
});

const refusals: readonly (readonly [string, UpdateEvent, boolean])[] = [
  ["a bad signature", { on: "broke", code: 18, sentence: "signature", refuse: "bad-signature" }, true],
  ["a wrong file", { on: "broke", code: 10, sentence: "swapped", refuse: "wrong-file" }, true],
  ["a download that broke off", { on: "broke", code: 9, sentence: "reset" }, false],
  ["a slot that cannot be written", { on: "broke", code: 14, sentence: "full" }, false],
];

for (const [name, broke, isRemembered] of refusals) {
  test(`${name} is ${isRemembered ? "refused until it is published again" : "tried again"}`, () => {
    const machine = new Machine().on(wish, offers("2"), broke);
    assert.equal(machine.state.phase, "failed");
    machine.on(wish, offers("2"));
    assert.deepEqual(machine.done[0], isRemembered ? "tell 3/9 35" : "tell 13/1");
    const again = new Machine().on(wish, offers("2"), broke, wish, offers("2", { digest: "e".repeat(64) }));
    assert.equal(again.state.phase, "downloading");
    const forgetful = new Machine().on(wish, offers("2"), broke, { on: "wish", again: true }, offers("2"));
    assert.equal(forgetful.state.phase, "downloading");
  });
}

test("a downgrade is refused and remembered, what runs is no update", () => {
  const machine = new Machine({ running: "2", trial: false, others: [] }).on(wish, offers("1"));
  assert.deepEqual([machine.state.phase, machine.done], ["idle", ["tell 3/9 35"]]);
  machine.on(wish, offers("1"));
  assert.deepEqual(
    machine.state.memory.refusals.map(({ kind, times }) => [kind, times]),
    [["downgrade", 2]],
  );
  machine.on(wish, offers("2"));
  assert.deepEqual([machine.state.phase, machine.done], ["idle", []]);
});

test("after ten failures the next folder is tried, after the last one days pass", () => {
  const two = { folders: ["http://a/", "http://b/"], noBackoff: false };
  const machine = new Machine();
  const from: string[] = [];
  for (let attempt = 0; attempt < 20; attempt++) {
    machine.on(wish, offers("2", two));
    from.push(machine.done[1] ?? "");
    machine.on({ on: "broke", code: 9, sentence: "reset" });
  }
  assert.deepEqual(
    [new Set(from.slice(0, 10)), new Set(from.slice(10))],
    [new Set(["install 2 from http://a/"]), new Set(["install 2 from http://b/"])],
  );
  machine.on(wish, offers("2", two));
  assert.deepEqual(machine.done, ["tell 3/9 40"]);
  machine.wallMs += 25 * 3_600_000;
  machine.on(wish, offers("2", two));
  assert.equal(machine.state.phase, "downloading");
});

test("the first check is 7 minutes after the start, the next 45 minutes after it, and a server in trouble doubles that up to 4 hours", () => {
  const machine = new Machine();
  const minutes = (): number => (machine.state.nextMs - machine.upMs) / 60_000;
  assert.equal(minutes(), 7);
  machine.on({ on: "due" });
  assert.deepEqual(machine.done, [], "it is not due yet");
  const seen: number[] = [];
  for (const code of [2503, 2500, 2503, 2503, 2404]) {
    machine.upMs = machine.state.nextMs;
    machine.on({ on: "due" }, failed(code));
    seen.push(minutes());
  }
  assert.deepEqual(seen, [90, 180, 240, 240, 45]);
  machine.upMs = machine.state.nextMs;
  machine.on({ on: "due" }, { on: "answer", result: { kind: "none", pollSeconds: 7200 } });
  assert.equal(minutes(), 120);
});

test("a check that finds nothing leaves no failure, and its time", () => {
  const machine = new Machine().on(wish, none);
  assert.deepEqual([machine.state.phase, machine.done, machine.state.failure], ["idle", [], undefined]);
  assert.equal(engineStatus(machine.state).lastCheckedTime, 1_800_000_000);
});

test("the first check of all tells 0.0.0.0, the later ones nothing", () => {
  const machine = new Machine().on(wish);
  assert.deepEqual(machine.deeds[0], {
    do: "ask",
    onDemand: true,
    pingOnly: false,
    events: [{ type: 3, result: 2, previousVersion: "0.0.0.0" }],
  });
  machine.on(none, wish);
  assert.deepEqual(machine.deeds[0], {
    do: "ask",
    onDemand: true,
    pingOnly: false,
    events: [{ type: 3, result: 2, previousVersion: "" }],
  });
});

test("a hold keeps updates and reboots away until it is released", () => {
  const machine = new Machine().on({ on: "hold", reason: "sale" });
  assert.equal(machine.state.phase, "held");
  machine.on(wish);
  assert.match(machine.refused ?? "", /held \(sale\)/);
  machine.upMs = machine.state.nextMs;
  machine.on({ on: "due" });
  assert.deepEqual(machine.done, ["ping"]);
  const booted = machine.boot(alone);
  assert.equal(booted.state.phase, "held");
  booted.on({ on: "release" });
  assert.equal(booted.state.phase, "idle");
  const waiting = staged().on({ on: "hold", reason: "" });
  assert.equal(waiting.state.phase, "staged");
  assert.equal(engineStatus(waiting.state).operation, "UPDATE_STATUS_FINALIZING");
  waiting.on({ on: "release" });
  assert.equal(waiting.state.phase, "reboot-wanted");
  const late = new Machine().on(wish, offers("2"), { on: "hold", reason: "" }, installed("2"));
  assert.equal(late.state.phase, "staged");
});

test("a reset drops an update that waits, a rollback also remembers it", () => {
  const reset = staged().on({ on: "reset" });
  assert.deepEqual([reset.state.phase, reset.done], ["idle", ["condemn 2"]]);
  reset.on(wish, offers("2"));
  assert.equal(reset.state.phase, "downloading");
  const rolled = staged().on({ on: "rollback" });
  assert.deepEqual([rolled.state.phase, rolled.done], ["idle", ["condemn 2"]]);
  rolled.on(wish, offers("2"));
  assert.deepEqual(rolled.done, ["tell 3/9 35"]);
});

test("a rollback of what runs takes the older version at the next boot, and stays there", () => {
  const machine = new Machine({ running: "2", trial: false, others: [{ version: "1", state: "good" }] });
  machine.on({ on: "rollback" });
  assert.deepEqual([machine.state.phase, machine.done], ["reboot-wanted", ["condemn 2"]]);
  assert.equal(engineStatus(machine.state).newVersion, "1");
  const back = machine.boot({ running: "1", trial: false, others: [{ version: "2", state: "bad" }] });
  assert.deepEqual(back.deeds, [{ do: "tell", event: { type: 3, result: 2, previousVersion: "2" } }]);
  back.on(wish, offers("2"));
  assert.deepEqual(back.done, ["tell 3/9 35"]);
  const nowhere = new Machine().on({ on: "rollback" });
  assert.match(nowhere.refused ?? "", /no other good version/);
});

test("nobody is asked by the clock when updates are disabled", () => {
  const first = begin({ ...settings, timed: false }, emptyMemory, alone, "b", {
    wallMs: 0,
    upMs: 0,
    chance: 0,
  });
  assert.equal(first.state.nextMs, Number.POSITIVE_INFINITY);
  const moment = { wallMs: 0, upMs: 0, chance: 0 };
  const off: PolicySettings = { ...settings, timed: false };
  const held = step(off, first.state, { on: "hold", reason: "" }, moment);
  const released = step(off, held.state, { on: "release" }, moment);
  assert.equal(released.state.nextMs, Number.POSITIVE_INFINITY, "not after a hold either");
});

test("a report is JSON that holds all of a state", () => {
  const report = engineReport(staged().state, { group: "stable", server: "http://a/", nowMs: 0, upMs: 0 });
  assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
  assert.deepEqual([report.phase, report.newVersion, report.running], ["reboot-wanted", "2", "1"]);
});

test("whatever happens, what runs is never condemned without something good to boot, and nothing is installed on trial, while held or refused", () => {
  const version = fc.constantFrom("0", "1", "2", "3");
  const slot = fc.record({ version, state: fc.constantFrom("untried", "trying", "good", "bad") } as const);
  const slots = fc
    .record({ running: version, trial: fc.boolean(), others: fc.array(slot, { maxLength: 1 }) })
    .filter(({ running, others }) => others.every((other) => other.version !== running));
  const event: fc.Arbitrary<UpdateEvent> = fc.oneof(
    fc.constant<UpdateEvent>({ on: "due" }),
    fc.constant(wish),
    version.map((each) => offers(each)),
    fc.constant(none),
    fc.constantFrom(2503, 34, 9).map(failed),
    slots.map((picture): UpdateEvent => ({ on: "installed", slots: picture })),
    fc.constantFrom<UpdateEvent>(
      { on: "progress", fraction: 0.3, verifying: false },
      { on: "broke", code: 18, sentence: "s", refuse: "bad-signature" },
      { on: "broke", code: 9, sentence: "s" },
      { on: "judged", well: true, sentence: "" },
      { on: "judged", well: false, sentence: "ill" },
      { on: "hold", reason: "" },
      { on: "release" },
      { on: "reset" },
      { on: "rollback" },
    ),
  );
  const life = fc.array(fc.oneof({ weight: 9, arbitrary: event }, { weight: 1, arbitrary: slots }), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(slots, life, (first, happenings) => {
      let machine = new Machine(first);
      for (const happening of happenings) {
        const before = machine.state;
        if ("on" in happening) {
          machine.upMs = happening.on === "due" ? machine.state.nextMs : machine.upMs + 1000;
          machine.on(happening);
        } else machine = machine.boot(happening);
        const { state } = machine;
        for (const deed of machine.deeds) {
          if (deed.do === "condemn" && deed.version === state.slots.running)
            assert.ok(
              state.slots.others.some((other) => other.state === "good"),
              "there is something to boot",
            );
          if (deed.do === "reboot") assert.ok(before.trial, "only a trial ends at once");
          if (deed.do !== "install") continue;
          assert.equal(before.trial, false, "not on trial");
          assert.equal(before.memory.hold, undefined, "not while held");
          assert.equal(before.phase, "checking");
          assert.ok(deed.offer.version > state.slots.running, "no downgrade");
          const known = before.memory.refusals.filter(({ kind }) => kind !== "downgrade");
          assert.ok(!known.some((each) => each.version === deed.offer.version), "nothing refused");
        }
        if (state.phase === "reboot-wanted") assert.notEqual(state.memory.pending, undefined);
        assert.equal(parseMemory(printMemory(state.memory)) === undefined, false);
      }
    }),
    { numRuns: 500 },
  );
});
