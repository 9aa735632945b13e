import { Wake } from "../lib/wake.ts";
import type { FakeEnv } from "../lib/fake-env.ts";
import { openMirror } from "../store/mirror.ts";
import { between, under } from "../store/range.ts";
import type { LeaseId, Store } from "../store/store.ts";
import { Agent } from "./agent.ts";
import { AttemptBook } from "./attempt-book.ts";
import { runEngine } from "./engine.ts";
import { keepEvents } from "./event-keeper.ts";
import { EventWriter } from "./events.ts";
import { FakeUnitManager } from "./fake-unit-manager.ts";
import { FleetMetrics } from "./metrics.ts";
import { PartitionGuard } from "./partition.ts";
import { keepPresence, leaveCluster } from "./presence.ts";
import { fleetKeys, fleetPrefix, type Registry } from "./registry.ts";
import { SharedPicture } from "./shared-picture.ts";
import { StoreIdentity } from "./store-identity.ts";
import { StoreWitness } from "./store-witness.ts";
import { storeRegistry } from "./store-registry.ts";

/** The setting agent_ttl of fake machines, unless a test changes it. */
export const fakeTtlMs = 10_000;

/** One machine's fleet daemon over a shared store and a service manager in memory that outlives the daemon. */
export class FakeMachine {
  readonly id: string;
  readonly units: FakeUnitManager;
  registry!: Registry;
  readonly metrics: FleetMetrics;
  #attempts = new Map();
  #identity: string | undefined;
  #renewedAtMs: number | undefined;
  #bootId = "boot-1";
  /** The setting agent_ttl, for the next start of the daemon. */
  ttlMs = fakeTtlMs;
  #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #lease: LeaseId | undefined;
  #agent: Agent | undefined;
  #daemon: symbol | undefined;
  readonly #env: FakeEnv;
  readonly #store: Store;
  readonly #metadata: Readonly<Record<string, string>>;

  constructor(env: FakeEnv, store: Store, number: number, metadata: Readonly<Record<string, string>> = {}) {
    this.id = String(number).repeat(32);
    this.#env = env;
    this.#store = store;
    this.#metadata = metadata;
    this.units = new FakeUnitManager(env);
    this.metrics = new FleetMetrics(env.clock);
  }

  start(): void {
    const env = this.#env;
    const store = this.#store;
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const daemon = Symbol("one life of the daemon");
    this.#daemon = daemon;
    const shared = new SharedPicture(env, store, 60_000);
    const events = new EventWriter(this.id, () => env.clock.now(), env.random);
    this.registry = storeRegistry(store, shared, events);
    this.#lease = undefined;
    const listeners = new Set<() => void>();
    const lease = (): LeaseId | undefined => this.#lease;
    const leaseChanged = (listener: () => void): (() => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    };
    const attempts = new AttemptBook(env, {
      read: () => Promise.resolve(new Map(this.#attempts)),
      write: (all) => {
        // A daemon that was killed writes nothing any more.
        if (this.#daemon === daemon) this.#attempts = new Map(all);
        return Promise.resolve();
      },
    });
    const identity = new StoreIdentity(
      store,
      {
        read: () => Promise.resolve(this.#identity),
        write: (value) => {
          this.#identity = value;
          return Promise.resolve();
        },
      },
      env.random,
    );
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
    const partition = new PartitionGuard(env, {
      ttlMs: this.ttlMs,
      units,
      attempts,
      renewals: {
        read: () => Promise.resolve(this.#renewedAtMs),
        write: (renewedAtMs) => {
          this.#renewedAtMs = renewedAtMs;
          return Promise.resolve();
        },
      },
    });
    const witness = new StoreWitness(this.ttlMs);
    const agent = new Agent(env, {
      partition,
      store,
      me,
      schedule,
      units,
      attempts,
      identity,
      events,
      lease,
      leaseChanged,
    });
    this.#agent = agent;
    this.#running = Promise.all([
      shared.hold(signal),
      keepPresence(
        env,
        {
          store,
          facts: () => facts,
          refresh: new Wake(),
          ttlMs: this.ttlMs,
          changed,
          renewed: (sentAtMs) => {
            partition.renewed(sentAtMs);
            witness.answered(sentAtMs, env.clock.monotonic());
          },
          events,
        },
        signal,
      ),
      partition.run(signal),
      agent.run(signal),
      runEngine(
        env,
        {
          store,
          me,
          ttlMs: this.ttlMs,
          members,
          shared,
          witness,
          events,
          metrics: this.metrics,
          lease,
          leaseChanged,
        },
        signal,
      ),
      keepEvents(env, { store, me, events, members }, signal),
    ]).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  /** Ends the daemon without a word, as SIGKILL does. */
  async crash(): Promise<void> {
    this.#daemon = undefined;
    this.#stop.abort(new Error("killed"));
    await this.#running;
  }

  /** The machine loses its power: its units and what lies under /run are gone. */
  async powerLoss(): Promise<void> {
    await this.crash();
    await this.units.stop((await this.units.list()).map(({ name }) => name));
    await this.units.unload((await this.units.list()).map(({ name }) => name));
    this.#attempts = new Map();
    this.#identity = undefined;
    this.#renewedAtMs = undefined;
    this.#bootId += "+";
  }

  /** `systemctl stop fleet`: what lies under /run stays. */
  async leave(): Promise<void> {
    const lease = this.#lease;
    const daemon = this.#daemon;
    await this.crash();
    this.#daemon = daemon;
    await this.#agent?.stopAll();
    this.#identity = undefined;
    if (lease !== undefined) await leaveCluster(this.#store, this.id, lease);
  }

  async running(): Promise<string[]> {
    return (await this.units.list()).filter(({ active }) => active === "active").map(({ name }) => name);
  }
}
