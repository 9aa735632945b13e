import { Agent } from "../src/fleet/agent.ts";
import { serveFleetApi } from "../src/fleet/api-listener.ts";
import { fleetApi } from "../src/fleet/api-server.ts";
import { AttemptBook, type AttemptLog } from "../src/fleet/attempt-book.ts";
import { runEngine } from "../src/fleet/engine.ts";
import { EventFeed } from "../src/fleet/event-feed.ts";
import { keepEvents } from "../src/fleet/event-keeper.ts";
import { EventWriter } from "../src/fleet/events.ts";
import { FakeUnitManager } from "../src/fleet/fake-unit-manager.ts";
import { leaseLifeMs } from "../src/fleet/lease-life.ts";
import { FleetMetrics } from "../src/fleet/metrics.ts";
import type { Machine } from "../src/fleet/model.ts";
import { PartitionGuard } from "../src/fleet/partition.ts";
import { keepPresence } from "../src/fleet/presence.ts";
import { decodeFleetEntry } from "../src/fleet/records.ts";
import { fleetKeys, fleetPrefix } from "../src/fleet/registry.ts";
import { SharedPicture } from "../src/fleet/shared-picture.ts";
import { StoreIdentity } from "../src/fleet/store-identity.ts";
import { StoreWitness } from "../src/fleet/store-witness.ts";
import { storeRegistry } from "../src/fleet/store-registry.ts";
import type { Env } from "../src/lib/env.ts";
import { Wake } from "../src/lib/wake.ts";
import { openEtcdStore } from "../src/store/etcd/etcd-store.ts";
import { groupedStore } from "../src/store/grouped-store.ts";
import { openMirror } from "../src/store/mirror.ts";
import { between, under } from "../src/store/range.ts";
import type { LeaseId, Store } from "../src/store/store.ts";

/** The settings of a machine as they are when nobody sets them. */
const ttlMs = leaseLifeMs(10_000);
const idlePictureMs = 60_000;

/**
 * A machine of which all is real but systemd: its own connection to etcd, its presence, its agent; and, if it controls the
 * cluster, the engine and the API too.
 */
export class SimulatedMachine {
  readonly units: FakeUnitManager;
  readonly #env: Env;
  readonly #machine: Machine;
  readonly #store: Store;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #witness = new StoreWitness(ttlMs);
  #lease: LeaseId | undefined;
  #active = 0;

  constructor(env: Env, machine: Machine, endpoints: readonly string[]) {
    this.#env = env;
    this.#machine = machine;
    this.units = new FakeUnitManager(env);
    this.units.onActive = (_name, active) => {
      this.#active += active ? 1 : -1;
    };
    this.#store = openEtcdStore(env, { endpoints });
  }

  /** Joins the cluster, and converges for as long as the process lives. */
  start(): void {
    const env = this.#env;
    const store = this.#store;
    const { id: me } = this.#machine;
    const { signal } = this.#stop;
    const events = new EventWriter(me, () => env.clock.now(), env.random);
    const schedule = openMirror(env, store, under(fleetKeys.schedule(me)), signal);
    const { units } = this;
    const attempts = new AttemptBook(env, inMemory());
    const renewals = { read: () => Promise.resolve(undefined), write: () => Promise.resolve() };
    const partition = new PartitionGuard(env, { ttlMs, units, attempts, renewals });
    const agent = new Agent(env, {
      store,
      me,
      schedule,
      units,
      attempts,
      partition,
      identity: new StoreIdentity(store, rememberedIdentity(), env.random),
      events,
      lease: () => this.#lease,
      leaseChanged: (listener) => this.#onLease(listener),
    });
    const facts = { ...this.#machine, bootId: `boot of ${me}` };
    const changed = (lease: LeaseId | undefined): void => {
      this.#lease = lease;
      for (const listener of this.#listeners) listener();
    };
    this.#keep(
      keepPresence(
        env,
        {
          store,
          facts: () => facts,
          refresh: new Wake(),
          ttlMs,
          changed,
          renewed: (sentAtMs) => {
            partition.renewed(sentAtMs);
            this.#witness.answered(sentAtMs, env.clock.monotonic());
          },
          events,
        },
        signal,
      ),
    );
    this.#keep(partition.run(signal));
    this.#keep(agent.run(signal));
  }

  /** Takes part in leading the cluster and serves the API; resolves with its address. */
  async control(): Promise<string> {
    const env = this.#env;
    const store = this.#store;
    const { id: me } = this.#machine;
    const { signal } = this.#stop;
    const metrics = new FleetMetrics(env.clock);
    const events = new EventWriter(me, () => env.clock.now(), env.random);
    const shared = new SharedPicture(env, store, idlePictureMs);
    const members = openMirror(
      env,
      store,
      between(`${fleetPrefix}engine/`, `${fleetPrefix}machines0`),
      signal,
    );
    const lease = (): LeaseId | undefined => this.#lease;
    const leaseChanged = (listener: () => void): (() => void) => this.#onLease(listener);
    this.#keep(
      runEngine(
        env,
        { store, me, ttlMs, members, shared, witness: this.#witness, events, metrics, lease, leaseChanged },
        signal,
      ),
    );
    this.#keep(keepEvents(env, { store, me, events, members }, signal));
    const api = fleetApi(storeRegistry(groupedStore(store), shared, events), {
      version: this.#machine.version,
      tokenLimit: 100,
      clock: env.clock,
      events: new EventFeed(env, store, idlePictureMs),
      hold: async (limit) => {
        const held = await shared.hold(limit);
        return () => held.release();
      },
    });
    const serving = await serveFleetApi(api, [{ host: "127.0.0.1", port: 0 }], env.log, signal);
    return serving.endpoints[0] ?? "";
  }

  /** Its systemd runs what it ran before, when only the daemon was restarted; before `start`. */
  async recall(): Promise<void> {
    const { entries } = await this.#store.read(under(fleetKeys.schedule(this.#machine.id)));
    const lines = entries.flatMap((entry) => {
      const record = decodeFleetEntry(entry);
      return record?.family === "scheduled" ? [record.scheduled] : [];
    });
    await this.units.load(lines.map(({ unit: name, text, hash }) => ({ name, text, hash })));
    await this.units.start(lines.map(({ unit }) => unit));
  }

  /** Units that run. */
  get active(): number {
    return this.#active;
  }

  #onLease(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #keep(running: Promise<unknown>): void {
    running.catch((error: unknown) => {
      this.#env.log.error(`${this.#machine.id} fails: ${String(error)}`);
    });
  }
}

function inMemory(): AttemptLog {
  let kept: Awaited<ReturnType<AttemptLog["read"]>> = new Map();
  return {
    read: () => Promise.resolve(kept),
    write: (attempts) => {
      kept = new Map(attempts);
      return Promise.resolve();
    },
  };
}

function rememberedIdentity(): { read(): Promise<string | undefined>; write(value: string): Promise<void> } {
  let identity: string | undefined;
  return {
    read: () => Promise.resolve(identity),
    write: (value) => {
      identity = value;
      return Promise.resolve();
    },
  };
}
