import type { Cluster } from "../keys/cluster.ts";
import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import type { EtcdVariables } from "../membership/environment.ts";
import { MemberKeeper } from "../membership/keeper.ts";
import type { MemberMachine, RoleRecord } from "../membership/machine.ts";
import { embeddedEndpoint, type Informants, settleRole } from "../membership/settle.ts";
import { type EmbeddedStore, openEmbeddedStore } from "../store/embedded/embedded-store.ts";
import { openClusterAdmin } from "../store/etcd/cluster-admin.ts";
import { type EtcdMemberReader, openMemberReader } from "../store/etcd/cluster-members.ts";
import { type EtcdStore, openEtcdStore } from "../store/etcd/etcd-store.ts";
import type { EtcdTls } from "../store/etcd/member.ts";
import { serveStore, type StoreServer } from "../store/server/store-server.ts";
import { SwitchStore } from "../store/switch-store.ts";
import { embeddedFolder, growToEtcd } from "./grow.ts";
import type { StoreBehindKeys } from "./keys-server.ts";

/**
 * The store as one machine reaches it: finds out at the first start what the machine is, keeps the store itself where the
 * machine is alone, follows the members wherever they go, and makes this machine one of them when that is wished.
 */
export class MachineStore implements StoreBehindKeys {
  readonly store: SwitchStore;
  readonly #env: Env;
  readonly #machine: MemberMachine;
  readonly #informants: Informants;
  readonly #tls: { readonly tls?: EtcdTls };
  #embedded: { readonly store: EmbeddedStore; readonly server: StoreServer } | undefined;
  #etcd: EtcdStore | undefined;
  #reader: EtcdMemberReader | undefined;

  /** @param tls for members that are asked over https */
  constructor(env: Env, machine: MemberMachine, informants: Informants, tls?: EtcdTls) {
    this.#env = env;
    this.#machine = machine;
    this.#informants = informants;
    this.#tls = tls === undefined ? {} : { tls };
    this.store = new SwitchStore(env, "this machine has not found its cluster yet");
  }

  /** Runs until the signal is aborted; throws what keeps this machine from ever having a store, such as Fault `bad-role`. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      const role = await settleRole(this.#env, this.#machine, this.#informants, signal);
      if (role.role === "embedded") await this.#openEmbedded();
      if (role.role === "member") await this.#machine.alignEtcd(role.variables);
      this.#follow(role);
      const keeper = new MemberKeeper(this.#env, {
        machine: this.#machine,
        store: this.store,
        admin: (endpoints) => openClusterAdmin(this.#env, { endpoints, ...this.#tls }),
        role,
        grow: async (variables) => await this.#grow(variables, role),
        changed: (changed) => this.#follow(changed),
      });
      await keeper.run(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await this.#embedded?.server.close();
    }
  }

  readonly cluster = async (): Promise<Cluster> => {
    if (this.#reader === undefined)
      throw new Fault("store-unavailable", "this machine has not found its cluster yet");
    const { members, leader, asked } = await this.#reader.read();
    return { members, leader, own: asked };
  };

  readonly close = (): void => {
    this.#reader?.close();
  };

  async #openEmbedded(): Promise<void> {
    const store = await openEmbeddedStore(embeddedFolder, this.#env);
    this.#embedded = { store, server: await this.#serve(store) };
    this.store.use(store);
  }

  async #serve(store: EmbeddedStore): Promise<StoreServer> {
    const address = embeddedEndpoint.replace("http://", "");
    return await serveStore(store, { address, name: this.#machine.name }, this.#env);
  }

  #follow({ endpoints, role }: RoleRecord): void {
    this.#reader?.close();
    this.#reader = openMemberReader(this.#env, { endpoints, ...this.#tls });
    if (role === "embedded") return;
    if (this.#etcd === undefined) {
      this.#etcd = openEtcdStore(this.#env, { endpoints, ...this.#tls });
      this.store.use(this.#etcd);
    } else this.#etcd.useEndpoints(endpoints);
  }

  async #grow(variables: EtcdVariables, role: RoleRecord): Promise<RoleRecord> {
    if (this.#embedded === undefined)
      throw new Fault("not-alone", "this machine does not keep the store alone");
    const parts = {
      machine: this.#machine,
      embedded: this.#embedded,
      switchStore: this.store,
      variables,
      role,
      ...this.#tls,
    };
    const { store } = this.#embedded;
    const { etcd, record } = await growToEtcd(this.#env, parts).catch(async (error: unknown) => {
      // The store went back to where it was; so does its server, if it had been closed.
      await this.#embedded?.server.close();
      this.#embedded = { store, server: await this.#serve(store) };
      throw error;
    });
    this.#embedded = undefined;
    this.#etcd = etcd;
    return record;
  }
}
