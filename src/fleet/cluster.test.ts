import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { Wake } from "../lib/wake.ts";
import { openMemoryStore } from "../store/memory.ts";
import { openMirror } from "../store/mirror.ts";
import { between, under } from "../store/range.ts";
import type { LeaseId, Store } from "../store/store.ts";
import { hashUnitText } from "../unit/hash.ts";
import { Agent, type AttemptLog } from "./agent.ts";
import { runEngine } from "./engine.ts";
import { FakeUnitManager } from "./fake-unit-manager.ts";
import { keepPresence, leaveCluster } from "./presence.ts";
import { fleetKeys, fleetPrefix, type Registry } from "./registry.ts";
import { SharedPicture } from "./shared-picture.ts";
import { storeRegistry } from "./store-registry.ts";

const ttlMs = 10_000;
const sleeper = "[Service]\nExecStart=/bin/sleep 1000\n";

/** One machine's fleet daemon over a shared store and a service manager in memory that outlives the daemon. */
class TestMachine {
  readonly id: string;
  readonly units: FakeUnitManager;
  registry!: Registry;
  #attempts = new Map();
  #bootId = "boot-1";
  /** The setting agent_ttl, for the next start of the daemon. */
  ttlMs = ttlMs;
  #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #lease: LeaseId | undefined;
  #agent: Agent | undefined;
  readonly #env: FakeEnv;
  readonly #store: Store;
  readonly #metadata: Readonly<Record<string, string>>;

  constructor(env: FakeEnv, store: Store, number: number, metadata: Readonly<Record<string, string>> = {}) {
    this.id = String(number).repeat(32);
    this.#env = env;
    this.#store = store;
    this.#metadata = metadata;
    this.units = new FakeUnitManager(env);
  }

  start(): void {
    const env = this.#env;
    const store = this.#store;
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const shared = new SharedPicture(env, store, 60_000);
    this.registry = storeRegistry(store, shared);
    this.#lease = undefined;
    const listeners = new Set<() => void>();
    const lease = (): LeaseId | undefined => this.#lease;
    const leaseChanged = (listener: () => void): (() => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    };
    const attempts: AttemptLog = {
      read: () => Promise.resolve(new Map(this.#attempts)),
      write: (all) => {
        this.#attempts = new Map(all);
        return Promise.resolve();
      },
    };
    const { id: me, units } = this;
    const schedule = openMirror(env, store, under(fleetKeys.schedule(me)), signal);
    const members = openMirror(
      env,
      store,
      between(`${fleetPrefix}engine/`, `${fleetPrefix}machines0`),
      signal,
    );
    const facts = { id: me, address: "", metadata: this.#metadata, version: "0", bootId: this.#bootId };
    const changed = (id: LeaseId | undefined): void => {
      this.#lease = id;
      for (const listener of listeners) listener();
    };
    const agent = new Agent(env, { store, me, schedule, units, attempts, lease, leaseChanged });
    this.#agent = agent;
    this.#running = Promise.all([
      shared.hold(signal),
      keepPresence(
        env,
        { store, facts: () => facts, refresh: new Wake(), ttlMs: this.ttlMs, changed },
        signal,
      ),
      agent.run(signal),
      runEngine(env, { store, me, ttlMs, members, shared, lease, leaseChanged }, signal),
    ]).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  /** Ends the daemon without a word, as SIGKILL does. */
  async crash(): Promise<void> {
    this.#stop.abort(new Error("killed"));
    await this.#running;
  }

  /** The machine loses its power: its units and what lies under /run are gone. */
  async powerLoss(): Promise<void> {
    await this.crash();
    await this.units.stop((await this.units.list()).map(({ name }) => name));
    await this.units.unload((await this.units.list()).map(({ name }) => name));
    this.#attempts = new Map();
    this.#bootId += "+";
  }

  /** `systemctl stop fleet`: what lies under /run stays. */
  async leave(): Promise<void> {
    const lease = this.#lease;
    await this.crash();
    await this.#agent?.stopAll();
    if (lease !== undefined) await leaveCluster(this.#store, lease);
  }

  async running(): Promise<string[]> {
    return (await this.units.list()).filter(({ active }) => active === "active").map(({ name }) => name);
  }
}

interface TestCluster {
  readonly env: FakeEnv;
  readonly store: Store;
  readonly machines: readonly TestMachine[];
  readonly submit: (name: string, text: string) => Promise<void>;
  /** Names of running units, machine by machine. */
  readonly picture: () => Promise<string[][]>;
}

async function withCluster(count: number, body: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const machines = Array.from({ length: count }, (_, index) => new TestMachine(env, store, index + 1));
  for (const machine of machines) machine.start();
  await env.advance(1000);
  const first = machines[0];
  assert.ok(first);
  try {
    await body({
      env,
      store,
      machines,
      async submit(name, text) {
        await first.registry.create({ name, text, hash: hashUnitText(text), target: "launched" });
        await env.advance(1000);
      },
      picture: () => Promise.all(machines.map((machine) => machine.running())),
    });
  } finally {
    for (const machine of machines) await machine.crash();
    await store.close();
  }
}

test("units are spread, stopped where they run, and forgotten when destroyed", async () => {
  await withCluster(3, async ({ env, machines, submit, picture }) => {
    for (const number of [1, 2, 3]) await submit(`web-${number}.service`, sleeper);
    assert.deepEqual(await picture(), [["web-1.service"], ["web-2.service"], ["web-3.service"]]);

    const registry = machines[1]?.registry;
    await registry?.setTarget("web-2.service", "loaded");
    await env.advance(1000);
    assert.deepEqual(await picture(), [["web-1.service"], [], ["web-3.service"]]);
    assert.equal(machines[1]?.units.textOf("web-2.service"), sleeper);

    await registry?.setTarget("web-2.service", "launched");
    await env.advance(1000);
    assert.deepEqual(await picture(), [["web-1.service"], ["web-2.service"], ["web-3.service"]]);

    await registry?.destroy("web-2.service");
    await env.advance(1000);
    assert.deepEqual(await picture(), [["web-1.service"], [], ["web-3.service"]]);
    assert.equal(machines[1]?.units.textOf("web-2.service"), undefined);
    assert.equal(registry?.view().states.has("web-2.service"), false);
  });
});

test("a machine that loses power gives its units up after its time to live, and gets none twice when it returns", async () => {
  await withCluster(3, async ({ env, machines, submit, picture }) => {
    for (const number of [1, 2, 3]) await submit(`web-${number}.service`, sleeper);
    await machines[1]?.powerLoss();
    await env.advance(ttlMs / 2);
    assert.deepEqual(await picture(), [["web-1.service"], [], ["web-3.service"]]);
    await env.advance(ttlMs);
    assert.deepEqual(await picture(), [["web-1.service", "web-2.service"], [], ["web-3.service"]]);
    machines[1]?.start();
    await env.advance(2 * ttlMs);
    assert.deepEqual(await picture(), [["web-1.service", "web-2.service"], [], ["web-3.service"]]);
  });
});

test("the engine's own machine may die: another leads, and its units move at once when it leaves in order", async () => {
  await withCluster(3, async ({ env, store, machines, submit, picture }) => {
    for (const number of [1, 2, 3]) await submit(`web-${number}.service`, sleeper);
    const leader = async (): Promise<string | undefined> =>
      (await store.read(under(`${fleetPrefix}engine/`))).entries[0]?.value;
    const first = machines.find(({ id }) => id === "1".repeat(32));
    const led = await leader();
    const leading = machines.findIndex(({ id }) => id === led);
    assert.ok(first && leading >= 0);
    await machines[leading]?.leave();
    await env.advance(1000);
    assert.notEqual(await leader(), led);
    const all = (await picture()).flat();
    assert.deepEqual(all.sort(), ["web-1.service", "web-2.service", "web-3.service"]);
  });
});

test("a machine that left in order and comes back without a reboot runs again what it has to", async () => {
  await withCluster(2, async ({ env, machines, submit, picture }) => {
    await submit("everywhere.service", `${sleeper}\n[X-Fleet]\nGlobal=true\n`);
    await submit("web.service", sleeper);
    assert.deepEqual(await picture(), [["everywhere.service", "web.service"], ["everywhere.service"]]);
    await machines[0]?.leave();
    await env.advance(1000);
    assert.deepEqual(await picture(), [[], ["everywhere.service", "web.service"]]);
    machines[0]?.start();
    await env.advance(1000);
    assert.deepEqual(await picture(), [["everywhere.service"], ["everywhere.service", "web.service"]]);
  });
});

test("a daemon that is killed and started again disturbs nothing", async () => {
  await withCluster(2, async ({ env, machines, submit, picture }) => {
    for (const number of [1, 2]) await submit(`web-${number}.service`, sleeper);
    const before = await picture();
    const calls = machines.map(({ units }) => units.calls.length);
    for (const machine of machines) {
      await machine.crash();
      await env.advance(ttlMs / 4);
      machine.start();
      await env.advance(ttlMs);
    }
    assert.deepEqual(await picture(), before);
    assert.deepEqual(
      machines.map(({ units }) => units.calls.length),
      calls,
    );
  });
});

test("a global unit reaches machines that join later, and conflicting units wait with their reasons", async () => {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const machines = [1, 2, 3].map((number) => new TestMachine(env, store, number));
  const [one, two, three] = machines;
  assert.ok(one && two && three);
  one.start();
  two.start();
  await env.advance(1000);
  const create = async (name: string, text: string): Promise<void> => {
    await one.registry.create({ name, text, hash: hashUnitText(text), target: "launched" });
    await env.advance(1000);
  };
  const single = `${sleeper}\n[X-Fleet]\nConflicts=single@*.service\n`;
  await create("everywhere.service", `${sleeper}\n[X-Fleet]\nGlobal=true\n`);
  for (const number of [1, 2, 3]) await create(`single@${number}.service`, single);
  const waiting = one.registry.view().placements.get("single@3.service");
  assert.ok(waiting !== undefined && "waiting" in waiting);
  assert.match(waiting.waiting.map(({ why }) => why).join("; "), /conflict/);
  three.start();
  await env.advance(1000);
  assert.deepEqual(await three.running(), ["everywhere.service", "single@3.service"]);
  for (const machine of machines) await machine.crash();
  await store.close();
});

test("a unit that a machine cannot load is reported, tried again, and delays no other", async () => {
  await withCluster(1, async ({ env, machines, submit, picture }) => {
    const [machine] = machines;
    machine?.units.refuse("load", "broken.service", "no space left on device");
    await submit("broken.service", sleeper);
    await submit("fine.service", sleeper);
    assert.deepEqual(await picture(), [["fine.service"]]);
    const state = machine?.registry.view().states.get("broken.service")?.get(machine.id);
    assert.equal(state?.problem, "no space left on device");
    machine?.units.refuse("load", "broken.service");
    await env.advance(60_000);
    assert.deepEqual(await picture(), [["broken.service", "fine.service"]]);
  });
});

test("a sidekick that comes to its machine before the unit it is bound to starts when that one is there", async () => {
  await withCluster(1, async ({ env, machines, submit, picture }) => {
    const [machine] = machines;
    await submit("sidekick.service", `[Unit]\nBindsTo=main.service\n${sleeper}`);
    await env.advance(100);
    assert.deepEqual(await picture(), [[]]);
    const state = machine?.registry.view().states.get("sidekick.service")?.get(machine.id);
    assert.match(state?.problem ?? "", /main\.service not found/);
    assert.equal(state?.reached, "loaded");
    await submit("main.service", sleeper);
    await env.advance(60_000);
    assert.deepEqual(await picture(), [["main.service", "sidekick.service"]]);
    const after = machine?.registry.view().states.get("sidekick.service")?.get(machine.id);
    assert.equal(after?.problem, undefined);
    assert.equal(after?.reached, "launched");
  });
});

test("a oneshot that has ended and a unit that has failed are not started again", async () => {
  await withCluster(1, async ({ env, machines, submit }) => {
    await submit("once.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n");
    await submit("fails.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n");
    await machines[0]?.crash();
    machines[0]?.start();
    await env.advance(60_000);
    const starts = machines[0]?.units.calls.filter(({ operation }) => operation === "start");
    assert.deepEqual(starts?.flatMap(({ names }) => names).sort(), ["fails.service", "once.service"]);
  });
});

test("a unit whose text changes is updated on its machine", async () => {
  await withCluster(2, async ({ env, machines, submit, picture }) => {
    await submit("web.service", sleeper);
    const registry = machines[0]?.registry;
    const unit = registry?.view().units.get("web.service");
    assert.ok(registry && unit);
    const text = "[Service]\nExecStart=/bin/sleep 2000\n";
    await registry.replace(
      { name: unit.name, text, hash: hashUnitText(text), target: "launched" },
      unit.revision,
    );
    await env.advance(1000);
    assert.deepEqual(await picture(), [["web.service"], []]);
    assert.equal(machines[0]?.units.textOf("web.service"), text);
  });
});

test("a time to live that was changed counts from the next start of the daemon, and disturbs no unit", async () => {
  await withCluster(2, async ({ env, machines, submit, picture }) => {
    for (const number of [1, 2]) await submit(`web-${number}.service`, sleeper);
    const [, second] = machines;
    assert.ok(second);
    await second.crash();
    second.ttlMs = 3 * ttlMs;
    second.start();
    await env.advance(2 * ttlMs);
    assert.deepEqual(await picture(), [["web-1.service"], ["web-2.service"]]);
    await second.powerLoss();
    await env.advance(2 * ttlMs);
    assert.deepEqual(await picture(), [["web-1.service"], []]);
    await env.advance(2 * ttlMs);
    assert.deepEqual(await picture(), [["web-1.service", "web-2.service"], []]);
  });
});
