import { rename, rm } from "node:fs/promises";
import type { Env } from "../lib/env.ts";
import { Fault, isFault, sentenceOf } from "../lib/fault.ts";
import { type EtcdVariables, localEndpoint, memberName, noBootstrap } from "../membership/environment.ts";
import type { MemberMachine, RoleRecord } from "../membership/machine.ts";
import type { EmbeddedStore } from "../store/embedded/embedded-store.ts";
import { type EtcdStore, openEtcdStore } from "../store/etcd/etcd-store.ts";
import type { EtcdTls } from "../store/etcd/member.ts";
import { exactly } from "../store/range.ts";
import type { StoreServer } from "../store/server/store-server.ts";
import type { Store } from "../store/store.ts";
import type { SwitchStore } from "../store/switch-store.ts";
import { copyWhileUsed } from "../store/transfer/live.ts";

/** Where a machine that is alone keeps everything. */
export const embeddedFolder = "/var/lib/argosy/store";

/** Where the new etcd is reached until it has all data: on this machine alone, and not where anybody looks for a store. */
const quietEndpoint = "http://127.0.0.1:2378";
/** Snapshots of raft are what lets a member that is alone lead at once after its restart, not after an election timeout. */
const quietVariables: EtcdVariables = { ETCD_LISTEN_CLIENT_URLS: quietEndpoint, ETCD_SNAPSHOT_COUNT: "5" };
/** Between the two times that writers wait: what has piled up in the first goes through before the second. */
const restMs = 1_000;
/** How long a new etcd may take until it answers, in ms. */
const startLimitMs = 60_000;

/** What growing works with. */
export interface GrowParts {
  readonly machine: MemberMachine;
  readonly embedded: { readonly store: EmbeddedStore; readonly server: StoreServer };
  readonly switchStore: SwitchStore;
  /** Where the etcd is to be reached. */
  readonly variables: EtcdVariables;
  readonly role: RoleRecord;
  /** For its address where others reach it, if that is https. */
  readonly tls?: EtcdTls;
}

/**
 * Turns the embedded store of a machine into an etcd of one member, while it is used. Writers wait twice: while the data is
 * copied, and while etcd starts again at the address where others reach it. Nobody can reach it before it has all data.
 * When it fails the embedded store goes on.
 */
export async function growToEtcd(
  env: Env,
  { machine, embedded, switchStore, variables, role, tls }: GrowParts,
): Promise<{ readonly etcd: EtcdStore; readonly record: RoleRecord }> {
  const all = { ...machine.given, ...variables };
  const peer = all["ETCD_INITIAL_ADVERTISE_PEER_URLS"] ?? "";
  const founding: EtcdVariables = {
    ...variables,
    ...noBootstrap,
    ETCD_INITIAL_CLUSTER: `${all["ETCD_NAME"] ?? memberName(machine.name, machine.id)}=${peer}`,
    ETCD_INITIAL_CLUSTER_STATE: "new",
    ETCD_INITIAL_CLUSTER_TOKEN: machine.id,
  };
  // What a try that failed left is worth nothing: the embedded store was used since then.
  if (await machine.hasData()) {
    await machine.stopEtcd();
    await machine.setDataAside();
  }
  await machine.startEtcd({ ...founding, ...quietVariables });
  const etcd = openEtcdStore(env, { endpoints: [quietEndpoint], ...(tls === undefined ? {} : { tls }) });
  try {
    await untilItAnswers(env, etcd);
    const copy = await copyWhileUsed(embedded.store, etcd);
    // Fleet writes through the server, and finds etcd at the same address afterwards. Closing it takes a second, so clients
    // of the keys are made to wait only then.
    await embedded.server.close();
    const startMs = env.clock.monotonic();
    await switchStore.hold("it is being copied into an etcd");
    const { entries } = await copy.finish();
    switchStore.use(etcd);
    const ms = Math.round(env.clock.monotonic() - startMs);
    env.log.info("the store has moved into an etcd; writers waited", { entries, ms });
  } catch (error) {
    switchStore.use(embedded.store);
    await etcd.close();
    await machine.stopEtcd();
    await machine.setDataAside();
    throw error;
  }
  const endpoint = localEndpoint(all);
  const record: RoleRecord = { ...role, role: "member", endpoints: [endpoint], variables: founding };
  // From here on etcd is the store, whatever happens: it is remembered before anything else.
  await machine.remember(record);
  await env.clock.sleep(restMs);
  await machine.restartEtcd(founding);
  etcd.useEndpoints([endpoint]);
  await embedded.store.close();
  await setFolderAside(env);
  return { etcd, record };
}

async function untilItAnswers(env: Env, store: Store): Promise<void> {
  const endMs = env.clock.monotonic() + startLimitMs;
  for (;;) {
    try {
      await store.read(exactly("/"));
      return;
    } catch (error) {
      if (!isFault(error, "store-unavailable")) throw error;
      if (env.clock.monotonic() > endMs) {
        throw new Fault(
          "etcd-silent",
          `the new etcd did not answer within ${startLimitMs / 1000} s: see journalctl -u etcd-member`,
          { cause: error },
        );
      }
    }
  }
}

/** So that nobody takes the old data for the present; it stays until somebody removes it, or the next time. */
async function setFolderAside(env: Env): Promise<void> {
  const aside = `${embeddedFolder}.before-etcd`;
  try {
    await rm(aside, { recursive: true, force: true });
    await rename(embeddedFolder, aside);
  } catch (error) {
    env.log.warning(`cannot rename ${embeddedFolder}, which is of no use any more: ${sentenceOf(error)}`);
  }
}
