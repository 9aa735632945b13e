import assert from "node:assert/strict";
import { begin } from "./after-boot.ts";
import { emptyMemory, parseMemory, printMemory, type UpdateMemory } from "./memory.ts";
import type { Offer } from "./offer.ts";
import { step } from "./policy.ts";
import { usualSchedule } from "./schedule.ts";
import type { SlotPicture } from "./slots.ts";
import type { Deed, PolicySettings, UpdateEvent, UpdateState } from "./update-state.ts";

// For tests: a machine whose policy is driven by hand, and what happens to it.

export const settings: PolicySettings = { schedule: usualSchedule, timed: true };
export const alone: SlotPicture = { running: "1", trial: false, others: [] };
export const digest = "d".repeat(64);

export function offer(version: string, more: Partial<Offer> = {}): Offer {
  return { version, folders: ["http://a/"], digest, size: 100, mostFailures: 10, noBackoff: true, ...more };
}

/** A machine whose policy is driven by hand. */
export class Machine {
  state: UpdateState;
  deeds: readonly Deed[];
  refused: string | undefined;
  wallMs = 1_800_000_000_000;
  upMs = 0;

  constructor(slots: SlotPicture = alone, memory: UpdateMemory = emptyMemory, bootId = "boot 1") {
    const first = begin(settings, memory, slots, bootId, { wallMs: this.wallMs, upMs: 0, chance: 0.5 });
    this.state = first.state;
    this.deeds = first.deeds;
  }

  on(...events: readonly UpdateEvent[]): this {
    for (const event of events) {
      const next = step(settings, this.state, event, { wallMs: this.wallMs, upMs: this.upMs, chance: 0.5 });
      this.state = next.state;
      this.deeds = next.deeds;
      this.refused = next.refused;
    }
    return this;
  }

  /** What the machine does, in short words. */
  get done(): readonly string[] {
    return this.deeds.map((deed) => {
      if (deed.do === "tell")
        return `tell ${deed.event.type}/${deed.event.result}${deed.event.errorCode === undefined ? "" : ` ${deed.event.errorCode}`}`;
      if (deed.do === "ask") return deed.pingOnly ? "ping" : `ask ${deed.onDemand ? "on demand" : "in time"}`;
      if (deed.do === "install") return `install ${deed.offer.version} from ${deed.folder}`;
      return deed.do === "condemn" ? `condemn ${deed.version}` : deed.do;
    });
  }

  /** The same machine after a boot. */
  boot(slots: SlotPicture, bootId = `${this.state.bootId}+`): Machine {
    const text = printMemory(this.state.memory);
    return new Machine(slots, parseMemory(text) ?? assert.fail("the memory is lost"), bootId);
  }
}

export const wish: UpdateEvent = { on: "wish" };
export const offers = (version: string, more: Partial<Offer> = {}): UpdateEvent => ({
  on: "answer",
  result: { kind: "offer", offer: offer(version, more) },
});
export const none: UpdateEvent = { on: "answer", result: { kind: "none" } };
export const failed = (code: number): UpdateEvent => ({
  on: "answer",
  result: { kind: "failed", code, sentence: "no" },
});
export const installed = (version: string): UpdateEvent => ({
  on: "installed",
  slots: { ...alone, others: [{ version, state: "untried" }] },
});

export function staged(): Machine {
  return new Machine().on(wish, offers("2"), installed("2"));
}
