import { setImmediate } from "node:timers/promises";
import type { Clock, Env, Log } from "./env.ts";

/** Rounds of the event loop that let everything that can go on without time go on. */
const settleRounds = 40;

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** An Env whose time stands still until a test moves it, whose chance is fixed, and which keeps what was logged. */
export class FakeEnv implements Env {
  /** Lines such as `warning: sentence`, oldest first. */
  readonly lines: string[] = [];
  readonly clock: Clock;
  readonly log: Log;
  readonly #sleepers = new Set<Sleeper>();
  #nowMs = 1_000_000_000_000;
  #jumpedMs = 0;

  constructor() {
    const startMs = this.#nowMs;
    this.clock = {
      now: () => this.#nowMs + this.#jumpedMs,
      monotonic: () => this.#nowMs - startMs,
      sleep: (ms, signal) => this.#sleep(ms, signal),
    };
    const keep = (level: string) => (sentence: string) => void this.lines.push(`${level}: ${sentence}`);
    this.log = { debug: keep("debug"), info: keep("info"), warning: keep("warning"), error: keep("error") };
  }

  readonly random = (): number => 0.5;

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let round = 0; round < settleRounds; round++) await setImmediate();
  }

  /** Sets the clock that people read forward or back, as an operator or NTP does; no time passes. */
  jump(ms: number): void {
    this.#jumpedMs += ms;
  }

  /** Moves time on, waking sleepers in order, and lets everything happen that follows. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await this.settle();
    for (;;) {
      const next = [...this.#sleepers].sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#sleepers.delete(next);
      next.wake();
      await this.settle();
    }
    this.#nowMs = untilMs;
  }

  async #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      const sleeper: Sleeper = {
        atMs: this.#nowMs + Math.max(0, ms),
        wake: () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        },
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#sleepers.add(sleeper);
    });
  }
}
