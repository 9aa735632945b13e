import { Fault } from "../lib/fault.ts";
import type { Inhibitor, MachineControl, StopAfter, UnitTies } from "./machine-control.ts";
import { orAborted } from "../lib/aborted.ts";

/** A machine without power supply: a test turns its switches and boots it again. */
export class FakeMachineControl implements MachineControl {
  /** What was written onto terminals. */
  readonly told: string[] = [];
  readonly loggedIn: string[] = [];
  readonly activeUnits = new Set<string>();
  /** Why a boot does not come to its end; undefined: it does. */
  bootProblem: string | undefined;
  /** What logind says to a reboot; undefined: it accepts. */
  refusal: string | undefined;
  boots = 1;
  /** Units that run. */
  readonly ties = new Map<string, UnitTies>();
  /** Units that do not end, until `release`. */
  readonly stuck = new Set<string>();
  /** `stop NAME` and `start NAME`, in the order in which they happened. */
  readonly jobs: string[] = [];
  readonly #stopped = new Map<string, UnitTies>();
  #released = Promise.withResolvers<void>();
  #isGoingDown = false;
  readonly #inhibitors: Inhibitor[] = [];
  readonly #listeners = new Set<() => void>();

  inhibit(inhibitor: Inhibitor): void {
    this.#inhibitors.push(inhibitor);
    this.changed();
  }

  permit(): void {
    this.#inhibitors.length = 0;
    this.changed();
  }

  /** The machine has gone down and comes up. */
  boot(): void {
    this.boots++;
    this.#isGoingDown = false;
    for (const [name, ties] of this.#stopped) this.ties.set(name, ties);
    this.#stopped.clear();
    this.#listeners.clear();
  }

  /** Units that are stuck end. */
  release(): void {
    this.stuck.clear();
    this.#released.resolve();
    this.#released = Promise.withResolvers();
  }

  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  async bootId(): Promise<string> {
    return `boot-${this.boots}`;
  }

  async inhibitors(): Promise<readonly Inhibitor[]> {
    return [...this.#inhibitors];
  }

  async users(): Promise<readonly string[]> {
    return this.loggedIn;
  }

  async tell(line: string): Promise<void> {
    this.told.push(line);
  }

  async reboot(): Promise<void> {
    const [inhibitor] = this.#inhibitors;
    if (inhibitor !== undefined)
      throw new Fault("reboot-refused", `${inhibitor.who} forbids it: ${inhibitor.why}`);
    if (this.refusal !== undefined) throw new Fault("reboot-refused", this.refusal);
    this.#isGoingDown = true;
    this.changed();
  }

  async goingDown(): Promise<boolean> {
    return this.#isGoingDown;
  }

  async checkBoot(): Promise<string | undefined> {
    return this.bootProblem;
  }

  async isActive(unit: string): Promise<boolean> {
    return this.activeUnits.has(unit);
  }

  async running(names: readonly string[]): Promise<readonly UnitTies[]> {
    return names.flatMap((name) => this.ties.get(name) ?? []);
  }

  async stopUnits(order: readonly StopAfter[], signal: AbortSignal): Promise<readonly string[]> {
    for (const { name } of order) {
      signal.throwIfAborted();
      if (this.stuck.has(name)) await orAborted(this.#released.promise, signal);
      const ties = this.ties.get(name);
      if (ties === undefined) continue;
      this.jobs.push(`stop ${name}`);
      this.ties.delete(name);
      this.#stopped.set(name, ties);
    }
    return [];
  }

  async startUnits(names: readonly string[]): Promise<readonly string[]> {
    const problems: string[] = [];
    for (const name of names) {
      const ties = this.ties.get(name) ?? this.#stopped.get(name);
      if (ties === undefined) problems.push(`cannot start ${name} again: nobody knows it`);
      else this.ties.set(name, ties);
      this.jobs.push(`start ${name}`);
    }
    return problems;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }
}
