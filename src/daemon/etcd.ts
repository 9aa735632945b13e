import type { TlsOptions } from "node:tls";
import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import type { EtcdVariables } from "../membership/environment.ts";
import { keysListeners, keysUrls, modernSettings, peerTlsFiles } from "../membership/old-settings.ts";
import type { EtcdTls } from "../store/etcd/member.ts";
import { readTlsFiles } from "./etcd-tls.ts";
import { serveKeys } from "./keys-server.ts";
import { takeInheritedSockets, type ListenAddress } from "./listen-sockets.ts";
import { findAddress, readMachineId } from "./machine-facts.ts";
import { realInformants } from "./informants.ts";
import { etcdVariables, readRole, realMemberMachine, roleFile } from "./member-machine.ts";
import { runDaemon } from "./run-daemon.ts";
import { addresses, addressesIfAny, text } from "./setting-kinds.ts";
import { readSettings, type SettingTable } from "./settings.ts";

/** The settings of `etcd.service`, all from the environment. */
export const etcdSettings = {
  /** Client addresses of a store elsewhere; none on a machine that finds its cluster by itself. */
  storeEndpoints: addressesIfAny({ environment: "ARGOSY_STORE_ENDPOINTS", default: "" }),
  /** The address other machines reach this one at, where the cloud told it (CoreOS's /etc/environment). */
  privateAddress: text({ environment: "COREOS_PRIVATE_IPV4", default: "" }),
  /** Where to listen when systemd passes no socket; also what `/v2/machines` tells clients. */
  clientUrls: addresses({ environment: "ARGOSY_ETCD_CLIENT_URLS", default: "http://127.0.0.1:4001" }),
} satisfies SettingTable;

/** The program of `etcd.service`: the v2 keys API of one machine. Returns its exit code. */
export async function main(): Promise<number> {
  return runDaemon("etcd", async (env, signal, daemon) => {
    const { settings } = readSettings(etcdSettings, process.env);
    const inherited = takeInheritedSockets();
    const listenOn = inherited.length > 0 ? inherited : settings.clientUrls.map(addressOf);
    const { MachineStore } = await import("./machine-store.ts");
    const { privateAddress, storeEndpoints, clientUrls } = settings;
    const address = privateAddress === "" ? await findAddress() : privateAddress;
    const given = await settingsThatHold(env, etcdVariables(process.env), storeEndpoints);
    const modern = modernSettings(given, address);
    for (const problem of modern.problems) env.log.warning(problem);
    const machine = realMemberMachine({
      id: await readMachineId(),
      address,
      storeEndpoints,
      environment: given,
    });
    const forPeers = await readTlsFiles(peerTlsFiles(modern.variables));
    const forClients = await readTlsFiles(machine.tls);
    const behind = new MachineStore(env, machine, realInformants(forPeers), forClients);
    const listeners = keysListeners(given, address);
    const ending = new AbortController();
    const running = behind.run(AbortSignal.any([signal, ending.signal]));
    const ready = (): Promise<void> => daemon.notifier.ready();
    const alsoOn = listeners.map(({ secure, ...rest }) => ({
      ...rest,
      tls: secure ? serverTls(forClients, modern.variables) : undefined,
    }));
    const advertised = listeners.length > 0 ? keysUrls(listeners) : clientUrls;
    const service = { behind, listenOn, alsoOn, advertised, ready };
    const serving = serveKeys(env, AbortSignal.any([signal, ending.signal]), daemon, service);
    try {
      await Promise.all([running, serving]);
    } finally {
      ending.abort(new Fault("ending", "etcd ends"));
      await Promise.allSettled([running, serving]);
    }
  });
}

/**
 * What the machine was told before, where it is told nothing at all: a cloud-config that could not be had at this boot makes no
 * other machine of it.
 */
async function settingsThatHold(
  env: Env,
  given: EtcdVariables,
  storeEndpoints: readonly string[],
): Promise<EtcdVariables> {
  if (Object.keys(given).length > 0 || storeEndpoints.length > 0) return given;
  const before = (await readRole(roleFile))?.given ?? {};
  if (Object.keys(before).length > 0) {
    const anew = `remove ${roleFile} and restart etcd.service to have it decide anew`;
    env.log.warning(`nothing tells this machine of its cluster any more, and it stays what it was: ${anew}`);
  }
  return before;
}

/** How the keys are served over https: with etcd's own files, and to holders of certificates alone where etcd asks for them. */
function serverTls(tls: EtcdTls | undefined, variables: EtcdVariables): TlsOptions {
  const isProven = variables["ETCD_CLIENT_CERT_AUTH"] === "true";
  return { ...tls, requestCert: isProven, rejectUnauthorized: isProven };
}

/** The host and port of a client address; without a port the one of its scheme. */
function addressOf(clientUrl: string): ListenAddress {
  const { hostname, port, protocol } = new URL(clientUrl);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return { host, port: port === "" ? (protocol === "https:" ? 443 : 80) : Number(port) };
}
