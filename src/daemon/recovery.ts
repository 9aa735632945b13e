import type { Recovery } from "../argosy/member-flags.ts";
import type { Env } from "../lib/env.ts";
import { Fault, isFault } from "../lib/fault.ts";
import type { MemberMachine, RoleRecord } from "../membership/machine.ts";
import { memberKeys, readState, wishText } from "../membership/records.ts";
import type { Survey } from "../membership/recovery.ts";
import { openClusterAdmin } from "../store/etcd/cluster-admin.ts";
import { openEtcdStore } from "../store/etcd/etcd-store.ts";
import type { EtcdTls } from "../store/etcd/member.ts";
import { readTlsFiles } from "./etcd-tls.ts";
import { under } from "../store/range.ts";

/** How long etcd may take to come up with its data, in ms. */
const startLimitMs = 60_000;
const lookAgainMs = 300;

/** Makes a cluster anew from the data of this machine's member. */
export function recoveryOf(env: Env, machine: MemberMachine): Recovery {
  return {
    survey: async () => await survey(env, await ownMember(machine)),
    recover: async (found) => await recover(env, machine, await ownMember(machine), found),
  };
}

async function ownMember(machine: MemberMachine): Promise<RoleRecord> {
  const role = await machine.remembered();
  if (role?.role === "member" && (await machine.hasData())) return role;
  throw new Fault(
    "no-data",
    "this machine's etcd holds no data: run this command on a machine that was a member (argosy member list)",
  );
}

interface OwnMember {
  readonly endpoints: readonly string[];
  readonly tls?: EtcdTls;
}

/** How this machine's own member is reached: it stands first among those that are remembered. */
async function reachOwn({ endpoints: [endpoint = ""], tls: files }: RoleRecord): Promise<OwnMember> {
  const tls = await readTlsFiles(files);
  return { endpoints: [endpoint], ...(tls === undefined ? {} : { tls }) };
}

/** Asks this machine's own member, which knows the others also while nothing can be written. */
async function survey(env: Env, role: RoleRecord): Promise<Survey> {
  const own = await reachOwn(role);
  const admin = openClusterAdmin(env, own);
  const store = openEtcdStore(env, own);
  try {
    const { members, asked } = await admin.read();
    const asking = members.map(async (member) => [member.id, await admin.ask(member)] as const);
    const answers = (await Promise.all(asking)).flatMap(([id, health]) =>
      health === undefined ? [] : [[id, health] as const],
    );
    const { entries } = await store.read(under(memberKeys.states), { consistency: "local" });
    const states = entries.map(({ key, value }) => readState(value, key));
    return { members, answers: new Map(answers), own: asked, states };
  } catch (error) {
    if (!isFault(error, "store-unavailable")) throw error;
    throw new Fault(
      "member-silent",
      "this machine's etcd does not answer: start it with systemctl start etcd-member, and see journalctl -u etcd-member",
      { cause: error },
    );
  } finally {
    admin.close();
    await store.close();
  }
}

async function recover(env: Env, machine: MemberMachine, role: RoleRecord, found: Survey): Promise<void> {
  const own = await reachOwn(role);
  await machine.restartEtcd({ ...role.variables, ETCD_FORCE_NEW_CLUSTER: "true" });
  await untilAlone(env, own);
  // Started like this again it would throw out members that were added since.
  await machine.restartEtcd(role.variables);
  await untilAlone(env, own);
  const store = openEtcdStore(env, own);
  try {
    const lost = found.states.filter(({ machine: id, role: was }) => id !== machine.id && was === "member");
    for (const { machine: id } of lost) {
      const value = wishText({ role: "proxy", vote: false, number: "recovered" });
      await store.commit({ when: [], then: [{ do: "put", key: memberKeys.wish(id), value }] });
    }
  } finally {
    await store.close();
  }
}

/** Waits until this machine's member is the only one, and leads. */
async function untilAlone(env: Env, own: OwnMember): Promise<void> {
  const endMs = env.clock.monotonic() + startLimitMs;
  const admin = openClusterAdmin(env, own);
  try {
    for (;;) {
      const known = await admin.read().catch((error: unknown) => {
        if (!isFault(error, "store-unavailable")) throw error;
        return undefined;
      });
      if (known?.members.length === 1 && known.leader === known.asked) return;
      if (env.clock.monotonic() > endMs) {
        throw new Fault(
          "not-recovered",
          `this machine's etcd does not lead after ${startLimitMs / 1000} s: see journalctl -u etcd-member`,
        );
      }
      await env.clock.sleep(lookAgainMs);
    }
  } finally {
    admin.close();
  }
}
