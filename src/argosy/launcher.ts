/** The commands that are laid into /usr/bin, all of them the one program. */
export const commandNames = [
  "argosy",
  "fleetctl",
  "fleetd",
  "etcdctl",
  "locksmithctl",
  "locksmithd",
  "coreos-cloudinit",
  "update_engine_client",
] as const;

/** Stands in every launcher, so that an installation knows its own files from those of others. */
export const launcherMark = "Argosy's launcher";

/** Commands that ask a server and end: they read only what the cluster they belong to says. */
const shortCommands: readonly string[] = ["fleetctl", "etcdctl", "locksmithctl"];

/**
 * Before anything else V8 looks for three large primes, out of which it makes the secret of its hash tables; where it looks is
 * drawn by lot, and it takes a fifth of the start of Node on average, and up to two fifths. From this place on the first candidates
 * are primes. The secret protects against those who choose the keys of a table so that they collide, which the API of one's own
 * cluster does not do to a command; servers keep theirs. Our own draws do not depend on it (`drawn` in the cli's main).
 *
 * The second flag gives new objects 16 MiB, of which only what is used becomes memory, in place of 1: a command that ends at once
 * then never collects garbage, whose first time also has V8 measure the processor's clock for some milliseconds.
 */
const shortNodeFlags = "--random-seed=374862 --min-semi-space-size=16 ";

/**
 * The text of /usr/bin/NAME. It finds the product beside itself, so that a root file system works before it is booted,
 * and in its usual place when it was reached through a link from elsewhere.
 */
export function launcher(name: string): string {
  // What is asked again and again by people and scripts has a file of its own, because reading all commands takes time;
  // so has the server that tests and scripts start.
  const file = name === "fleetctl" ? "fleetctl.cjs" : "argosy.mjs";
  const alone = name === "argosy" ? `[ "$1" = etcd ] && program=etcd.mjs\n` : "";
  const flags = shortCommands.includes(name) ? shortNodeFlags : "";
  const words = name === "argosy" || name === "fleetctl" ? "" : ` ${name}`;
  return `#!/bin/sh
# ${launcherMark}
home=\${0%/*}
[ -f "$home/argosy.mjs" ] || home=$home/../lib/argosy
[ -f "$home/argosy.mjs" ] || home=/usr/lib/argosy
program=${file}
${alone}exec "$home/node" ${flags}--disable-warning=ExperimentalWarning "$home/$program"${words} "$@"
`;
}

/** Settings files that an administrator owns: written once, never again. */
export const defaultFiles: Readonly<Record<string, string>> = {
  // What CoreOS's own shipped: a cloud-config's coreos.update begins with it.
  "/usr/share/coreos/update.conf": "GROUP=stable\n",
  "/etc/argosy/argosy.env": `# Settings of Argosy's daemons on this machine; "systemctl restart etcd fleet" applies them.
# The store's members, for a machine that uses them and is none.
#ARGOSY_STORE_ENDPOINTS=http://127.0.0.1:2379
# debug, info, warning or error
#ARGOSY_LOG_LEVEL=info
`,
  "/etc/argosy/etcd-member.env": `# How this machine finds its cluster, as etcd's own ETCD_ variables. A machine that is told nothing keeps the store alone.
# A machine that becomes a member or a proxy by a discovery token, for example:
#ETCD_DISCOVERY=http://192.0.2.5:8087/d81e1ee3e29b0e0a63f54a4ab9b0e2f5
# A member of a cluster of three, for example:
#ETCD_NAME=m1
#ETCD_INITIAL_CLUSTER=m1=http://192.0.2.1:2380,m2=http://192.0.2.2:2380,m3=http://192.0.2.3:2380
#ETCD_INITIAL_ADVERTISE_PEER_URLS=http://192.0.2.1:2380
#ETCD_LISTEN_PEER_URLS=http://192.0.2.1:2380
#ETCD_LISTEN_CLIENT_URLS=http://127.0.0.1:2379,http://192.0.2.1:2379
#ETCD_ADVERTISE_CLIENT_URLS=http://192.0.2.1:2379
`,
  "/etc/fleet/fleet.conf": `# Settings of fleet on this machine; "systemctl restart fleet" applies them.
# The address other machines reach this one at; found by itself when empty.
#public_ip=""
# What units can ask for with MachineMetadata=
#metadata="region=eu,disk=ssd"
# How long a machine that went silent keeps its units.
#agent_ttl="10s"
`,
};
