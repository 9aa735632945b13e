import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault } from "../lib/fault.ts";
import { type Asked, type EngineParts, type Judgement, UpdateEngine } from "./engine.ts";
import { emptyMemory, type UpdateMemory } from "./memory.ts";
import type { CheckResult, Offer } from "./offer.ts";
import { usualSchedule } from "./schedule.ts";
import type { SlotPicture, Slots } from "./slots.ts";

const offer: Offer = {
  version: "2",
  folders: ["http://a/"],
  digest: "d".repeat(64),
  size: 10,
  mostFailures: 10,
  noBackoff: true,
};

/** An engine with slots, a server and a machine that a test moves. */
class World {
  readonly env = new FakeEnv();
  readonly done: string[] = [];
  picture: SlotPicture = { running: "1", trial: false, others: [] };
  result: CheckResult = { kind: "none" };
  installing: (signal: AbortSignal) => Promise<void> = async () => {};
  judgement: Judgement = { well: true, sentence: "" };
  memory: UpdateMemory = emptyMemory;
  bootId = "1";
  /** False: what was installed is not there afterwards. */
  isLasting = true;
  /** False: the server hears of no event. */
  isReachable = true;
  #ending = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #engine: UpdateEngine | undefined;

  get engine(): UpdateEngine {
    return this.#engine ?? assert.fail("the engine was not started");
  }

  async start(): Promise<void> {
    this.#ending = new AbortController();
    const engine = new UpdateEngine(this.env, this.#parts());
    this.#engine = engine;
    await engine.begin(this.#ending.signal);
    this.#running = engine.run(this.#ending.signal);
    await this.env.settle();
  }

  async stop(): Promise<void> {
    const reason = new Fault("ending", "the test ends");
    this.#ending.abort(reason);
    await assert.rejects(this.#running, reason);
  }

  async boot(picture: SlotPicture): Promise<void> {
    await this.stop();
    this.bootId += "+";
    this.picture = picture;
    this.done.length = 0;
    await this.start();
  }

  #parts(): EngineParts {
    const slots: Slots = {
      look: async () => this.picture,
      install: async ({ version }, folder, tell, signal) => {
        this.done.push(`install ${version} from ${folder}`);
        tell({ fraction: 0.5, verifying: false });
        await this.installing(signal);
        if (this.isLasting) this.picture = { ...this.picture, others: [{ version, state: "untried" }] };
      },
      bless: async () => {
        this.done.push("bless");
        this.picture = { ...this.picture, trial: false };
      },
      condemn: async (version) => void this.done.push(`condemn ${version}`),
    };
    return {
      slots,
      bootId: this.bootId,
      settings: { schedule: usualSchedule, timed: true },
      server: {
        check: async ({ pingOnly }: Asked) => {
          this.done.push(pingOnly ? "ping" : "ask");
          return this.result;
        },
        tell: async ({ type, result }) => {
          if (!this.isReachable) return false;
          this.done.push(`tell ${type}/${result}`);
          return true;
        },
      },
      memory: { read: async () => this.memory, write: async (memory) => void (this.memory = memory) },
      judge: async () => this.judgement,
      reboot: async () => void this.done.push("reboot"),
      changed: async () => {},
    };
  }
}

test("nothing is asked before its time, and an update goes by itself up to the reboot", async () => {
  const world = new World();
  world.result = { kind: "offer", offer };
  await world.start();
  await world.env.advance(6 * 60_000);
  assert.deepEqual(world.done, []);
  await world.env.advance(60_001);
  await world.env.settle();
  assert.deepEqual(world.done, ["ask", "tell 13/1", "install 2 from http://a/", "tell 14/1", "tell 3/1"]);
  assert.equal(world.engine.state?.phase, "reboot-wanted");
  assert.equal(world.memory.pending?.stage, "staged");
  await world.env.advance(51 * 60_000);
  assert.equal(world.done.at(-1), "ping");
  await world.boot({ running: "2", trial: true, others: [{ version: "1", state: "good" }] });
  assert.deepEqual(world.done, ["bless", "tell 3/2"]);
  await world.stop();
});

test("what is being installed is noted before the first byte is written", async () => {
  const world = new World();
  world.result = { kind: "offer", offer };
  let noted: UpdateMemory["pending"];
  world.installing = async () => void (noted = world.memory.pending);
  await world.start();
  await world.engine.wish({ on: "wish" });
  await world.env.settle();
  assert.deepEqual([noted?.version, noted?.stage], ["2", "installing"]);
  await world.stop();
});

test("a machine that is not well goes back by itself", async () => {
  const world = new World();
  world.picture = { running: "2", trial: true, others: [{ version: "1", state: "good" }] };
  world.judgement = { well: false, sentence: "no network" };
  await world.start();
  assert.deepEqual(world.done, ["condemn 2", "reboot"]);
  await world.boot({ running: "1", trial: false, others: [{ version: "2", state: "bad" }] });
  assert.deepEqual(world.done, ["tell 3/0"]);
  assert.equal(world.engine.state?.failure?.code, 44);
  await world.stop();
});

const troubles: readonly (readonly [string, number, boolean])[] = [
  ["update-signature", 18, true],
  ["update-list", 10, true],
  ["update-file", 10, true],
  ["update-transfer", 9, false],
  ["update-slots", 14, false],
];

for (const [code, number, isRefused] of troubles) {
  test(`an installation that ends with ${code} is error ${number}`, async () => {
    const world = new World();
    world.result = { kind: "offer", offer };
    world.installing = async () => {
      throw new Fault(code, "it went wrong");
    };
    await world.start();
    await world.engine.wish({ on: "wish" });
    await world.env.settle();
    const { phase, failure, memory } = world.engine.state ?? assert.fail("no state");
    assert.deepEqual([phase, failure?.code, memory.refusals.length], ["failed", number, isRefused ? 1 : 0]);
    await world.stop();
  });
}

test("an installation that leaves nothing behind is a failure", async () => {
  const world = new World();
  world.result = { kind: "offer", offer };
  world.isLasting = false;
  await world.start();
  await world.engine.wish({ on: "wish" });
  await world.env.settle();
  const { phase, failure, memory } = world.engine.state ?? assert.fail("no state");
  assert.deepEqual([phase, failure?.code, memory.pending], ["failed", 14, undefined]);
  await world.stop();
});

test("the engine stops in the middle of an installation, and goes on after its next start", async () => {
  const world = new World();
  world.result = { kind: "offer", offer };
  world.installing = async (signal) => {
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  await world.start();
  await world.engine.wish({ on: "wish" });
  await world.env.settle();
  assert.equal(world.engine.state?.phase, "downloading");
  await world.stop();
  world.installing = async () => {};
  await world.start();
  assert.equal(world.engine.state?.phase, "failed");
  await world.engine.wish({ on: "wish" });
  await world.env.settle();
  assert.equal(world.engine.state?.phase, "reboot-wanted");
  await world.stop();
});

test("what happened is told again until the server hears it, in order", async () => {
  const world = new World();
  world.isReachable = false;
  world.result = { kind: "offer", offer };
  await world.start();
  await world.engine.wish({ on: "wish" });
  await world.env.settle();
  assert.deepEqual(world.done, ["ask", "install 2 from http://a/"]);
  world.isReachable = true;
  await world.env.advance(2_000);
  assert.deepEqual(world.done.slice(2), ["tell 13/1", "tell 14/1", "tell 3/1"]);
  await world.stop();
});

test("wishes are answered in order, with the reason when they are not followed", async () => {
  const world = new World();
  await world.start();
  const answers = await Promise.all([
    world.engine.wish({ on: "release" }),
    world.engine.wish({ on: "hold", reason: "sale" }),
    world.engine.wish({ on: "wish" }),
    world.engine.wish({ on: "release" }),
    world.engine.wish({ on: "rollback" }),
  ]);
  assert.deepEqual(
    answers.map((answer) => answer?.split(/[;,]/)[0]),
    [
      "updates are not held",
      undefined,
      "updates are held (sale)",
      undefined,
      "there is no other good version on this machine than 1",
    ],
  );
  await world.stop();
});
