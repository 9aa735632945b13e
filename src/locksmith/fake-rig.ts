import assert from "node:assert/strict";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault } from "../lib/fault.ts";
import { AllGroups } from "./all-groups.ts";
import { FakeLockKeys } from "./fake-lock-keys.ts";
import { FakeMachineControl } from "./fake-machine-control.ts";
import { FakeWorkload } from "./fake-workload.ts";
import { Locksmith } from "./locksmith.ts";
import type { LocksmithParts } from "./locksmith-parts.ts";
import { RebootBoard } from "./reboot-board.ts";
import { type LockKeys, RebootLock } from "./reboot-lock.ts";
import type { Turn } from "./reboot-turn.ts";
import { RebootReporter } from "./reporter.ts";
import type { UpdateStatus } from "./update-status.ts";
import type { Wish } from "./wants.ts";

/** What update-engine says when a reboot is due. */
export const needed: UpdateStatus = { operation: "UPDATE_STATUS_UPDATED_NEED_REBOOT", version: "2.0.0" };
/** How long the slot is kept for a machine that is not heard of. */
export const leaseMs = 600_000;

/** A machine with a daemon on it, on a clock and a store that a test moves. */
export class FakeRig {
  readonly env = new FakeEnv();
  readonly machine = new FakeMachineControl();
  readonly workload = new FakeWorkload();
  readonly board: RebootBoard;
  readonly lock: RebootLock;
  readonly groups: AllGroups;
  readonly api: LockKeys;
  status: UpdateStatus | undefined;
  wish: Wish | undefined;
  packages: readonly string[] | undefined;
  turn: Turn | undefined;
  storeIsAway = false;
  /** After so many steps the daemon dies. */
  stepsLeft = Number.POSITIVE_INFINITY;
  hasDied = false;
  storeProblem: string | undefined;
  readonly store: FakeLockKeys;
  readonly states: string[] = [];
  readonly #listeners = new Set<() => void>();
  #ending: AbortController | undefined;
  #running: Promise<void> | undefined;

  constructor(store = new FakeLockKeys()) {
    this.store = store;
    const ask = async <Answer>(work: () => Answer): Promise<Answer> => {
      if (this.storeIsAway) throw new Fault("cluster-unavailable", "no endpoint answers");
      this.#step();
      return work();
    };
    this.api = {
      get: async (key) => await ask(() => store.get(key)),
      put: async (key, options) => await ask(() => store.put(key, options)),
      remove: async (key, options) => await ask(() => store.remove(key, options)),
    };
    this.lock = new RebootLock(this.env, this.api, "");
    this.board = new RebootBoard(this.api);
    this.groups = new AllGroups(this.env, this.api);
  }

  /** The daemon dies before its next step that anybody sees, once so many are done. */
  #step(): void {
    this.stepsLeft -= 1;
    if (this.stepsLeft >= 0) return;
    this.hasDied = true;
    this.#ending?.abort(new Fault("died", "the daemon died"));
    this.#ending?.signal.throwIfAborted();
  }

  /** Everything that a daemon hears of says that something has changed. */
  async changed(): Promise<void> {
    for (const listener of this.#listeners) listener();
    this.machine.changed();
    await this.env.settle();
  }

  async start(change: Partial<LocksmithParts> = {}): Promise<void> {
    const subscribe = (listener: () => void): (() => void) => {
      this.#listeners.add(listener);
      return () => this.#listeners.delete(listener);
    };
    const report = new RebootReporter(this.env, {
      id: "a",
      group: "",
      strategy: "etcd-lock",
      boot: await this.machine.bootId(),
      board: this.board,
      coordinate: async (state) => void this.states.push(state),
    });
    const locksmith = new Locksmith(this.env, {
      id: "a",
      strategy: "etcd-lock",
      times: undefined,
      leaseMs,
      drainMs: 600_000,
      machine: this.machine,
      lock: this.lock,
      workload: this.workload,
      storeProblem: async () => this.storeProblem,
      news: Object.defineProperty(
        {
          wish: undefined,
          ready: Promise.resolve(),
          subscribe,
          fulfil: async () => void (this.wish = undefined),
        },
        "wish",
        { get: () => this.wish },
      ),
      updates: Object.defineProperty({ status: undefined, subscribe, close: async () => {} }, "status", {
        get: () => this.status,
      }),
      required: Object.defineProperty({ packages: undefined, subscribe }, "packages", {
        get: () => this.packages,
      }),
      file: {
        read: async () => this.turn,
        write: async (turn) => {
          this.#step();
          this.turn = turn;
        },
      },
      report,
      ...change,
    });
    this.hasDied = false;
    this.#ending = new AbortController();
    this.#running = locksmith.run(this.#ending.signal);
    await this.env.settle();
  }

  /** The daemon is stopped, or dies with its machine. */
  async stop(): Promise<void> {
    this.#ending?.abort(new Fault("stop", "the daemon was stopped"));
    await this.#running;
    this.#ending = undefined;
    this.#listeners.clear();
  }

  /** The machine has gone down and comes up; the daemon is not started yet. */
  async comeUp(): Promise<void> {
    assert.equal(await this.machine.goingDown(), true, this.env.lines.join("\n"));
    await this.stop();
    this.machine.boot();
    this.status = undefined;
    this.packages = undefined;
  }

  async holders(): Promise<readonly string[]> {
    return (await this.lock.picture()).semaphore.holders;
  }

  async phase(): Promise<string | undefined> {
    return (await this.board.records()).get("a")?.phase;
  }

  async reboots(): Promise<boolean> {
    return await this.machine.goingDown();
  }
}

/** Two units that stay, of which `web` depends on `db`. */
export function withUnits(rig: FakeRig): void {
  rig.workload.wanted = ["db.service", "web.service"];
  rig.machine.ties.set("db.service", { name: "db.service", after: [], requires: [] });
  rig.machine.ties.set("web.service", { name: "web.service", after: ["db.service"], requires: [] });
}
