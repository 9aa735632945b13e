import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeysResponse } from "../keys/client-keys.ts";
import type { Env } from "../lib/env.ts";
import { Fault, isFault, sentenceOf } from "../lib/fault.ts";
import { FakeLockKeys } from "./fake-lock-keys.ts";
import { groupKeys } from "./lock-keys.ts";
import { type LockKeys, RebootLock } from "./reboot-lock.ts";
import { parseSemaphore } from "./semaphore.ts";

/** Schedules that are made up, each from its own seed. */
const schedules = 10_000;
const leaseMs = 20_000;
/** While a machine is down for less than this, nobody may have its slot: half the lease, less the drift of its clock. */
const protectedMs = leaseMs * 0.4;
/** Turns of the machines within which all of them get through once nothing fails any more. */
const mostHealedTurns = 400;

const semaphoreKey = groupKeys("").semaphore;
const queueKey = `${groupKeys("").directory}/queue`;
const quiet = { debug: () => {}, info: () => {}, warning: () => {}, error: () => {} };

/** Numbers in [0, 1) that follow from a seed. */
function chanceOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Request {
  readonly work: () => KeysResponse;
  readonly answer: (response: KeysResponse) => void;
  readonly fail: (error: unknown) => void;
}

type Phase = "wants" | "locking" | "ready" | "down" | "up" | "unlocking" | "content" | "dead";

/** One machine that wants to reboot once: it locks, reboots, comes back and gives its slot back. */
class Machine {
  readonly id: string;
  readonly lock: RebootLock;
  /** Requests on their way; the schedule decides what becomes of each. */
  readonly requests: Request[] = [];
  phase: Phase = "wants";
  rebootUntilMs = 0;
  downSinceMs = 0;
  readonly #ticks: () => number;

  constructor(id: string, store: FakeLockKeys, chance: () => number) {
    this.id = id;
    // Clocks that people read are wrong, and the one that never jumps is a little fast or slow.
    const skewMs = (chance() - 0.5) * 1e9;
    const rate = 0.92 + chance() * 0.16;
    this.#ticks = () => store.nowMs * rate;
    const clock = { now: () => store.nowMs + skewMs, monotonic: this.#ticks, sleep: async () => {} };
    const env: Env = { clock, random: chance, log: quiet };
    const ask = (work: () => KeysResponse): Promise<KeysResponse> =>
      new Promise((answer, fail) => this.requests.push({ work, answer, fail }));
    const api: LockKeys = {
      get: (key) => ask(() => store.get(key)),
      put: (key, options) => ask(() => store.put(key, options)),
      remove: (key, options) => ask(() => store.remove(key, options)),
    };
    this.lock = new RebootLock(env, api, "");
  }

  get mayReboot(): boolean {
    return this.#ticks() < this.rebootUntilMs;
  }

  begin(): void {
    if (this.phase === "wants") {
      this.phase = "locking";
      this.#settle(this.#lockInTurn(), "wants");
    } else if (this.phase === "up") {
      this.phase = "unlocking";
      this.#settle(
        this.lock.unlock(this.id).then(() => "content"),
        "up",
      );
    }
  }

  async #lockInTurn(): Promise<Phase> {
    await this.lock.queue(this.id, 0);
    const { rebootUntilMs } = await this.lock.lock(this.id, leaseMs);
    this.rebootUntilMs = rebootUntilMs;
    return "ready";
  }

  #settle(work: Promise<Phase>, otherwise: Phase): void {
    work.then(
      (phase) => void (this.phase !== "dead" && (this.phase = phase)),
      (error: unknown) => {
        if (this.phase === "dead") return;
        if (!isFault(error)) throw error;
        const slotWasLost = error.message === "holder does not exist";
        this.phase = slotWasLost ? "content" : otherwise;
      },
    );
  }
}

/** Lets everything go on that waits for nothing but its turn. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await Promise.resolve();
}

class Schedule {
  readonly store = new FakeLockKeys();
  readonly machines: readonly Machine[];
  readonly max: number;
  reboots = 0;
  overtakings = 0;
  #checked = "";
  #holders: readonly string[] = [];
  /** The place that each machine had last: its ticket may end between the look and the swap. */
  readonly #places = new Map<string, number>();
  /** How often a ticket was passed over, by the index that made it. */
  readonly #overtaken = new Map<number, number>();
  readonly #chance: () => number;
  /** Requests whose machine has given up on them and which may still arrive. */
  readonly #late: Request[] = [];

  constructor(seed: number) {
    this.#chance = chanceOf(seed);
    const count = 2 + Math.floor(this.#chance() * 4);
    this.max = 1 + Math.floor(this.#chance() * Math.min(2, count - 1));
    this.store.put(semaphoreKey, {
      value: `{"semaphore":${this.max},"max":${this.max},"holders":null}`,
    });
    this.machines = Array.from({ length: count }, (_, at) => new Machine(`m${at}`, this.store, this.#chance));
  }

  /** Something happens, good or bad. */
  async faulty(): Promise<void> {
    const machine = this.#one();
    const lot = this.#chance();
    if (lot < 0.1) this.store.nowMs += this.#chance() * leaseMs;
    else if (lot < 0.12) this.#crash(machine);
    else if (lot < 0.16) this.#giveUp(machine, this.#chance() < 0.5);
    else if (lot < 0.2) this.#arrive();
    else if (machine.phase !== "ready" || lot < 0.6) this.#goOn(machine);
    await settle();
    this.check();
  }

  /** Every machine goes on, and time passes. */
  async healed(): Promise<void> {
    for (const machine of this.machines) {
      this.#goOn(machine);
      await settle();
      this.check();
    }
    this.store.nowMs += 800;
  }

  check(): void {
    for (const { key, createdIndex } of this.store.children(queueKey)) this.#places.set(key, createdIndex);
    const text = this.store.value(semaphoreKey) ?? "";
    if (text !== this.#checked) this.#checkText(text);
    const down = this.machines.filter(
      ({ phase, downSinceMs }) => phase === "down" && this.store.nowMs - downSinceMs < protectedMs,
    );
    assert.ok(down.length <= this.max, `${down.length} machines are down at once`);
  }

  #checkText(text: string): void {
    this.#checked = text;
    const { free, max, holders } = parseSemaphore(text, "the semaphore");
    assert.equal(max, this.max);
    assert.equal(free, max - holders.length);
    assert.ok(holders.length <= max, `more holders than slots: ${text}`);
    this.#checkTurns(free, holders);
    this.#holders = holders;
  }

  /**
   * Who waits is overtaken once at most: by somebody who had looked before it began to wait, and whose swap fails when
   * another's came first. A slot that somebody takes while there is one for each of those that wait longer is no harm.
   */
  #checkTurns(free: number, holders: readonly string[]): void {
    const came = holders.filter((id) => !this.#holders.includes(id));
    if (came.length === 0) return;
    const tickets = new Set(this.store.children(queueKey).map(({ key }) => key));
    const place = (id: string): number =>
      this.#places.get(groupKeys("").ticket(id)) ?? Number.POSITIVE_INFINITY;
    const waiting = this.machines.map(({ id }) => id).filter((id) => tickets.has(groupKeys("").ticket(id)));
    // Whoever held a slot until this very swap, with a lease that had ended, did not wait.
    const held = new Set([...holders, ...this.#holders]);
    const line = waiting.filter((id) => !held.has(id)).sort((a, b) => place(a) - place(b));
    for (const [rank, id] of line.entries()) {
      const overtaken = came.some((other) => place(other) > place(id)) && free <= rank;
      if (!overtaken) continue;
      const times = (this.#overtaken.get(place(id)) ?? 0) + 1;
      this.#overtaken.set(place(id), times);
      assert.ok(times <= 1, `${id} was overtaken ${times} times while it waited`);
      this.overtakings++;
    }
  }

  #goOn(machine: Machine): void {
    const request = machine.requests.shift();
    if (request !== undefined) carryOut(request);
    else if (machine.phase === "ready") this.#reboot(machine);
    else if (machine.phase === "down") machine.phase = "up";
    else machine.begin();
  }

  #reboot(machine: Machine): void {
    if (!machine.mayReboot) {
      machine.phase = "wants";
      return;
    }
    const { holders } = parseSemaphore(this.store.value(semaphoreKey) ?? "", "the semaphore");
    assert.ok(holders.includes(machine.id), `${machine.id} reboots without a slot`);
    this.reboots++;
    machine.phase = "down";
    machine.downSinceMs = this.store.nowMs;
  }

  /** One machine at least stays alive, or nothing would be left to see. */
  #crash(machine: Machine): void {
    if (this.machines.filter(({ phase }) => phase !== "dead").length < 2) return;
    machine.phase = "dead";
    this.#late.push(...machine.requests.splice(0));
  }

  /** The connection is lost before the request has arrived, on its way, or before the answer is there. */
  #giveUp(machine: Machine, mayArrive: boolean): void {
    const request = machine.requests.shift();
    if (request === undefined) return;
    if (mayArrive) this.#late.push(request);
    request.fail(new Fault("broken-connection", "the network failed"));
  }

  #arrive(): void {
    const [request] = this.#late.splice(Math.floor(this.#chance() * this.#late.length), 1);
    if (request !== undefined) carryOut(request);
  }

  #one(): Machine {
    const machine = this.machines[Math.floor(this.#chance() * this.machines.length)];
    assert.ok(machine);
    return machine;
  }
}

function carryOut({ work, answer, fail }: Request): void {
  try {
    answer(work());
  } catch (error) {
    fail(error);
  }
}

/** Carries all schedules out; throws what the first of them broke, with its seed. */
async function campaign(): Promise<Record<"reboots" | "died" | "overtakings", number>> {
  let reboots = 0;
  let overtakings = 0;
  let died = 0;
  for (let seed = 1; seed <= schedules; seed++) {
    const schedule = new Schedule(seed);
    try {
      for (let step = 0; step < 50; step++) await schedule.faulty();
      const waiting = () => schedule.machines.filter(({ phase }) => phase !== "dead" && phase !== "content");
      for (let turn = 0; waiting().length > 0; turn++) {
        assert.ok(
          turn < mostHealedTurns,
          `${waiting()
            .map(({ id, phase }) => `${id} ${phase}`)
            .join()} never end`,
        );
        await schedule.healed();
      }
      died += schedule.machines.filter(({ phase }) => phase === "dead").length;
      reboots += schedule.reboots;
      overtakings += schedule.overtakings;
    } catch (error) {
      throw new Error(`schedule ${seed}: ${sentenceOf(error)}`, { cause: error });
    }
  }
  return { reboots, died, overtakings };
}

// Refusals are what happens most here, and taking down where each came from takes most of the time.
Error.stackTraceLimit = 0;
// Outside of a test, because the runner watches every promise of a test, and these are millions.
const [result] = await Promise.allSettled([campaign()]);

test("whatever fails: never more holders than slots, nobody reboots without one, no dead holder blocks, who waits is overtaken once at most, all get through", () => {
  if (result.status === "rejected") throw result.reason;
  assert.ok(result.value.reboots > schedules, "the schedules reboot machines");
  assert.ok(result.value.died > schedules / 10, "the schedules kill machines");
  assert.ok(
    result.value.overtakings > 0,
    "the schedules have somebody lock who had looked before another waited",
  );
});
