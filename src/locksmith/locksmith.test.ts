import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault } from "../lib/fault.ts";
import { AllGroups } from "./all-groups.ts";
import { FakeLockKeys } from "./fake-lock-keys.ts";
import { FakeMachineControl } from "./fake-machine-control.ts";
import { FakeWorkload } from "./fake-workload.ts";
import { Locksmith, type LocksmithParts } from "./locksmith.ts";
import { RebootBoard } from "./reboot-board.ts";
import { type LockKeys, RebootLock, ticketMs } from "./reboot-lock.ts";
import { rebootTimes } from "./reboot-times.ts";
import type { Turn } from "./reboot-turn.ts";
import { RebootReporter } from "./reporter.ts";
import type { UpdateStatus } from "./update-status.ts";
import type { Wish } from "./wants.ts";

const needed: UpdateStatus = { operation: "UPDATE_STATUS_UPDATED_NEED_REBOOT", version: "2.0.0" };
const leaseMs = 600_000;

/** A machine with a daemon on it, on a clock and a store that a test moves. */
class Rig {
  readonly env = new FakeEnv();
  readonly machine = new FakeMachineControl();
  readonly workload = new FakeWorkload();
  readonly board: RebootBoard;
  readonly lock: RebootLock;
  readonly groups: AllGroups;
  readonly api: LockKeys;
  status: UpdateStatus | undefined;
  wish: Wish | undefined;
  packages: readonly string[] | undefined;
  turn: Turn | undefined;
  storeIsAway = false;
  /** After so many steps the daemon dies. */
  stepsLeft = Number.POSITIVE_INFINITY;
  hasDied = false;
  storeProblem: string | undefined;
  readonly store: FakeLockKeys;
  readonly states: string[] = [];
  readonly #listeners = new Set<() => void>();
  #ending: AbortController | undefined;
  #running: Promise<void> | undefined;

  constructor(store = new FakeLockKeys()) {
    this.store = store;
    const ask = async <Answer>(work: () => Answer): Promise<Answer> => {
      if (this.storeIsAway) throw new Fault("cluster-unavailable", "no endpoint answers");
      this.#step();
      return work();
    };
    this.api = {
      get: async (key) => await ask(() => store.get(key)),
      put: async (key, options) => await ask(() => store.put(key, options)),
      remove: async (key, options) => await ask(() => store.remove(key, options)),
    };
    this.lock = new RebootLock(this.env, this.api, "");
    this.board = new RebootBoard(this.api);
    this.groups = new AllGroups(this.env, this.api);
  }

  /** The daemon dies before its next step that anybody sees, once so many are done. */
  #step(): void {
    this.stepsLeft -= 1;
    if (this.stepsLeft >= 0) return;
    this.hasDied = true;
    this.#ending?.abort(new Fault("died", "the daemon died"));
    this.#ending?.signal.throwIfAborted();
  }

  /** Everything that a daemon hears of says that something has changed. */
  async changed(): Promise<void> {
    for (const listener of this.#listeners) listener();
    this.machine.changed();
    await this.env.settle();
  }

  async start(change: Partial<LocksmithParts> = {}): Promise<void> {
    const subscribe = (listener: () => void): (() => void) => {
      this.#listeners.add(listener);
      return () => this.#listeners.delete(listener);
    };
    const report = new RebootReporter(this.env, {
      id: "a",
      group: "",
      strategy: "etcd-lock",
      boot: await this.machine.bootId(),
      board: this.board,
      coordinate: async (state) => void this.states.push(state),
    });
    const locksmith = new Locksmith(this.env, {
      id: "a",
      strategy: "etcd-lock",
      times: undefined,
      leaseMs,
      drainMs: 600_000,
      machine: this.machine,
      lock: this.lock,
      workload: this.workload,
      storeProblem: async () => this.storeProblem,
      news: Object.defineProperty(
        {
          wish: undefined,
          ready: Promise.resolve(),
          subscribe,
          fulfil: async () => void (this.wish = undefined),
        },
        "wish",
        { get: () => this.wish },
      ),
      updates: Object.defineProperty({ status: undefined, subscribe, close: async () => {} }, "status", {
        get: () => this.status,
      }),
      required: Object.defineProperty({ packages: undefined, subscribe }, "packages", {
        get: () => this.packages,
      }),
      file: {
        read: async () => this.turn,
        write: async (turn) => {
          this.#step();
          this.turn = turn;
        },
      },
      report,
      ...change,
    });
    this.hasDied = false;
    this.#ending = new AbortController();
    this.#running = locksmith.run(this.#ending.signal);
    await this.env.settle();
  }

  /** The daemon is stopped, or dies with its machine. */
  async stop(): Promise<void> {
    this.#ending?.abort(new Fault("stop", "the daemon was stopped"));
    await this.#running;
    this.#ending = undefined;
    this.#listeners.clear();
  }

  /** The machine has gone down and comes up; the daemon is not started yet. */
  async comeUp(): Promise<void> {
    assert.equal(await this.machine.goingDown(), true, this.env.lines.join("\n"));
    await this.stop();
    this.machine.boot();
    this.status = undefined;
    this.packages = undefined;
  }

  async holders(): Promise<readonly string[]> {
    return (await this.lock.picture()).semaphore.holders;
  }

  async phase(): Promise<string | undefined> {
    return (await this.board.records()).get("a")?.phase;
  }

  async reboots(): Promise<boolean> {
    return await this.machine.goingDown();
  }
}

test("an update reboots the machine once: lock, drain, reboot; then health, uncordon, unlock", async () => {
  const rig = new Rig();
  await rig.start();
  assert.equal(await rig.phase(), "steady");
  rig.status = needed;
  await rig.changed();
  assert.deepEqual(await rig.holders(), ["a"]);
  assert.equal(await rig.phase(), "draining");
  assert.deepEqual(rig.workload.deeds, ["drain"]);
  assert.equal(await rig.reboots(), false);
  rig.workload.finishDrain();
  await rig.env.settle();
  assert.equal(rig.turn?.rebooting, true, "what the next boot has to know is on the disk before");
  await rig.comeUp();

  rig.machine.bootProblem = "a check has failed";
  rig.workload.unwell.add("pinned.service");
  rig.status = needed;
  await rig.start();
  assert.equal(await rig.phase(), "recovering");
  await rig.env.advance(3 * leaseMs);
  rig.store.nowMs += 1_000;
  assert.deepEqual(await rig.holders(), ["a"], "a machine that is not well keeps its slot");
  rig.machine.bootProblem = undefined;
  rig.storeProblem = "its member is not there";
  await rig.env.advance(120_000);
  assert.deepEqual(rig.workload.deeds, ["drain"]);
  rig.storeProblem = undefined;
  await rig.env.advance(120_000);
  assert.deepEqual(
    rig.workload.deeds,
    ["drain", "uncordon"],
    "what is pinned here comes back once units are taken",
  );
  assert.deepEqual(await rig.holders(), ["a"]);
  rig.workload.heal();
  await rig.env.settle();
  assert.deepEqual(await rig.holders(), []);
  assert.equal(rig.turn, undefined);
  assert.equal(await rig.phase(), "steady", "the same update does not reboot it again");
  assert.equal(await rig.reboots(), false);
  assert.deepEqual(rig.states, [
    "running",
    "reboot-planned",
    "rebooting",
    ...rig.states.slice(3).filter((state) => state === "starting"),
    "running",
  ]);
  await rig.stop();
  assert.equal(await rig.phase(), undefined, "a daemon that ends is not shown any more");
});

test("a wish is fulfilled by one reboot, under the lock whatever the strategy", async () => {
  const rig = new Rig();
  rig.workload.others = 0;
  await rig.start({ strategy: "reboot" });
  rig.wish = { id: "a", number: 9, boot: "boot-1", since: "", reason: "a new kernel" };
  await rig.changed();
  assert.deepEqual(await rig.holders(), ["a"]);
  assert.deepEqual(rig.workload.deeds, [], "nobody could take its units over");
  await rig.comeUp();
  await rig.start({ strategy: "reboot" });
  assert.equal(rig.wish, undefined);
  assert.deepEqual(await rig.holders(), []);
  assert.equal(await rig.reboots(), false);
  await rig.stop();
});

test("the strategy reboot asks nobody, and best-effort only where there is a store", async () => {
  for (const [strategy, units, locks] of [
    ["reboot", [], false],
    ["best-effort", [], false],
    ["best-effort", ["etcd2.service"], true],
  ] as const) {
    const rig = new Rig();
    rig.workload.others = 0;
    for (const unit of units) rig.machine.activeUnits.add(unit);
    rig.packages = ["linux-image"];
    await rig.start({ strategy });
    assert.equal(await rig.reboots(), true, strategy);
    assert.equal((await rig.holders()).length === 1, locks, strategy);
    await rig.stop();
  }
});

test("a machine waits for its turn in the queue, and for whoever forbids a reboot without a slot", async () => {
  const rig = new Rig();
  await rig.lock.lock("b", undefined);
  rig.status = needed;
  await rig.start();
  assert.equal(await rig.phase(), "queued");
  for (let minute = 0; minute < 10; minute++) {
    await rig.env.advance(20_000);
    rig.store.nowMs += 20_000;
  }
  assert.deepEqual(
    (await rig.lock.picture()).queue.map(({ id }) => id),
    ["a"],
    "its place is kept",
  );
  rig.machine.inhibit({ who: "apt", why: "installs packages" });
  await rig.lock.unlock("b");
  await rig.changed();
  assert.equal(await rig.phase(), "inhibited");
  assert.deepEqual(await rig.holders(), []);
  assert.deepEqual((await rig.lock.picture()).queue, []);
  rig.machine.permit();
  await rig.env.settle();
  assert.deepEqual(await rig.holders(), ["a"]);
  await rig.stop();
});

test("a window that closes while the machine waits or drains gives the slot and the units back", async () => {
  const rig = new Rig();
  const times = rebootTimes({ start: "", calendar: "*-*-* 02:00 UTC", length: "1h", zone: "" });
  assert.ok(times);
  // The clock stands at 2001-09-09T01:46:40Z.
  rig.status = needed;
  await rig.start({ times, drainMs: 7_200_000 });
  assert.equal(await rig.phase(), "waits-for-window");
  assert.match((await rig.board.records()).get("a")?.window?.changesAt ?? "", /^2001-09-09T02:00/);
  await rig.env.advance(15 * 60_000);
  assert.equal(await rig.phase(), "draining");
  assert.deepEqual(await rig.holders(), ["a"]);
  await rig.env.advance(61 * 60_000);
  assert.equal(await rig.phase(), "waits-for-window");
  assert.deepEqual(await rig.holders(), []);
  assert.deepEqual(rig.workload.deeds, ["drain", "uncordon"]);
  assert.equal(await rig.reboots(), false);
  await rig.stop();
});

test("a slot that was lost, a halt, and a wish that was withdrawn stop a reboot before it happens", async () => {
  const stops: readonly (readonly [string, (rig: Rig) => Promise<unknown>])[] = [
    ["lost", async (rig) => await rig.lock.unlock("a")],
    ["halted", async (rig) => await rig.groups.halt("a sale")],
    ["withdrawn", async (rig) => (rig.status = undefined)],
  ];
  for (const [name, stop] of stops) {
    const rig = new Rig();
    rig.status = needed;
    await rig.start();
    assert.equal(await rig.phase(), "draining", name);
    if (name === "lost") await rig.lock.queue("b", 0);
    await stop(rig);
    if (name === "lost") await rig.lock.lock("b", undefined);
    await rig.changed();
    rig.workload.finishDrain();
    await rig.env.settle();
    assert.equal(await rig.reboots(), false, name);
    assert.deepEqual(rig.workload.deeds, ["drain", "uncordon"], name);
    assert.deepEqual(await rig.holders(), name === "lost" ? ["b"] : [], name);
    await rig.stop();
  }
});

test("while the store is away nobody reboots on the strength of an old slot, and afterwards once", async () => {
  const rig = new Rig();
  rig.status = needed;
  await rig.start();
  rig.storeIsAway = true;
  rig.workload.finishDrain();
  await rig.env.settle();
  await rig.env.advance(120_000);
  assert.equal(await rig.reboots(), false);
  rig.storeIsAway = false;
  await rig.env.advance(300_000);
  assert.equal(await rig.reboots(), true);
  await rig.stop();
});

test("a daemon that is restarted goes on where the last one was, or takes everything back when nobody wants it any more", async () => {
  const rig = new Rig();
  rig.status = needed;
  await rig.start();
  await rig.stop();
  assert.deepEqual(await rig.holders(), ["a"], "a restart keeps the slot");
  await rig.start();
  assert.equal(await rig.phase(), "draining");
  assert.deepEqual(rig.workload.deeds, ["drain"], "the drain is the same one");
  await rig.stop();
  rig.status = undefined;
  await rig.start();
  await rig.env.advance(1_000);
  assert.deepEqual(rig.workload.deeds, ["drain", "uncordon"]);
  assert.deepEqual(await rig.holders(), []);
  assert.equal(rig.turn, undefined);
  await rig.stop();
});

test("a daemon that dies at any step is followed by one that ends what it began: one reboot, no slot and no drain left", async () => {
  let deaths = 0;
  for (let steps = 0; steps < 60; steps++) {
    const rig = new Rig();
    const live = async (): Promise<void> => {
      await rig.start();
      for (let round = 0; round < 6 && !rig.hasDied; round++) {
        if (rig.workload.taking === "draining") rig.workload.finishDrain();
        await rig.env.advance(10_000);
      }
    };
    const liveOn = async (): Promise<void> => {
      rig.stepsLeft = Number.POSITIVE_INFINITY;
      await rig.stop();
      await live();
    };
    rig.wish = { id: "a", number: 9, boot: "boot-1", since: "", reason: "" };
    rig.stepsLeft = steps;
    await live();
    if (rig.hasDied) {
      deaths++;
      rig.stepsLeft = Number.POSITIVE_INFINITY;
      if (!(await rig.reboots())) await liveOn();
    }
    // Of those that outlive the reboot the steps of the recovery are the last.
    const left = rig.stepsLeft;
    rig.stepsLeft = Number.POSITIVE_INFINITY;
    await rig.comeUp();
    rig.stepsLeft = left;
    await live();
    if (rig.hasDied) {
      deaths++;
      await liveOn();
    }
    rig.stepsLeft = Number.POSITIVE_INFINITY;
    assert.equal(await rig.reboots(), false, `${steps} steps: it reboots once`);
    assert.deepEqual(await rig.holders(), [], `${steps} steps: the slot is given back`);
    assert.equal(rig.workload.taking, "ready", `${steps} steps: units are taken again`);
    assert.deepEqual([rig.turn, rig.wish], [undefined, undefined], `${steps} steps: nothing is left to do`);
    await rig.stop();
  }
  assert.ok(deaths > 30, `${deaths} daemons died`);
});

test("a machine that loses its power at any step comes back without slot and drain, and does not reboot for the same wish", async () => {
  let deaths = 0;
  for (let steps = 0; steps < 60; steps++) {
    const rig = new Rig();
    rig.wish = { id: "a", number: 9, boot: "boot-1", since: "", reason: "" };
    rig.stepsLeft = steps;
    await rig.start();
    if (rig.workload.taking === "draining") rig.workload.finishDrain();
    await rig.env.advance(10_000);
    if (rig.hasDied) deaths++;
    rig.stepsLeft = Number.POSITIVE_INFINITY;
    await rig.stop();
    rig.machine.boot();
    await rig.start();
    await rig.env.advance(60_000);
    rig.store.nowMs += ticketMs;
    assert.equal(await rig.reboots(), false, `${steps} steps`);
    const { semaphore, queue } = await rig.lock.picture();
    assert.deepEqual([semaphore.holders, queue], [[], []], `${steps} steps: neither slot nor place is left`);
    assert.equal(rig.workload.taking, "ready", `${steps} steps: units are taken again`);
    assert.deepEqual([rig.turn, rig.wish], [undefined, undefined], `${steps} steps: nothing is left to do`);
    await rig.stop();
  }
  assert.ok(deaths > 15, `${deaths} machines died`);
});

test("a drain that does not end in its time is cut short, and an operator's own cordon stays", async () => {
  const rig = new Rig();
  rig.workload.set("cordoned");
  rig.status = needed;
  await rig.start();
  assert.equal(await rig.phase(), "draining");
  await rig.env.advance(600_000);
  assert.ok(
    rig.env.lines.some((line) => line.includes("not all units have left this machine within 10 min")),
  );
  await rig.comeUp();
  await rig.start();
  assert.deepEqual(rig.workload.deeds, ["drain", "cordon"]);
  assert.equal(rig.workload.taking, "cordoned");
  assert.deepEqual(await rig.holders(), []);
  await rig.stop();
});

test("a machine renews its lease as soon as it is up, not a third of a lease later", async () => {
  const rig = new Rig();
  rig.workload.others = 0;
  rig.status = needed;
  await rig.start();
  await rig.comeUp();
  rig.store.nowMs += leaseMs - 1_000;
  rig.machine.bootProblem = "not yet";
  await rig.start();
  rig.store.nowMs += 2_000;
  await assert.rejects(rig.lock.lock("b", undefined), /semaphore is at 0/);
  await rig.stop();
});

test("a daemon that is restarted while its machine waits keeps its place and complains about nothing", async () => {
  const rig = new Rig();
  await rig.lock.lock("b", undefined);
  rig.status = needed;
  await rig.start();
  await rig.lock.queue("c", 0);
  await rig.stop();
  await rig.start();
  assert.deepEqual(
    (await rig.lock.picture()).queue.map(({ id }) => id),
    ["a", "c"],
  );
  assert.ok(!rig.env.lines.some((line) => line.startsWith("warning")), rig.env.lines.join("\n"));
  await rig.lock.unlock("b");
  await rig.changed();
  assert.deepEqual(await rig.holders(), ["a"]);
  await rig.stop();
});

test("a machine that was locked by hand and rebooted gives the slot back when it is well", async () => {
  const rig = new Rig();
  await rig.lock.lock("a", undefined);
  rig.machine.bootProblem = "not yet";
  await rig.start();
  assert.deepEqual(await rig.holders(), ["a"]);
  rig.machine.bootProblem = undefined;
  await rig.env.advance(60_000);
  assert.deepEqual(await rig.holders(), []);
  await rig.stop();
});

test("who is logged in is told, and has five minutes", async () => {
  const rig = new Rig();
  rig.machine.loggedIn.push("core");
  rig.workload.others = 0;
  rig.status = needed;
  await rig.start();
  assert.deepEqual(rig.machine.told, ["System reboot in 5 minutes!"]);
  await rig.env.advance(299_000);
  assert.equal(await rig.reboots(), false);
  await rig.env.advance(2_000);
  assert.equal(await rig.reboots(), true);
  await rig.stop();
});

test("a reboot that logind refuses is tried again, and one that never comes is told", async () => {
  const rig = new Rig();
  rig.workload.others = 0;
  rig.status = needed;
  rig.machine.refusal = "not now";
  await rig.start();
  assert.ok(rig.env.lines.some((line) => line.startsWith("warning: not now. Retrying in ")));
  rig.machine.refusal = undefined;
  await rig.env.advance(20_000);
  assert.equal(await rig.reboots(), true);
  await rig.env.advance(900_000);
  assert.ok(rig.env.lines.some((line) => line.includes("this machine is still up")));
  await rig.stop();
});
