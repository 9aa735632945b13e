import type { Env } from "../lib/env.ts";
import { isFault } from "../lib/fault.ts";
import type { MachineRecord, RebootBoard } from "./reboot-board.ts";
import type { Phase } from "./steps.ts";
import type { WindowState } from "./window.ts";

/** The states that update-engine's coordinators write (locksmith 0.6.2, /run/update-engine/coordinator.conf). */
export type CoordinatorState = "starting" | "running" | "reboot-planned" | "rebooting";

export interface ReporterParts {
  readonly id: string;
  readonly group: string;
  readonly strategy: string;
  readonly boot: string;
  readonly board: RebootBoard;
  readonly coordinate: (state: CoordinatorState) => Promise<void>;
}

/** Tells people, other machines and update-engine how far this machine is. Telling never keeps it from going on. */
export class RebootReporter {
  readonly #env: Env;
  readonly #parts: ReporterParts;
  #record: MachineRecord | undefined;
  #window: MachineRecord["window"];
  /** True when the store has not heard of the last record. */
  #isUntold = false;

  constructor(env: Env, parts: ReporterParts) {
    this.#env = env;
    this.#parts = parts;
  }

  /** @param why for people; may be empty */
  async phase(phase: Phase, why: string): Promise<void> {
    if (this.#record?.phase === phase && this.#record.why === why && !this.#isUntold) return;
    const { id, group, strategy, boot, coordinate } = this.#parts;
    if (this.#record?.phase !== phase || this.#record.why !== why) {
      this.#env.log.info(`now ${phase.replaceAll("-", " ")}${why === "" ? "" : `: ${why}`}`);
      await coordinate(coordinatorState(phase));
    }
    const isSame = this.#record?.phase === phase;
    const since = isSame ? this.#record?.since : undefined;
    this.#record = {
      id,
      group,
      strategy,
      phase,
      why,
      since: since ?? new Date(this.#env.clock.now()).toISOString(),
      boot,
      ...(this.#window === undefined ? {} : { window: this.#window }),
    };
    await this.#tell();
  }

  /** What the next record says about the window; undefined: there is none. */
  window(state: WindowState | undefined): void {
    if (state === undefined) this.#window = undefined;
    else {
      const changesAt = new Date(state.open ? state.closesAt : state.opensAt).toISOString();
      this.#isUntold ||= this.#window?.changesAt !== changesAt;
      this.#window = { open: state.open, changesAt };
    }
  }

  /** Tells again what the store may not have heard. */
  async again(): Promise<void> {
    if (this.#isUntold) await this.#tell();
  }

  /** The daemon ends and nothing is under way: nobody reboots this machine any more when asked to. */
  async leave(): Promise<void> {
    try {
      await this.#parts.board.forget(this.#parts.id);
    } catch (error) {
      if (!isFault(error)) throw error;
    }
  }

  async #tell(): Promise<void> {
    if (this.#record === undefined) return;
    try {
      await this.#parts.board.tell(this.#record);
      this.#isUntold = false;
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#isUntold = true;
      this.#env.log.debug(`cannot tell the store: ${error.message}`);
    }
  }
}

function coordinatorState(phase: Phase): CoordinatorState {
  if (phase === "steady") return "running";
  if (phase === "rebooting") return "rebooting";
  return phase === "recovering" ? "starting" : "reboot-planned";
}
