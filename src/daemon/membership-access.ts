import type { Env } from "../lib/env.ts";
import type { OpenMembership } from "../argosy/member-flags.ts";
import type { MemberMachine, RoleRecord } from "../membership/machine.ts";
import { Membership } from "../membership/changes.ts";
import { openClusterAdmin } from "../store/etcd/cluster-admin.ts";
import { openEtcdStore } from "../store/etcd/etcd-store.ts";
import { readTlsFiles } from "./etcd-tls.ts";
import { readMachineId } from "./machine-facts.ts";
import { readRole, realMemberMachine, roleFile } from "./member-machine.ts";
import { recoveryOf } from "./recovery.ts";

const usualEndpoint = "http://127.0.0.1:2379";

/** Opens the members that a command line names, or else that this machine remembers. */
export async function openMembership(env: Env, named: readonly string[]): Promise<OpenMembership> {
  const role = await readRole(roleFile);
  const remembered = role?.endpoints ?? [];
  const tls = await readTlsFiles(role?.tls);
  const secured = tls === undefined ? {} : { tls };
  const known = named.length > 0 ? named : remembered;
  const endpoints = known.length > 0 ? known : [usualEndpoint];
  const store = openEtcdStore(env, { endpoints, ...secured });
  const admin = openClusterAdmin(env, { endpoints, ...secured });
  return {
    membership: new Membership(env, store, admin),
    recovery: recoveryOf(env, await thisMachine(role)),
    async close() {
      admin.close();
      await store.close();
    },
  };
}

/** As far as recovery needs it. */
async function thisMachine(role: RoleRecord | undefined): Promise<MemberMachine> {
  const id = await readMachineId();
  return realMemberMachine({ id, address: "", storeEndpoints: [], environment: role?.given ?? {} });
}
