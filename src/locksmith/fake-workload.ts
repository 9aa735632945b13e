import type { Share, Taking, Workload } from "./workload.ts";
import { orAborted } from "../lib/aborted.ts";

/** The units of a machine, as far as a test moves them. */
export class FakeWorkload implements Workload {
  taking: Taking = "ready";
  since: string | undefined;
  others = 1;
  well: Share["well"] = { global: ["all.service"], placed: ["pinned.service"] };
  wanted: readonly string[] = ["all.service", "pinned.service"];
  /** Units that are not well after a boot. */
  readonly unwell = new Set<string>();
  readonly deeds: string[] = [];
  #drained = Promise.withResolvers<void>();
  #healed = Promise.withResolvers<void>();
  #count = 0;

  /** The last unit has left. */
  finishDrain(): void {
    this.taking = "drained";
    this.#drained.resolve();
    this.#drained = Promise.withResolvers();
  }

  /** Every unit is well again. */
  heal(): void {
    this.unwell.clear();
    this.#healed.resolve();
    this.#healed = Promise.withResolvers();
  }

  /** What an operator does. */
  set(taking: Taking): void {
    this.taking = taking;
    this.since = taking === "ready" ? undefined : `t${++this.#count}`;
  }

  async share(): Promise<Share> {
    return {
      taking: this.taking,
      since: this.since,
      others: this.others,
      well: this.well,
      wanted: this.wanted,
    };
  }

  async drain(): Promise<string | undefined> {
    this.deeds.push("drain");
    this.set("draining");
    return this.since;
  }

  async cordon(): Promise<void> {
    this.deeds.push("cordon");
    this.set("cordoned");
  }

  async uncordon(): Promise<void> {
    this.deeds.push("uncordon");
    this.set("ready");
  }

  async untilDrained(_tell: (sentence: string) => void, signal: AbortSignal): Promise<void> {
    if (this.taking === "draining") await orAborted(this.#drained.promise, signal);
  }

  async untilWell(
    { here, placed }: { readonly here: readonly string[]; readonly placed: readonly string[] },
    tell: (sentence: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const waiting = [...here, ...placed].filter((name) => this.unwell.has(name));
    if (waiting.length === 0) return;
    tell(`${waiting.join(", ")} not well`);
    await orAborted(this.#healed.promise, signal);
  }
}
