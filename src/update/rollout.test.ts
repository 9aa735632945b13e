import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { answerApp, type AskedPicture } from "./answer.ts";
import { hoursText, isWithin, parseHours } from "./office-hours.ts";
import { type OmahaApp, type OmahaEvent, osAppId } from "./omaha.ts";
import { bucketOf, nextVersion, pardoned } from "./rollout.ts";
import {
  type Grants,
  type Group,
  type MachineRecord,
  newGroup,
  noGrants,
  type Release,
} from "./server-records.ts";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import { UpdateRegistry } from "./update-registry.ts";

const minuteMs = 60_000;

function release(version: string): Release {
  return {
    version,
    urls: version === "5" ? ["http://elsewhere/5/"] : [],
    digest: "ab".repeat(32),
    packages: [{ name: "SHA256SUMS", size: 10 }],
  };
}

/** A server in memory, and the machines that ask it. */
class World {
  group: Group;
  halt: AskedPicture["halt"];
  floors: readonly string[] = [];
  version = "5";
  grants: Grants = noGrants;
  readonly machines = new Map<string, MachineRecord>();
  // A Wednesday, 10:00 UTC.
  nowMs = Date.UTC(2026, 10, 18, 10);

  constructor(group: Partial<Group> = {}) {
    this.group = { ...newGroup("stable"), ...group };
  }

  /** Sends one request and gives what was said: the offered version, or the statuses. */
  ask(machineId: string, running: string, events: readonly OmahaEvent[] = [], updateCheck = true): string {
    const app: OmahaApp = {
      appId: osAppId,
      version: running,
      track: "stable",
      bootId: "b",
      oem: "",
      oemVersion: "",
      alephVersion: running,
      machineId,
      machineAlias: "",
      board: "amd64-usr",
      ping: updateCheck,
      updateCheck,
      events,
    };
    const picture: AskedPicture = {
      halt: this.halt,
      group: this.group,
      channel: { name: "stable", version: this.version, floors: this.floors },
      grants: this.grants,
      machine: this.machines.get(machineId),
      isFull: false,
      releases: new Map(["2", "4", "5", "6"].map((each) => [each, release(each)])),
    };
    const when = {
      nowMs: this.nowMs,
      address: "10.0.0.1",
      ownFolder: (each: string) => `http://own/${each}/`,
    };
    const answered = answerApp(app, picture, when);
    assert.deepEqual(answerApp(app, picture, when), answered, "the same picture gives the same answer");
    this.grants = answered.grants ?? this.grants;
    this.group = answered.group ?? this.group;
    if (answered.machine !== undefined) this.machines.set(machineId, answered.machine);
    const { status, updateCheck: check } = answered.answer;
    if (check?.manifest !== undefined) return check.manifest.version;
    return status === "ok" ? (check?.status ?? "taken") : `${status}/${check?.status ?? ""}`;
  }

  tell(
    machineId: string,
    running: string,
    type: number,
    result: number,
    more: Partial<OmahaEvent> = {},
  ): void {
    this.ask(machineId, running, [{ type, result, ...more }], false);
  }

  status(machineId: string): string {
    return this.machines.get(machineId)?.status ?? "unknown";
  }
}

test("a machine is given its channel's version once, and told so until it has it", () => {
  const world = new World();
  assert.equal(world.ask("m1", "1"), "5");
  assert.equal(world.status("m1"), "granted");
  assert.equal(world.ask("m1", "1"), "5");
  world.tell("m1", "1", 13, 1);
  assert.equal(world.status("m1"), "downloading");
  assert.equal(world.ask("m1", "1"), "error-updateInProgressOnInstance/error-internal");
  world.tell("m1", "1", 14, 1);
  world.tell("m1", "1", 3, 1);
  assert.equal(world.status("m1"), "downloaded");
  world.tell("m1", "5", 3, 2, { previousVersion: "1" });
  assert.equal(world.status("m1"), "complete");
  assert.equal(world.ask("m1", "5"), "noupdate");
  assert.equal(world.ask("m2", "6"), "noupdate", "nobody is moved to an older version");
});

test("events count only while an update is under way, and those that ride on every check are noise", () => {
  const world = new World();
  world.tell("m1", "1", 3, 0, { errorCode: 9 });
  assert.equal(world.status("m1"), "undefined");
  world.ask("m1", "1", [{ type: 3, result: 2, previousVersion: "0.0.0.0" }]);
  world.tell("m1", "1", 13, 1);
  assert.equal(
    world.ask("m1", "1", [{ type: 3, result: 2, previousVersion: "" }]),
    "5",
    "a machine that is stuck is freed",
  );
});

test("a machine that fell back, or refuses a version, is not given it again; the next one it is", () => {
  for (const [result, errorCode] of [
    [0, 44 + 2 ** 28],
    [9, 35],
  ] as const) {
    const world = new World();
    world.ask("m1", "1");
    world.tell("m1", "1", 3, result, { errorCode });
    assert.deepEqual(
      [world.status("m1"), world.machines.get("m1")?.errorCode],
      ["error", errorCode % 2 ** 28],
    );
    assert.equal(world.ask("m1", "1"), "noupdate");
    world.version = "6";
    assert.equal(world.ask("m1", "1"), "6");
  }
  const other = new World();
  other.ask("m1", "1");
  other.tell("m1", "1", 3, 0, { errorCode: 9 });
  assert.equal(other.ask("m1", "1"), "5", "a download that broke off is tried again");
});

test("a first machine that puts an update off does not end the roll-out, one that fails does", () => {
  for (const [result, errorCode, enabled] of [
    [9, 36, true],
    [9, 40, true],
    [0, 10, false],
  ] as const) {
    const world = new World({ safe: true, most: 1, periodMs: minuteMs });
    assert.equal(world.ask("m1", "1"), "5");
    world.tell("m1", "1", 3, result, { errorCode });
    assert.equal(world.group.enabled, enabled);
    world.nowMs += 2 * minuteMs;
    assert.equal(world.ask("m2", "1"), enabled ? "5" : "error-updatesDisabled/error-internal");
  }
});

test("requests that fit nothing are refused in the words of the protocol", () => {
  const world = new World();
  assert.equal(world.ask("m1", "abc"), "error-instanceRegistrationFailed/error-internal");
  assert.equal(world.ask("../m1", "1"), "error-instanceRegistrationFailed/error-internal");
  assert.equal(world.ask("m1", "3033.2.0+nightly"), "noupdate");
  world.version = "7";
  assert.equal(world.ask("m2", "1"), "error-noPackageFound/error-internal");
  world.halt = { reason: "", sinceMs: 0 };
  assert.equal(world.ask("m3", "1"), "error-updatesDisabled/error-internal");
});

test("no more machines than the group allows, in a period and at once", () => {
  const world = new World({ most: 1, periodMs: 60 * minuteMs, timeoutMs: 120 * minuteMs });
  assert.equal(world.ask("m1", "1"), "5");
  assert.equal(world.ask("m2", "1"), "error-maxUpdatesPerPeriodLimitReached/error-internal");
  assert.equal(world.status("m2"), "on-hold");
  world.nowMs += 61 * minuteMs;
  assert.equal(world.ask("m2", "1"), "error-maxConcurrentUpdatesLimitReached/error-internal");
  world.tell("m1", "5", 3, 2, { previousVersion: "1" });
  assert.equal(world.ask("m2", "1"), "5");
  world.nowMs += 121 * minuteMs;
  assert.equal(world.ask("m3", "1"), "5", "a machine that is not heard of holds nobody up for ever");
});

test("safely: one machine first, the others when it came up; a failure of the first ends it", () => {
  const world = new World({ safe: true });
  assert.equal(world.ask("m1", "1"), "5");
  assert.match(world.ask("m2", "1"), /LimitReached/);
  world.tell("m1", "5", 3, 2, { previousVersion: "1" });
  assert.deepEqual([world.ask("m2", "1"), world.ask("m3", "1")], ["5", "5"]);
  const failing = new World({ safe: true });
  failing.ask("m1", "1");
  failing.tell("m1", "1", 3, 0, { errorCode: 44 });
  assert.deepEqual([failing.group.enabled, failing.group.reason], [false, "the first machine with 5 failed"]);
  assert.equal(failing.ask("m2", "1"), "error-updatesDisabled/error-internal");
  const silent = new World({ safe: true, timeoutMs: 60 * minuteMs });
  silent.ask("m1", "1");
  silent.nowMs += 61 * minuteMs;
  assert.equal(silent.ask("m2", "1"), "error-maxTimedOutUpdatesLimitReached/error-internal");
  assert.equal(silent.group.enabled, false);
});

test("floors are passed one after the other", () => {
  const world = new World();
  world.floors = ["4", "2"];
  const channel = { name: "stable", version: "5", floors: world.floors };
  assert.deepEqual(
    ["1", "2", "3", "4", "5"].map((running) => nextVersion(channel, running)),
    ["2", "4", "4", "5", undefined],
  );
  assert.equal(world.ask("m1", "1"), "2");
});

test("office hours are those of the zone, and an unknown zone has none", () => {
  const world = new World({ hours: parseHours("Mon-Fri 09:00-17:00", "Europe/Berlin") });
  world.nowMs = Date.UTC(2026, 10, 18, 7, 59);
  assert.equal(world.ask("m1", "1"), "error-updatesDisabled/error-internal");
  world.nowMs = Date.UTC(2026, 10, 18, 8, 0);
  assert.equal(world.ask("m1", "1"), "5");
  world.nowMs = Date.UTC(2026, 10, 18, 16, 0);
  assert.equal(world.ask("m2", "1"), "error-updatesDisabled/error-internal");
  // In summer an hour earlier; on Saturday never.
  const hours = parseHours("Mon-Fri 09:00-17:00", "Europe/Berlin");
  assert.equal(isWithin(hours, Date.UTC(2026, 6, 15, 7, 0)), true);
  assert.equal(isWithin(hours, Date.UTC(2026, 10, 21, 10)), false);
  assert.equal(isWithin({ ...hours, zone: "Nowhere/Else" }, Date.UTC(2026, 10, 18, 10)), false);
  assert.equal(isWithin({ ...hours, zone: "" }, Date.UTC(2026, 10, 18, 10)), false);
  assert.equal(hoursText(hours), "Mon-Fri 09:00-17:00 Europe/Berlin");
  assert.equal(hoursText(parseHours("fri-mon 0:00-24:00", "UTC")), "Fri-Mon 00:00-24:00 UTC");
  // The nights that begin on Friday and Saturday: the last one ends on Sunday.
  const nights = parseHours("Fri-Sat 22:00-04:00", "UTC");
  const within = (day: number, hour: number): boolean => isWithin(nights, Date.UTC(2026, 10, day, hour));
  assert.deepEqual(
    [
      within(20, 3),
      within(20, 21),
      within(20, 22),
      within(21, 3),
      within(21, 4),
      within(22, 3),
      within(22, 22),
    ],
    [false, false, true, true, false, true, false],
  );
  assert.equal(hoursText(nights), "Fri-Sat 22:00-04:00 UTC");
  for (const bad of [
    "",
    "Mon",
    "Mon 9-17",
    "Mon-Fri 09:00-09:00",
    "Mon-Fri 24:00-09:00",
    "Xxx 09:00-10:00",
    "Mon 09:00-25:00",
    "Mon 09:61-10:00",
  ])
    assert.throws(() => parseHours(bad, "UTC"), { code: "bad-hours" }, bad);
  assert.throws(() => parseHours("Mon 09:00-10:00", "Mars"), { code: "bad-hours" });
});

test("a part of the machines takes part, always the same ones for a version, and more with more percent", () => {
  const machines = Array.from({ length: 2_000 }, (_, number) => `machine-${number}`);
  const takePart = (percent: number, version: string): Set<string> =>
    new Set(machines.filter((machine) => bucketOf(machine, version) < percent));
  const [ten, twenty, other] = [takePart(10, "5"), takePart(20, "5"), takePart(10, "6")];
  assert.ok(ten.size > 140 && ten.size < 260, `${ten.size} of 2000`);
  assert.ok([...ten].every((machine) => twenty.has(machine)));
  assert.notDeepEqual(ten, other);
  assert.deepEqual([takePart(0, "5").size, takePart(100, "5").size], [0, 2_000]);
  const world = new World({ percent: 0 });
  assert.equal(world.ask("m1", "1"), "noupdate");
});

test("whatever machines do and whenever, never more of them are updating than the group allows", () => {
  const act = fc.record({
    machine: fc.nat(9),
    what: fc.constantFrom("ask", "download", "fail", "finish", "wait"),
    minutes: fc.nat(40),
  });
  const rules = fc.record({
    most: fc.integer({ min: 1, max: 4 }),
    periodMs: fc.integer({ min: 1, max: 60 }).map((minutes) => minutes * minuteMs),
    timeoutMs: fc.integer({ min: 1, max: 60 }).map((minutes) => minutes * minuteMs),
    safe: fc.boolean(),
    percent: fc.constantFrom(50, 100),
  });
  fc.assert(
    fc.property(rules, fc.array(act, { maxLength: 80 }), (group, acts) => {
      const world = new World(group);
      const given: { machine: string; atMs: number; endMs: number }[] = [];
      const running = new Map<string, string>();
      for (const { machine: number, what, minutes } of acts) {
        const machine = `m${number}`;
        const version = running.get(machine) ?? "1";
        const open = given.findLast((each) => each.machine === machine && each.endMs > world.nowMs);
        if (what === "wait") world.nowMs += minutes * minuteMs;
        if (what === "download") world.tell(machine, version, 13, 1);
        if (what === "fail" && open !== undefined) {
          world.tell(machine, version, 3, 0, { errorCode: 9 });
          open.endMs = world.nowMs;
        }
        if (what === "finish" && open !== undefined) {
          running.set(machine, "5");
          world.tell(machine, "5", 3, 2, { previousVersion: "1" });
          open.endMs = world.nowMs;
        }
        if (what === "ask" && world.ask(machine, version) === "5" && open === undefined) {
          given.push({ machine, atMs: world.nowMs, endMs: world.nowMs + group.timeoutMs });
        }
        const now = given.filter((each) => each.endMs > world.nowMs);
        assert.ok(now.length <= group.most, `${now.length} at once`);
        const period = given.filter((each) => each.atMs > world.nowMs - group.periodMs);
        assert.ok(new Set(period.map((each) => each.machine)).size <= group.most, "in a period");
      }
    }),
    { numRuns: 300 },
  );
});

test("two servers on one store that are asked at once give together what the group allows", async () => {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const servers = [new UpdateRegistry(env, store), new UpdateRegistry(env, store)];
  const [first] = servers;
  assert.ok(first);
  await first.putRelease(release("5"));
  await first.changeChannel("stable", () => ({ name: "stable", version: "5", floors: [] }));
  await first.changeGroup("stable", () => ({ ...newGroup("stable"), most: 3 }));
  const answers = await Promise.all(
    Array.from({ length: 12 }, async (_, number) => {
      const app = {
        appId: osAppId,
        version: "1",
        track: "stable",
        machineId: `m${number}`,
        ping: true,
        updateCheck: true,
      };
      const rest = {
        bootId: "",
        oem: "",
        oemVersion: "",
        alephVersion: "",
        machineAlias: "",
        board: "",
        events: [],
      };
      return await servers[number % 2]?.answer(
        { ...app, ...rest },
        { address: "", ownFolder: (each) => `http://own/${each}/` },
      );
    }),
  );
  assert.equal(answers.filter((each) => each?.updateCheck?.status === "ok").length, 3);
  assert.equal((await first.machines()).filter(({ status }) => status === "granted").length, 3);
  await store.close();
});

test("a first machine that is not heard of stops its group however late the next one asks, until somebody resumes it", () => {
  const world = new World({ safe: true, most: 1, periodMs: 10 * minuteMs, timeoutMs: 30 * minuteMs });
  assert.equal(world.ask("m1", "1"), "5");
  world.nowMs += 24 * 60 * minuteMs;
  assert.equal(world.ask("m2", "1"), "error-maxTimedOutUpdatesLimitReached/error-internal");
  assert.equal(world.group.enabled, false);
  world.group = { ...world.group, enabled: true, reason: "" };
  assert.equal(world.ask("m2", "1"), "error-maxTimedOutUpdatesLimitReached/error-internal");
  world.group = { ...world.group, enabled: true, reason: "" };
  world.grants = pardoned(world.grants, world.group, world.nowMs);
  assert.equal(world.ask("m2", "1"), "5");
  assert.equal(world.ask("m3", "1"), "error-maxUpdatesPerPeriodLimitReached/error-internal");
});

test("a machine that begins anew is given again what it refused", () => {
  const world = new World();
  world.ask("m1", "1");
  world.tell("m1", "1", 3, 0, { errorCode: 44 });
  assert.equal(world.ask("m1", "1", [{ type: 3, result: 2, previousVersion: "" }]), "noupdate");
  assert.equal(world.status("m1"), "error");
  assert.equal(world.ask("m1", "1", [{ type: 3, result: 2, previousVersion: "0.0.0.0" }]), "5");
  assert.deepEqual([world.status("m1"), world.machines.get("m1")?.errorCode], ["granted", undefined]);
});

test("a machine that waited for its turn and has the version by other means waits no more", () => {
  const world = new World({ most: 1, periodMs: 60 * minuteMs });
  world.ask("m1", "1");
  world.ask("m2", "1");
  assert.equal(world.status("m2"), "on-hold");
  assert.equal(world.ask("m2", "5"), "noupdate");
  assert.equal(world.status("m2"), "complete");
});
