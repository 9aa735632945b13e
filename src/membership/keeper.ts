import { pauseMs, type Backoff } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { Fault, isFault, sentenceOf } from "../lib/fault.ts";
import { Wake } from "../lib/wake.ts";
import type { ClusterAdmin } from "../store/etcd/cluster-admin.ts";
import type { EtcdMember } from "../store/etcd/cluster-members.ts";
import { openMirror, type Mirror } from "../store/mirror.ts";
import { under } from "../store/range.ts";
import type { Store } from "../store/store.ts";
import {
  addressVariables,
  type EtcdVariables,
  joiningVariables,
  localEndpoint,
  memberName,
  ownPeerUrl,
  spokenName,
} from "./environment.ts";
import type { MemberMachine, RoleRecord } from "./machine.ts";
import { type MachineState, memberKeys, membersPrefix, readWish, stateText, type Wish } from "./records.ts";
import { endpointsOf, nextStep, type Step } from "./steps.ts";

/** How soon a step that failed is tried again: a learner is in step within a second as a rule. */
const retryBackoff: Backoff = { firstMs: 200, mostMs: 10_000 };
/** Steps in a row; more mean that they undo each other. */
const mostSteps = 10;

/** What the keeper works with. */
export interface KeeperParts {
  readonly machine: MemberMachine;
  readonly store: Store;
  /** A fresh one for these endpoints; the keeper closes it. */
  readonly admin: (endpoints: readonly string[]) => ClusterAdmin;
  readonly role: RoleRecord;
  /** Turns the embedded store into an etcd on this machine, reached by others as the variables say, while it is used. */
  readonly grow: (variables: EtcdVariables) => Promise<RoleRecord>;
  /** Called after each change of the record, once it is on the disk. */
  readonly changed: (role: RoleRecord) => void;
}

/**
 * Makes a machine what is wished of it, step by step, and remembers who the members are. Woken by records about members:
 * every change that a command makes ends in one.
 */
export class MemberKeeper {
  readonly #env: Env;
  readonly #parts: KeeperParts;
  readonly #wake = new Wake();
  #role: RoleRecord;
  #problem = "";
  #admin: { readonly endpoints: readonly string[]; readonly admin: ClusterAdmin } | undefined;

  constructor(env: Env, parts: KeeperParts) {
    this.#env = env;
    this.#parts = parts;
    this.#role = parts.role;
  }

  /** Runs until the signal is aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const mirror = openMirror(this.#env, this.#parts.store, under(membersPrefix), signal);
    const end = mirror.subscribe(this.#wake.wake);
    let failures = 0;
    while (!signal.aborted) {
      const pause = new AbortController();
      try {
        if (failures > 0) void this.#wakeAfter(failures, AbortSignal.any([signal, pause.signal]));
        await this.#wake.next(signal);
        if (mirror.syncedSinceMs === undefined) continue;
        const fulfilled = await this.#converge(mirror);
        failures = 0;
        await this.#tell(mirror, fulfilled, "");
      } catch (error) {
        if (signal.aborted) break;
        failures++;
        await this.#complain(mirror, error);
      } finally {
        pause.abort();
      }
    }
    end();
    this.#admin?.admin.close();
  }

  async #wakeAfter(failures: number, signal: AbortSignal): Promise<void> {
    const ms = pauseMs(retryBackoff, failures, this.#env.random());
    await this.#env.clock.sleep(ms, signal).then(this.#wake.wake, () => undefined);
  }

  /** Takes steps until there is none left to take; returns the wish that is fulfilled then. */
  async #converge(mirror: Mirror): Promise<Wish | undefined> {
    const admin = this.#currentAdmin();
    for (let steps = 0; steps < mostSteps; steps++) {
      const { members } = await admin.read();
      await this.#rememberEndpoints(members);
      const wish = this.#wish(mirror);
      const step = nextStep({ wish, role: this.#role.role, peerUrl: this.#peerUrl(), members });
      if (step.do === "nothing") return wish;
      await this.#take(step, members, admin);
    }
    throw new Fault("member-steps", `membership does not settle after ${mostSteps} steps`);
  }

  /** One is kept as long as the members stay, since it knows which of them do not answer. */
  #currentAdmin(): ClusterAdmin {
    const { endpoints } = this.#role;
    if (this.#admin?.endpoints !== endpoints) {
      this.#admin?.admin.close();
      this.#admin = { endpoints, admin: this.#parts.admin(endpoints) };
    }
    return this.#admin.admin;
  }

  async #take(step: Step, members: readonly EtcdMember[], admin: ClusterAdmin): Promise<void> {
    const { machine } = this.#parts;
    const peerUrl = this.#peerUrl();
    if (step.do !== "nothing") this.#env.log.info(`membership: ${step.do}`, { peer: peerUrl });
    switch (step.do) {
      case "nothing":
        return;
      case "refuse":
        throw new Fault("member-steps", step.why);
      case "join":
        // What an earlier membership left would keep the new one from starting.
        if (await machine.hasData()) await machine.setDataAside();
        await admin.addLearner(peerUrl);
        return;
      case "start": {
        const addresses = this.#addresses();
        const name = { ...machine.given, ...addresses }["ETCD_NAME"] ?? memberName(machine.name, machine.id);
        const variables = { ...addresses, ...joiningVariables(members, { name, peerUrl }) };
        await machine.startEtcd(variables);
        await this.#change({ ...this.#role, role: "member", variables });
        return;
      }
      case "grow":
        await this.#change(await this.#parts.grow(this.#addresses()));
        return;
      case "promote":
        await admin.promote(step.id);
        return;
      case "leave":
        await machine.stopEtcd();
        await machine.setDataAside();
        await this.#change({ ...this.#role, role: "proxy", variables: {} });
        return;
    }
  }

  async #rememberEndpoints(members: readonly EtcdMember[]): Promise<void> {
    if (this.#role.role === "embedded") return;
    const { machine } = this.#parts;
    const isMember = this.#role.role === "member";
    const variables = { ...machine.given, ...this.#role.variables };
    const own = isMember ? { peerUrl: this.#peerUrl(), endpoint: localEndpoint(variables) } : undefined;
    const endpoints = endpointsOf(members, own, Number.parseInt(machine.id.slice(0, 6), 16));
    if (endpoints.length === 0 || endpoints.join() === this.#role.endpoints.join()) return;
    await this.#change({ ...this.#role, endpoints });
    this.#env.log.info("the members are reached elsewhere now", { endpoints: endpoints.join() });
  }

  async #change(role: RoleRecord): Promise<void> {
    await this.#parts.machine.remember(role);
    this.#role = role;
    this.#parts.changed(role);
  }

  #addresses(): Readonly<Record<string, string>> {
    const { given, id, name, address } = this.#parts.machine;
    return addressVariables(given, { name: memberName(name, id), address });
  }

  #peerUrl(): string {
    return ownPeerUrl({ ...this.#addresses(), ...this.#parts.machine.given, ...this.#role.variables });
  }

  #wish(mirror: Mirror): Wish | undefined {
    const key = memberKeys.wish(this.#parts.machine.id);
    const entry = mirror.entries.get(key);
    return entry === undefined ? undefined : readWish(entry.value, key);
  }

  /** Publishes what this machine is, for people and commands on other machines. */
  async #tell(mirror: Mirror, wish: Wish | undefined, problem: string): Promise<void> {
    this.#problem = problem;
    const { machine, store } = this.#parts;
    const state: MachineState = {
      machine: machine.id,
      name: spokenName(machine.name, machine.id),
      address: machine.address,
      role: this.#role.role,
      peerUrl: this.#peerUrl(),
      seen: wish?.number ?? "",
      problem,
    };
    const key = memberKeys.state(machine.id);
    const value = stateText(state);
    if (mirror.entries.get(key)?.value === value) return;
    await store.commit({ when: [], then: [{ do: "put", key, value }] });
  }

  async #complain(mirror: Mirror, error: unknown): Promise<void> {
    const problem = sentenceOf(error);
    // A learner that copies data, or waits its turn, is on its way.
    const isOnItsWay = isFault(error, "learner-behind", "learner-waits", "store-unavailable");
    if (problem !== this.#problem)
      this.#env.log[isOnItsWay ? "info" : "warning"](`membership waits: ${problem}`);
    this.#problem = problem;
    await this.#tell(mirror, this.#wish(mirror), problem).catch((cause: unknown) =>
      this.#env.log.debug("cannot tell the cluster why membership waits", { why: sentenceOf(cause) }),
    );
  }
}
