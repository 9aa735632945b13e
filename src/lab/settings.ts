import { hostAddress, machineAddress, type LabRecord, type MachineRecord } from "./layout.ts";

/** What the lab writes into a machine before it boots: a file, or a link when `target` is given. */
export type Setting =
  | { readonly path: string; readonly text: string }
  | { readonly path: string; readonly target: string };

/** The port of fleet's API inside the lab, besides its socket. */
export const fleetPort = 49153;

/** The port of the v2 keys API (etcd's first port, which old clients still use). */
export const keysPort = 4001;

const storePort = 2379;
const peerPort = 2380;

/** How long a lab's machine may be silent before its units move. */
const agentTtl = "10s";

/** Every file that makes one machine of the shared root file system this machine of this lab. */
export function machineSettings(lab: LabRecord, machine: MachineRecord): readonly Setting[] {
  if (lab.store?.by === "cloud-config") return imageSettings(lab, machine);
  const address = machineAddress(lab.network, machine.number);
  const metadata = [`machine=${machine.name}`, ...lab.metadata].join(",");
  return [
    { path: "/etc/machine-id", text: `${machine.id}\n` },
    { path: "/etc/hostname", text: `${machine.name}\n` },
    hostsSetting(lab),
    // Units find their machine's addresses where CoreOS kept them.
    {
      path: "/etc/environment",
      text: `COREOS_PUBLIC_IPV4=${address}\nCOREOS_PRIVATE_IPV4=${address}\n`,
    },
    {
      path: "/etc/fleet/fleet.conf",
      text: `public_ip="${address}"\nmetadata="${metadata}"\nagent_ttl="${agentTtl}"\n`,
    },
    { path: "/etc/systemd/system/fleet.socket.d/lab.conf", text: alsoListenOn(`${address}:${fleetPort}`) },
    { path: "/etc/systemd/system/etcd.socket.d/lab.conf", text: alsoListenOn(`${address}:${keysPort}`) },
    ...storeSettings(lab, machine),
  ];
}

/**
 * What an image has as well: names, and who it is. systemd would make a machine-id of its own at the first boot; given one,
 * the lab knows it beforehand.
 */
function imageSettings(lab: LabRecord, machine: MachineRecord): readonly Setting[] {
  return [
    { path: "/etc/machine-id", text: `${machine.id}\n` },
    { path: "/etc/hostname", text: `${imageHostname}\n` },
    {
      path: "/etc/hosts",
      text: `127.0.0.1 localhost\n::1 localhost\n${hostAddress(lab.network)} host\n`,
    },
  ];
}

/** What a machine is called that nobody gave a name. */
export const imageHostname = "localhost";

/** How this machine finds the store. */
function storeSettings(lab: LabRecord, machine: MachineRecord): readonly Setting[] {
  const { by } = lab.store ?? { by: "addresses" };
  const etcd = (text: string): Setting => ({ path: "/etc/argosy/etcd-member.env", text });
  const endpoints = (list: readonly string[]): Setting => ({
    path: "/etc/argosy/argosy.env",
    text: `ARGOSY_STORE_ENDPOINTS=${list.join(",")}\n`,
  });
  if (lab.store?.by === "token") return [etcd(`ETCD_DISCOVERY=${lab.store.url}\n`)];
  if (lab.store?.by === "names") {
    const nameServer = { path: "/etc/resolv.conf", text: `nameserver ${hostAddress(lab.network)}\n` };
    return [etcd(`ETCD_DISCOVERY_SRV=${lab.store.domain}\n`), nameServer];
  }
  if (by === "embedded") {
    return machine.number === 1 ? [] : [endpoints([`http://${machineAddress(lab.network, 1)}:${storePort}`])];
  }
  const known = endpoints(storeEndpoints(lab, machine));
  return isMember(lab, machine) ? [known, etcd(memberSettings(lab, machine))] : [known];
}

/** The names of all machines; the one setting that changes when the lab grows. */
export function hostsSetting(lab: LabRecord): Setting {
  const machines = lab.machines.map(
    (other) => `${machineAddress(lab.network, other.number)} ${other.name}\n`,
  );
  const text = `127.0.0.1 localhost\n::1 localhost\n${hostAddress(lab.network)} host\n${machines.join("")}`;
  return { path: "/etc/hosts", text };
}

/** Whether this machine runs an etcd member. */
export function isMember(lab: LabRecord, machine: MachineRecord): boolean {
  return machine.number <= lab.members;
}

/** How many members a new lab of this size gets: three survive the loss of one, below that one is enough. */
export function usualMembers(machines: number): number {
  return machines >= 3 ? 3 : 1;
}

/** The store's endpoints in the order this machine tries them: its own member first. */
function storeEndpoints(lab: LabRecord, machine: MachineRecord): readonly string[] {
  const others = memberNumbers(lab).filter((number) => number !== machine.number);
  const remote = others.map((number) => `http://${machineAddress(lab.network, number)}:${storePort}`);
  return isMember(lab, machine) ? [`http://127.0.0.1:${storePort}`, ...remote] : remote;
}

/** etcd's own environment variables; a static cluster of all members. */
function memberSettings(lab: LabRecord, machine: MachineRecord): string {
  const address = machineAddress(lab.network, machine.number);
  const cluster = memberNumbers(lab).map((number) => `m${number}=${peer(lab, number)}`);
  const values = {
    ETCD_NAME: machine.name,
    ETCD_INITIAL_CLUSTER: cluster.join(","),
    ETCD_INITIAL_CLUSTER_STATE: "new",
    ETCD_INITIAL_CLUSTER_TOKEN: `argosy-${lab.name}`,
    ETCD_INITIAL_ADVERTISE_PEER_URLS: peer(lab, machine.number),
    ETCD_LISTEN_PEER_URLS: peer(lab, machine.number),
    ETCD_LISTEN_CLIENT_URLS: `http://127.0.0.1:${storePort},http://${address}:${storePort}`,
    ETCD_ADVERTISE_CLIENT_URLS: `http://${address}:${storePort}`,
  };
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}

function memberNumbers(lab: LabRecord): readonly number[] {
  return Array.from({ length: lab.members }, (_, index) => index + 1);
}

function peer(lab: LabRecord, number: number): string {
  return `http://${machineAddress(lab.network, number)}:${peerPort}`;
}

function alsoListenOn(address: string): string {
  return `[Socket]\nListenStream=${address}\nFreeBind=yes\n`;
}
