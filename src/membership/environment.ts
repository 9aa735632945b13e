/** etcd's own settings, as environment variables by name. */
export type EtcdVariables = Readonly<Record<string, string>>;

/** What a machine knows of itself when its member's settings are made. */
export interface OwnMachine {
  /** What its etcd is called if nobody says it: `memberName`. */
  readonly name: string;
  /** The address other machines reach it at; empty when it has none. */
  readonly address: string;
}

const clientPort = 2379;
const peerPort = 2380;
/** Here the v2 keys are served, not by etcd. Old cloud-configs let etcd listen there, too. */
const keysPort = "4001";

/** What machines are called that nobody gave a name. */
const genericNames: readonly string[] = ["", "localhost", "localhost.localdomain"];

/**
 * A name for a machine's etcd that no other has: etcd takes two members of one name for one. Machines made from one
 * cloud-config may all have the same host name, or none.
 */
export function memberName(hostname: string, machineId: string): string {
  return genericNames.includes(hostname) ? machineId : `${hostname}-${machineId.slice(0, 8)}`;
}

/** What people call a machine in commands: its host name, or where it has none the first digits of its machine-id. */
export function spokenName(hostname: string, machineId: string): string {
  return genericNames.includes(hostname) ? machineId.slice(0, 8) : hostname;
}

/**
 * The variables that an etcd needs and nobody has set: its name, and where it listens and is reached. An address alone
 * is enough for a machine to become a member.
 * @param given what the administrator set
 */
export function addressVariables(given: EtcdVariables, own: OwnMachine): EtcdVariables {
  const scheme = (certificate: string): string => ((given[certificate] ?? "") === "" ? "http" : "https");
  const peer = `${scheme("ETCD_PEER_CERT_FILE")}://${inUrl(own.address)}:${peerPort}`;
  const client = `${scheme("ETCD_CERT_FILE")}://${inUrl(own.address)}:${clientPort}`;
  const local = `http://127.0.0.1:${clientPort}`;
  const known = own.address !== "";
  const usual: EtcdVariables = {
    ETCD_NAME: own.name,
    ...(known && {
      ETCD_LISTEN_PEER_URLS: peer,
      ETCD_INITIAL_ADVERTISE_PEER_URLS: peer,
      ETCD_LISTEN_CLIENT_URLS: `${local},${client}`,
      ETCD_ADVERTISE_CLIENT_URLS: client,
    }),
  };
  const missing = Object.entries(usual).filter(([name]) => (given[name] ?? "") === "");
  return { ...Object.fromEntries(missing), ...keysPortLeftOut(given, { local, client }) };
}

/** Addresses of etcd's clients without those at the port of the keys. */
function keysPortLeftOut(
  given: EtcdVariables,
  usual: { readonly local: string; readonly client: string },
): EtcdVariables {
  const changed: Record<string, string> = {};
  for (const name of ["ETCD_LISTEN_CLIENT_URLS", "ETCD_ADVERTISE_CLIENT_URLS"]) {
    const urls = urlsIn(given[name]);
    const kept = urls.filter((url) => URL.parse(url)?.port !== keysPort);
    if (kept.length === urls.length) continue;
    const isListen = name.startsWith("ETCD_LISTEN");
    changed[name] =
      kept.length > 0 ? kept.join(",") : isListen ? `${usual.local},${usual.client}` : usual.client;
  }
  return changed;
}

/** The variables with which an etcd joins a cluster that is there, its own member included among `members`. */
export function joiningVariables(
  members: readonly { readonly id: string; readonly name: string; readonly peerUrls: readonly string[] }[],
  own: { readonly name: string; readonly peerUrl: string },
): EtcdVariables {
  const cluster = members.flatMap(({ id, name, peerUrls }) => {
    // etcd compares addresses only; a member that was never started has no name yet.
    const called = peerUrls.includes(own.peerUrl) ? own.name : name || `member-${id}`;
    return peerUrls.map((url) => `${called}=${url}`);
  });
  return {
    ...noBootstrap,
    ETCD_NAME: own.name,
    ETCD_INITIAL_CLUSTER: cluster.join(","),
    ETCD_INITIAL_CLUSTER_STATE: "existing",
  };
}

/** Takes back what would have etcd look for a cluster in another way; etcd takes an empty variable for none. */
export const noBootstrap: EtcdVariables = {
  ETCD_DISCOVERY: "",
  ETCD_DISCOVERY_SRV: "",
  ETCD_PROXY: "",
  ETCD_FORCE_NEW_CLUSTER: "",
};

/** The text of a file for systemd's EnvironmentFile. */
export function environmentText(variables: EtcdVariables): string {
  const lines = Object.entries(variables).map(
    ([name, value]) => `${name}="${value.replaceAll(/["\\]/g, "\\$&")}"\n`,
  );
  return `# Made by etcd.service: how this machine's etcd member finds its cluster.\n${lines.join("")}`;
}

/** The address at which daemons on this machine reach its own member. */
export function localEndpoint(variables: EtcdVariables): string {
  const urls = urlsIn(variables["ETCD_LISTEN_CLIENT_URLS"]);
  const local = urls.find((url) => /^https?:\/\/(127\.|localhost|\[::1\])/.test(url));
  const every = urls.find((url) => /^https?:\/\/(0\.0\.0\.0|\[::\])/.test(url));
  const found = local ?? every?.replace(/0\.0\.0\.0|\[::\]/, "127.0.0.1") ?? urls[0];
  return found ?? `http://127.0.0.1:${clientPort}`;
}

/** Where other members reach this one's etcd; empty when nothing says it. */
export function ownPeerUrl(variables: EtcdVariables): string {
  return urlsIn(variables["ETCD_INITIAL_ADVERTISE_PEER_URLS"])[0] ?? "";
}

/** A list of addresses as etcd takes it. */
export function urlsIn(text: string | undefined): readonly string[] {
  return (text ?? "")
    .split(",")
    .map((url) => url.trim())
    .filter((url) => url !== "");
}

function inUrl(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}
