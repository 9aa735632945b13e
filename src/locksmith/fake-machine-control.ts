import { Fault } from "../lib/fault.ts";
import type { Inhibitor, MachineControl } from "./machine-control.ts";

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
    this.#listeners.clear();
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

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }
}
