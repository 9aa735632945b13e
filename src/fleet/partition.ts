import type { Env } from "../lib/env.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { Wake } from "../lib/wake.ts";
import type { AttemptBook } from "./attempt-book.ts";
import type { Scheduled, UnitName } from "./model.ts";
import type { UnitManager } from "./unit-manager.ts";

/** Where the moment of the last renewal outlasts the daemon; a reboot clears it. */
export interface RenewalLog {
  /** On this daemon's monotonic clock; undefined when none was noted since the machine booted. */
  read(): Promise<number | undefined>;
  write(renewedAtMs: number): Promise<void>;
}

export interface PartitionOptions {
  /** How long the machine's lease lives after its last renewal (`leaseLifeMs` of the setting `agent_ttl`). */
  readonly ttlMs: number;
  readonly units: UnitManager;
  readonly renewals: RenewalLog;
  /** Where an earlier daemon has noted the units it started, and what tells the agent to start a stopped one again. */
  readonly attempts: AttemptBook;
}

/** Pause before a stop is tried again that systemd did not take. */
const tryAgainMs = 250;

/**
 * When units that must not outlast a partition are stopped, and when they are killed, after the last renewal of the machine's
 * presence. The lease of the store lasts a whole time to live from the moment it heard of the renewal, so that what has ended
 * before has ended before anybody else may start it.
 */
export function partitionTimes(ttlMs: number): { readonly stopMs: number; readonly killMs: number } {
  const marginMs = Math.max(500, ttlMs / 10);
  const stopMs = Math.floor((2 * ttlMs) / 3);
  return { stopMs, killMs: Math.max(stopMs, Math.floor(ttlMs - marginMs)) };
}

/**
 * Stops the units with `OnPartition=stop` when this machine cannot renew its presence, in time before its lease lapses.
 * Counts from the moment each renewal was sent, on a clock that never jumps.
 */
export class PartitionGuard {
  readonly #env: Env;
  readonly #options: PartitionOptions;
  readonly #wake = new Wake();
  readonly #listeners = new Set<() => void>();
  /** Nothing is known to have ended until the agent can be asked. */
  #hasEnded: (name: UnitName) => boolean = () => false;
  #names: ReadonlySet<UnitName> = new Set();
  #renewedAtMs: number | undefined;
  /** Set from the moment units had to stop until the agent has seen what is wanted now. */
  #barred = false;

  constructor(env: Env, options: PartitionOptions) {
    this.#env = env;
    this.#options = options;
  }

  /** The presence was renewed. @param sentAtMs when the renewal was sent, on the monotonic clock */
  renewed(sentAtMs: number): void {
    this.#renewedAtMs = Math.max(sentAtMs, this.#renewedAtMs ?? sentAtMs);
    if (this.#names.size > 0) void this.#note();
    if (!this.#barred) return;
    for (const listener of this.#listeners) listener();
  }

  /** Calls `listener` when the presence was renewed while units are barred; returns the function that ends it. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Asks `hasEnded` for units that have ended by themselves, which are not started again after a partition; returns what ends it. */
  ask(hasEnded: (name: UnitName) => boolean): () => void {
    this.#hasEnded = hasEnded;
    return () => {
      this.#hasEnded = () => false;
    };
  }

  /**
   * Takes in what the machine has to hold. Gives the units that must not be started now, because another machine may have been
   * given them.
   */
  holdBack(wanted: readonly Scheduled[]): ReadonlySet<UnitName> {
    const names = wanted.filter(({ stopOnPartition }) => stopOnPartition === true).map(({ unit }) => unit);
    const first = this.#names.size === 0;
    this.#names = new Set([...names, ...this.#options.attempts.stoppedOnPartition()]);
    if (first && this.#names.size > 0) {
      void this.#note();
      this.#wake.wake();
    }
    return this.mayStart ? nobody : new Set(names);
  }

  /** False while another machine may have been given what must not run twice. */
  get mayStart(): boolean {
    return !this.#barred && this.#isPresent();
  }

  /** True while what was stopped waits for `readmit`. */
  get barred(): boolean {
    return this.#barred;
  }

  /** The agent has read, after the machine was present again, what it has to run: that may be started. */
  readmit(): void {
    if (this.#isPresent()) this.#barred = false;
  }

  /** Runs until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      const { attempts } = this.#options;
      await attempts.load();
      const renewedAtMs = await this.#options.renewals.read();
      this.#names = new Set([...this.#names, ...attempts.stoppedOnPartition()]);
      if (renewedAtMs !== undefined)
        this.#renewedAtMs = Math.max(renewedAtMs, this.#renewedAtMs ?? renewedAtMs);
      for (;;) {
        if (this.#names.size === 0) {
          await this.#wake.next(signal);
          continue;
        }
        const leftMs = this.#stopAtMs() - this.#env.clock.monotonic();
        if (leftMs > 0) await this.#env.clock.sleep(Math.ceil(leftMs), signal);
        else await this.#stopAll(signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #stopAtMs(): number {
    return (this.#renewedAtMs ?? Number.NEGATIVE_INFINITY) + partitionTimes(this.#options.ttlMs).stopMs;
  }

  #isPresent(): boolean {
    return this.#env.clock.monotonic() < this.#stopAtMs();
  }

  /** Stops what is to be stopped, and waits until the presence has been renewed. */
  async #stopAll(signal: AbortSignal): Promise<void> {
    this.#barred = true;
    const names = [...this.#names];
    const again = names.filter((name) => !this.#hasEnded(name));
    this.#env.log.warning(
      `this machine cannot renew its presence; stopping ${names.join(" ")} before its lease lapses`,
    );
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    const killing = this.#killLater(names, either);
    for (;;) {
      const problem = await this.#stop(names);
      if (problem === undefined) break;
      this.#env.log.error(`cannot stop units that must not outlast a partition: ${problem}; trying again`);
      await this.#env.clock.sleep(tryAgainMs, signal);
    }
    done.abort(isOver);
    await killing;
    for (const name of again) this.#options.attempts.setLoaded(name);
    await this.#options.attempts.save();
    await this.#untilRenewed(signal);
  }

  async #stop(names: readonly UnitName[]): Promise<string | undefined> {
    try {
      const outcomes = await this.#options.units.stop(names);
      return outcomes.find(({ problem }) => problem !== undefined)?.problem;
    } catch (error) {
      return sentenceOf(error);
    }
  }

  /** Ends the processes of units that do not stop in time. */
  async #killLater(names: readonly UnitName[], signal: AbortSignal): Promise<void> {
    const { stopMs, killMs } = partitionTimes(this.#options.ttlMs);
    const leftMs = this.#stopAtMs() - stopMs + killMs - this.#env.clock.monotonic();
    try {
      await this.#env.clock.sleep(Math.max(0, leftMs), signal);
      this.#env.log.warning(`${names.join(" ")} did not stop in time: killing`);
      await this.#options.units.kill(names);
    } catch (error) {
      if (!signal.aborted) this.#env.log.error(`cannot kill units: ${sentenceOf(error)}`);
    }
  }

  async #untilRenewed(signal: AbortSignal): Promise<void> {
    const wake = new Wake();
    const end = this.subscribe(wake.wake);
    try {
      while (!this.#isPresent()) await wake.next(signal);
    } finally {
      end();
    }
  }

  async #note(): Promise<void> {
    if (this.#renewedAtMs === undefined) return;
    await this.#options.renewals.write(this.#renewedAtMs).catch((error: unknown) => {
      this.#env.log.error(`cannot note when this machine's presence was renewed: ${sentenceOf(error)}`);
    });
  }
}

const nobody: ReadonlySet<UnitName> = new Set();

/** Why the wait for the moment to kill ends: everything has stopped. */
const isOver = new Fault("over", "everything has stopped");
