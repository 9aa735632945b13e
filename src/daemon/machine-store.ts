import type { Cluster, MemberChanges } from "../keys/cluster.ts";
import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import { MemberKeeper } from "../membership/keeper.ts";
import type { MemberMachine, RoleRecord } from "../membership/machine.ts";
import { type Informants, settleRole } from "../membership/settle.ts";
import { type ClusterAdmin, openClusterAdmin } from "../store/etcd/cluster-admin.ts";
import { type EtcdStore, openEtcdStore } from "../store/etcd/etcd-store.ts";
import { SwitchStore } from "../store/switch-store.ts";
import type { StoreBehindKeys } from "./keys-server.ts";

/**
 * The store as one machine reaches it: finds out at the first start what the machine is, follows the members wherever they
 * go, and makes this machine one of them when that is wished.
 */
export class MachineStore implements StoreBehindKeys {
  readonly store: SwitchStore;
  readonly #env: Env;
  readonly #machine: MemberMachine;
  readonly #informants: Informants;
  #etcd: EtcdStore | undefined;
  #admin: ClusterAdmin | undefined;

  constructor(env: Env, machine: MemberMachine, informants: Informants) {
    this.#env = env;
    this.#machine = machine;
    this.#informants = informants;
    this.store = new SwitchStore(env, "this machine has not found its cluster yet");
  }

  /** Runs until the signal is aborted; throws Fault `bad-role` and what keeps this machine from ever having a store. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      const role = await settleRole(this.#env, this.#machine, this.#informants, signal);
      this.#follow(role);
      const keeper = new MemberKeeper(this.#env, {
        machine: this.#machine,
        store: this.store,
        admin: (endpoints) => openClusterAdmin(this.#env, { endpoints }),
        role,
        changed: (changed) => this.#follow(changed),
      });
      await keeper.run(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  readonly cluster = async (): Promise<Cluster> => {
    const { members, leader, asked } = await this.#found().read();
    return { members, leader, own: asked };
  };

  /** Changes that a client of the v2 API wants; machines become members by their role. */
  readonly members: MemberChanges = {
    add: async (peerUrls) => this.#found().addVoter(peerUrls),
    update: async (id, peerUrls) => this.#found().update(id, peerUrls),
    remove: async (id) => this.#found().remove(id),
  };

  readonly close = (): void => {
    this.#admin?.close();
  };

  #found(): ClusterAdmin {
    if (this.#admin === undefined)
      throw new Fault("store-unavailable", "this machine has not found its cluster yet");
    return this.#admin;
  }

  #follow({ endpoints }: RoleRecord): void {
    this.#admin?.close();
    this.#admin = openClusterAdmin(this.#env, { endpoints });
    if (this.#etcd === undefined) {
      this.#etcd = openEtcdStore(this.#env, { endpoints });
      this.store.use(this.#etcd);
    } else this.#etcd.useEndpoints(endpoints);
  }
}
