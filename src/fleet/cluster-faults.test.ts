import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault } from "../lib/fault.ts";
import { OutageStore } from "../store/fake-outage.ts";
import { openMemoryStore } from "../store/memory.ts";
import { hashUnitText } from "../unit/hash.ts";
import { under } from "../store/range.ts";
import { FakeMachine, fakeTtlMs } from "./fake-machine.ts";
import type { TargetState } from "./model.ts";
import { fleetPrefix } from "./registry.ts";
import { storeRegistry, type ViewSource } from "./store-registry.ts";

const machineCount = 3;
const unitCount = 4;
/** What happens at most between two faults: from nothing to more than a time to live. */
const mostPauseMs = 1.5 * fakeTtlMs;
const settleMs = 2_000;

type Action =
  | { readonly do: "crash" | "powerLoss" | "leave" | "start" | "cut" | "restore"; readonly machine: number }
  | { readonly do: "cordon" | "drain" | "uncordon"; readonly machine: number }
  | { readonly do: "set"; readonly unit: number; readonly target: TargetState | "destroyed" }
  | { readonly do: "restart"; readonly unit: number }
  | { readonly do: "delay"; readonly machine: number; readonly ms: number }
  | { readonly do: "wait"; readonly ms: number };

const machine = fc.nat(machineCount - 1);
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("crash" as const, "powerLoss" as const, "leave" as const, "cut" as const),
      machine,
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("start" as const, "restore" as const), machine }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("set" as const),
      unit: fc.nat(unitCount - 1),
      target: fc.constantFrom<TargetState | "destroyed">(
        "launched",
        "launched",
        "loaded",
        "inactive",
        "destroyed",
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom("cordon" as const, "drain" as const, "uncordon" as const),
      machine,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("restart" as const), unit: fc.nat(unitCount - 1) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("delay" as const), machine, ms: fc.nat(mostPauseMs) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(mostPauseMs) }) },
);

/** A cluster under faults, and what the test knows about it. */
class World {
  readonly env = new FakeEnv();
  readonly #memory = openMemoryStore(this.env);
  readonly #links = Array.from({ length: machineCount }, () => new OutageStore(this.#memory));
  readonly #machines = this.#links.map((link, index) => new FakeMachine(this.env, link, index + 1));
  /** Ends what a machine's daemon waits for before it hears that something was written. */
  readonly #delays = this.#links.map(() => new AbortController());
  /** Daemons that run; a machine whose daemon was killed keeps its units. */
  readonly #daemons = new Set<number>();
  readonly #cut = new Set<number>();
  readonly #targets = new Map<string, TargetState>();
  readonly #cordoned = new Set<number>();
  /** What each unit's text asks for besides. */
  readonly #options: string;
  /** Machines on which a unit that must never run twice is active. */
  readonly #single = new Map<string, Set<number>>();
  /** Each time such a unit began somewhere although a daemon had it running elsewhere. */
  readonly overlaps: string[] = [];
  /** Restarts that were asked for of units that were to run. */
  restartsAsked = 0;
  /** Writes to the store as any API of the cluster does. */
  readonly #registry = storeRegistry(this.#memory, unread);

  constructor(options = "") {
    this.#options = options;
    for (const [index, one] of this.#machines.entries())
      one.units.onActive = (name, active) => this.#noteActive(name, index, active);
  }

  /** Nobody can stop a unit while its machine has no daemon; then it may be started elsewhere, and this is not counted. */
  #noteActive(name: string, index: number, active: boolean): void {
    const where = this.#single.get(name) ?? new Set<number>();
    this.#single.set(name, where);
    if (!active) {
      where.delete(index);
      return;
    }
    for (const other of where)
      if (this.#daemons.has(other)) this.overlaps.push(`${name} on ${other} and ${index}`);
    where.add(index);
  }

  async begin(): Promise<void> {
    for (let index = 0; index < machineCount; index++) await this.act({ do: "start", machine: index });
    for (let unit = 0; unit < unitCount; unit++) await this.act({ do: "set", unit, target: "launched" });
    await this.env.advance(settleMs);
  }

  async act(one: Action): Promise<void> {
    if (one.do === "wait") await this.env.advance(one.ms);
    else if (one.do === "set") await this.#set(`unit-${one.unit}.service`, one.target);
    else if (one.do === "restart") await this.#restart(`unit-${one.unit}.service`);
    else if (one.do === "delay") this.#delay(one.machine, one.ms);
    else if (one.do === "cordon" || one.do === "drain" || one.do === "uncordon")
      await this.#cordon(one.do, one.machine);
    else await this.#disturb(one.do, one.machine);
    await this.env.settle();
  }

  async #set(name: string, target: TargetState | "destroyed"): Promise<void> {
    const known = this.#targets.has(name);
    if (target === "destroyed") {
      if (known) await this.#registry.destroy(name);
      this.#targets.delete(name);
      return;
    }
    const text = `[Service]\nExecStart=/bin/sleep 1000\n[X-Fleet]\n${this.#options}\n`;
    if (known) await this.#registry.setTarget(name, target);
    else await this.#registry.create({ name, text, hash: hashUnitText(text), target });
    this.#targets.set(name, target);
  }

  async #restart(name: string): Promise<void> {
    if (this.#targets.get(name) !== "launched") return;
    await this.#registry.restart(name);
    this.restartsAsked += 1;
  }

  /** From now on a machine hears so much later that something was written. */
  #delay(index: number, ms: number): void {
    const link = this.#links[index];
    assert.ok(link);
    this.#delays[index]?.abort(new Fault("store-unavailable", "the test has ended the wait for an answer"));
    const delay = new AbortController();
    this.#delays[index] = delay;
    link.beforeAnswer = async () => {
      if (ms > 0) await this.env.clock.sleep(ms, delay.signal);
    };
  }

  async #cordon(what: "cordon" | "drain" | "uncordon", index: number): Promise<void> {
    const one = this.#machines[index];
    assert.ok(one);
    if (what === "uncordon") {
      await this.#registry.uncordon(one.id);
      this.#cordoned.delete(index);
      return;
    }
    const drain = what === "drain" ? { drain: { mostMoving: 1 } } : {};
    await this.#registry.cordon({ machine: one.id, sinceMs: this.env.clock.now(), ...drain });
    this.#cordoned.add(index);
  }

  async #disturb(
    what: "crash" | "powerLoss" | "leave" | "start" | "cut" | "restore",
    index: number,
  ): Promise<void> {
    const one = this.#machines[index];
    const link = this.#links[index];
    assert.ok(one && link);
    // A daemon that ends hears of nothing any more.
    if (what === "crash" || what === "powerLoss" || what === "leave") this.#delay(index, 0);
    const runs = this.#daemons.has(index);
    if (what === "start" && !runs) {
      one.start();
      this.#daemons.add(index);
    } else if (what === "cut") {
      link.cut();
      this.#cut.add(index);
    } else if (what === "restore") {
      link.restore();
      this.#cut.delete(index);
    } else if (what === "powerLoss") {
      await one.powerLoss();
      this.#daemons.delete(index);
    } else if (what === "crash" && runs) {
      await one.crash();
      this.#daemons.delete(index);
    } else if (what === "leave" && runs && !this.#cut.has(index)) {
      await one.leave();
      this.#daemons.delete(index);
    }
  }

  /** Units that run on several machines although each of them is in touch with the store and led by its daemon. */
  async doubles(): Promise<string[]> {
    const seen = new Set<string>();
    const doubles: string[] = [];
    for (const [index, one] of this.#machines.entries()) {
      if (!this.#daemons.has(index) || this.#cut.has(index)) continue;
      for (const unit of await one.running()) {
        if (seen.has(unit)) doubles.push(unit);
        seen.add(unit);
      }
    }
    return doubles;
  }

  /** Ends all faults and gives the cluster time; what then differs from what is wanted. */
  async heal(): Promise<string[]> {
    for (let index = 0; index < machineCount; index++) {
      await this.act({ do: "restore", machine: index });
      await this.act({ do: "delay", machine: index, ms: 0 });
      await this.act({ do: "start", machine: index });
    }
    // Were every machine cordoned, units could be without a place for good.
    if (this.#cordoned.size === machineCount) await this.act({ do: "uncordon", machine: 0 });
    await this.env.advance(6 * fakeTtlMs);
    const running = (await Promise.all(this.#machines.map((one) => one.running()))).flat().sort();
    const wanted = [...this.#targets].filter(([, target]) => target === "launched").map(([name]) => name);
    return running.join() === wanted.sort().join()
      ? []
      : [`runs: ${running.join(" ")}`, `wanted: ${wanted.join(" ")}`];
  }

  /** Names of units that the store shows a state of, one for each machine on which it does. */
  async shown(): Promise<string[]> {
    const { entries } = await this.#memory.read(under(`${fleetPrefix}states/`));
    return entries.map(({ key }) => key.split("/").at(-1) ?? "").sort();
  }

  /** Names of units that have to be on a machine. */
  wanted(): string[] {
    return [...this.#targets].flatMap(([name, target]) => (target === "inactive" ? [] : [name])).sort();
  }

  /** How often units were restarted, machine by machine: a unit that is handed over runs on two. */
  restarts(): number[] {
    return this.#machines.map(
      ({ units }) =>
        units.calls.filter(({ operation }) => operation === "restart").flatMap(({ names }) => names).length,
    );
  }

  /** Units on machines that are drained, once all is well. */
  async onDrained(): Promise<string[]> {
    const { entries } = await this.#memory.read(under(`${fleetPrefix}cordons/`));
    const drained = entries
      .filter(({ value }) => value.includes("drain"))
      .map(({ key }) => key.split("/").at(-1));
    const found = this.#machines.filter(({ id }) => drained.includes(id)).map((one) => one.running());
    return (await Promise.all(found)).flat();
  }

  /** How often units were stopped, over all machines. */
  stops(): number {
    return this.#machines.flatMap(({ units }) => units.calls).filter(({ operation }) => operation === "stop")
      .length;
  }

  async end(): Promise<void> {
    for (const index of this.#links.keys()) this.#delay(index, 0);
    for (const one of this.#machines) await one.crash();
    await this.#memory.close();
  }
}

/** The registry is only written through here. */
const unread: ViewSource = {
  view: () => assert.fail("nobody reads the view"),
  subscribe: () => () => undefined,
  reached: () => Promise.resolve(),
};

async function inWorld(body: (world: World) => Promise<void>, options?: string): Promise<void> {
  const world = new World(options);
  try {
    await world.begin();
    await body(world);
  } finally {
    await world.end();
  }
}

test("whatever machines and links do, after they are well again every unit runs once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 14 }), async (actions) => {
      await inWorld(async (world) => {
        for (const one of actions) await world.act(one);
        assert.deepEqual(await world.heal(), []);
        assert.deepEqual(await world.doubles(), []);
        assert.deepEqual(await world.onDrained(), []);
        for (const restarts of world.restarts())
          assert.ok(restarts <= world.restartsAsked, "no restart is carried out twice");
      });
    }),
    { numRuns: 60 },
  );
});

/** A machine returns and starts its units in the moment in which an engine moves them away: it shows nothing of them yet. */
const placeTakenAwayAtStart: Action[] = [
  { do: "leave", machine: 2 },
  { do: "leave", machine: 1 },
  { do: "drain", machine: 0 },
  { do: "powerLoss", machine: 0 },
];

test("whatever machines and links do, a unit with OnPartition=stop never begins while a daemon has it elsewhere", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 14 }), async (actions) => {
      await inWorld(async (world) => {
        for (const one of actions) await world.act(one);
        assert.deepEqual(await world.heal(), []);
        assert.deepEqual(world.overlaps, []);
        assert.deepEqual(await world.shown(), world.wanted(), "nothing stays in the store that is not so");
      }, "OnPartition=stop");
    }),
    { numRuns: 60, examples: [[placeTakenAwayAtStart]] },
  );
});

test("while daemons crash and links are cut for less than a time to live, no unit is ever stopped", async () => {
  const harmless = fc.oneof(
    fc.record({ do: fc.constantFrom("crash" as const, "cut" as const), machine }),
    fc.record({ do: fc.constantFrom("start" as const, "restore" as const), machine }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(harmless, { maxLength: 10 }),
      fc.nat(fakeTtlMs / 4),
      async (actions, pauseMs) => {
        await inWorld(async (world) => {
          for (const one of actions) {
            await world.act(one);
            await world.act({ do: "wait", ms: Math.floor(pauseMs / 10) });
          }
          assert.deepEqual(await world.heal(), []);
          assert.equal(world.stops(), 0);
        });
      },
    ),
    { numRuns: 40 },
  );
});
