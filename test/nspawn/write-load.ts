import { setTimeout as sleep } from "node:timers/promises";
import type { Machine } from "../../src/lab/machine.ts";
import { waitUntil } from "../../src/lab/waiting.ts";

/** Above what a gateway lets a write wait for the store. */
const answerLimitMs = 10_000;
/** So long that only what never comes true reaches it. */
const readLimitMs = 60_000;
/** A little rest between two writes, so that the machines have time for what is tested. */
const restMs = 10;

/** Clients that write key after key through the v2 API of some machines, and keep account of what was acknowledged. */
export class WriteLoad {
  readonly #folder: string;
  readonly #acknowledged = new Map<string, string>();
  readonly #ending = new AbortController();
  readonly #writers: Promise<void>[];
  readonly #gaps = new Map<string, number>();
  #refusals = 0;

  /** Begins at once. @param name of this load, part of its keys */
  constructor(name: string, machines: readonly Machine[]) {
    this.#folder = `/load/${name}`;
    this.#writers = machines.map((machine) => this.#write(machine));
  }

  /** How many writes were acknowledged by now. */
  get count(): number {
    return this.#acknowledged.size;
  }

  /** The longest time in which a client got no write acknowledged, in ms, by machine. */
  get gaps(): ReadonlyMap<string, number> {
    return this.#gaps;
  }

  /** Ends the clients, and tells in a line what they saw. */
  async end(): Promise<string> {
    this.#ending.abort();
    await Promise.all(this.#writers);
    const gaps = [...this.#gaps].map(([machine, ms]) => `${machine} ${Math.round(ms)} ms`);
    return `${this.count} writes acknowledged, ${this.#refusals} refused; longest gap: ${gaps.join(", ")}`;
  }

  /** Keys that were acknowledged and are not there, or not as they were written, as a machine reads them. */
  async lost(machine: Machine): Promise<readonly string[]> {
    const url = `${machine.keysApi}/v2/keys${this.#folder}?recursive=true&quorum=true`;
    let text = "";
    // A machine that has just become something else answers only when it has found the store again.
    await waitUntil(
      async () => {
        // A connection that is kept from before may lead to a machine that has lost its power since.
        const answer = await fetch(url, { headers: { Connection: "close" } }).catch(() => undefined);
        text = (await answer?.text()) ?? "";
        return answer?.status === 200;
      },
      readLimitMs,
      `${machine.name} reads ${this.#folder}`,
    );
    const { node } = JSON.parse(text) as { node?: KeyNode };
    const found = new Map(filesIn(node));
    return [...this.#acknowledged].filter(([key, value]) => found.get(key) !== value).map(([key]) => key);
  }

  async #write(machine: Machine): Promise<void> {
    let last = performance.now();
    for (let number = 1; !this.#ending.signal.aborted; number++) {
      const key = `${this.#folder}/${machine.name}/${number}`;
      const value = `${machine.name}-${number}`;
      try {
        const answer = await fetch(`${machine.keysApi}/v2/keys${key}`, {
          method: "PUT",
          body: new URLSearchParams({ value }),
          signal: AbortSignal.timeout(answerLimitMs),
        });
        await answer.text();
        if (answer.ok) this.#acknowledged.set(key, value);
        else this.#refusals++;
        if (answer.ok) {
          const now = performance.now();
          this.#gaps.set(machine.name, Math.max(this.#gaps.get(machine.name) ?? 0, now - last));
          last = now;
        }
      } catch {
        // Not acknowledged, so nobody may rely on it.
        this.#refusals++;
      }
      await sleep(restMs);
    }
    this.#gaps.set(machine.name, Math.max(this.#gaps.get(machine.name) ?? 0, performance.now() - last));
  }
}

interface KeyNode {
  readonly key: string;
  readonly value?: string;
  readonly nodes?: readonly KeyNode[];
}

function filesIn(node: KeyNode | undefined): readonly (readonly [string, string])[] {
  if (node === undefined) return [];
  if (node.value !== undefined) return [[node.key, node.value]];
  return (node.nodes ?? []).flatMap(filesIn);
}
