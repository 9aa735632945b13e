import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault } from "../lib/fault.ts";
import { type EngineParts, UpdateEngine } from "./engine.ts";
import { parseMemory, printMemory } from "./memory.ts";
import { usualSchedule } from "./schedule.ts";
import type { OtherSlot, SlotPicture } from "./slots.ts";
import type { UpdateEvent } from "./update-state.ts";
import { compareVersions } from "./version-order.ts";

const gone = new Fault("power-cut", "the power is gone");

/** A machine whose engine, or whose power, ends between any two of its deeds. What it has on disk stays. */
class Machine {
  memory = "";
  slots: SlotPicture = { running: "1", trial: false, others: [] };
  bootId = "0";
  /** How often a version was written over itself while it was whole. */
  repeated = 0;
  readonly env = new FakeEnv();
  #left = Number.POSITIVE_INFINITY;
  #offered = "2";
  #ending = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #engine: UpdateEngine | undefined;

  /** @param left deeds that are done before the power goes */
  async start(left: number): Promise<void> {
    this.#left = left;
    this.#ending = new AbortController();
    const engine = new UpdateEngine(this.env, this.#parts());
    this.#engine = engine;
    this.#running = engine.begin(this.#ending.signal).then(async () => await engine.run(this.#ending.signal));
    this.#running.catch(() => undefined);
    await this.env.settle();
  }

  async follow(event: UpdateEvent, offered: string): Promise<void> {
    this.#offered = offered;
    if (this.#left <= 0 || this.#engine?.state === undefined) return;
    void this.#engine.wish(event);
    await this.env.settle();
  }

  /** Ends the engine; with `boots` the whole machine, and the loader chooses. */
  async end(boots: boolean): Promise<void> {
    this.#left = 0;
    this.#ending.abort(gone);
    await this.#running.catch(() => undefined);
    if (!boots) return;
    this.bootId += "+";
    const { running, trial, others } = this.slots;
    const own: OtherSlot = { version: running, state: trial ? "trying" : this.#condemned ? "bad" : "good" };
    const [chosen = own] = [own, ...others].toSorted(
      (a, b) =>
        Number(a.state === "bad") - Number(b.state === "bad") || compareVersions(b.version, a.version),
    );
    this.#condemned = chosen === own && this.#condemned;
    this.slots = {
      running: chosen.version,
      trial: chosen.state !== "good" && chosen.state !== "bad",
      others: [own, ...others].filter((each) => each !== chosen),
    };
  }

  #condemned = false;

  async #deed(work: () => void): Promise<void> {
    await Promise.resolve();
    if (this.#left <= 0) throw gone;
    this.#left--;
    work();
  }

  #set(version: string, state: OtherSlot["state"]): void {
    const others = this.slots.others.filter((each) => each.version !== version);
    this.slots = { ...this.slots, others: [...others, { version, state }] };
  }

  #parts(): EngineParts {
    const offer = {
      folders: ["http://a/"],
      digest: "d".repeat(64),
      size: 10,
      mostFailures: 10,
      noBackoff: true,
    };
    return {
      bootId: this.bootId,
      settings: { schedule: usualSchedule, timed: false },
      server: {
        check: async () => ({ kind: "offer", offer: { ...offer, version: this.#offered } }),
        tell: async () => true,
      },
      slots: {
        look: async () => this.slots,
        install: async ({ version }) =>
          await this.#deed(() => {
            if (this.slots.others.some((each) => each.version === version && each.state === "untried"))
              this.repeated++;
            this.slots = { ...this.slots, others: [{ version, state: "untried" }] };
          }),
        bless: async () => await this.#deed(() => (this.slots = { ...this.slots, trial: false })),
        condemn: async (version) =>
          await this.#deed(() => {
            if (version === this.slots.running) this.#condemned = true;
            else if (this.slots.others.some((each) => each.version === version)) this.#set(version, "bad");
          }),
      },
      memory: {
        read: async () =>
          this.memory === ""
            ? { lastCheckMs: 0, refusals: [] }
            : (parseMemory(this.memory) ?? assert.fail("the memory cannot be read")),
        write: async (memory) => await this.#deed(() => void (this.memory = printMemory(memory))),
      },
      judge: async () => ({ well: true, sentence: "" }),
      reboot: async () => {},
      changed: async () => {},
    };
  }
}

test("wherever the power goes, nothing is installed twice, and what was rolled back is neither forgotten nor booted", async () => {
  const wish = fc.constantFrom<UpdateEvent>(
    { on: "wish" },
    { on: "rollback" },
    { on: "reset" },
    { on: "hold", reason: "" },
    { on: "release" },
  );
  const life = fc.record({
    left: fc.integer({ min: 0, max: 12 }),
    wishes: fc.array(fc.tuple(wish, fc.constantFrom("2", "3")), { maxLength: 6 }),
    boots: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 4 }), async (lives) => {
      const machine = new Machine();
      let refused: readonly string[] = [];
      for (const { left, wishes, boots } of [
        ...lives,
        { left: Number.POSITIVE_INFINITY, wishes: [], boots: false },
      ]) {
        await machine.start(left);
        for (const [event, offered] of wishes) await machine.follow(event, offered);
        await machine.end(boots);
        if (machine.memory === "") continue;
        const memory = parseMemory(machine.memory) ?? assert.fail("the memory cannot be read");
        const now = memory.refusals.filter(({ kind }) => kind !== "downgrade").map(({ version }) => version);
        assert.deepEqual(
          refused.filter((version) => !now.includes(version)),
          [],
          "nothing refused is forgotten",
        );
        refused = now;
      }
      assert.equal(machine.repeated, 0, "nothing is installed twice");
      if (machine.slots.trial) return;
      const bootable = machine.slots.others.filter(({ state }) => state !== "bad");
      assert.deepEqual(
        bootable.filter(({ version }) => refused.includes(version)),
        [],
        "nothing refused is bootable once an engine has run",
      );
    }),
    { numRuns: 300 },
  );
});
