import { defaultSocket, socketGroup } from "../fleet/api-socket.ts";
import { locksmithUnit } from "./locksmith-units.ts";
import { updateEngineUnit } from "./update-units.ts";
import { bootUnits } from "./boot-units.ts";

/**
 * How Node runs fleet's daemon, which is on every machine and mostly waits: small heaps, and of the
 * optimizing compilers only the small one. The benchmarks `idle` and `start` tell what that saves and costs.
 */
export const fleetNodeFlags: readonly string[] = [
  "--max-semi-space-size=1",
  "--optimize-for-size",
  "--v8-pool-size=1",
  "--no-turbofan",
];

/**
 * How Node runs the daemon that serves the keys, so that its memory stays small under load: with what is young in 2 MB, and with what
 * is old looked through each time it has grown by a fifth, where Node would let it grow to a multiple. All compilers are in use.
 * `npm run bench -- keys` measures it with these.
 */
export const etcdNodeFlags: readonly string[] = ["--max-semi-space-size=2", "--heap-growing-percent=20"];

/** One arena for all threads: what each would keep for itself stays unused. */
export const etcdMalloc = "MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=131072";

/** What the keys need of etcd (maxTransactionBytes, maxOperationsAlone), as its own settings. */
export const memberLimits = "ETCD_MAX_REQUEST_BYTES=134217728 ETCD_MAX_TXN_OPS=1024";

/**
 * How soon a member that hears nothing of its leader asks to lead: more than twice as fast as etcd by itself, because nothing is decided
 * until then, no loss of a machine either (`leaseLifeMs`). Asking first whether the others miss the leader too keeps a member that
 * was slow itself from deposing a leader that is well. The benchmark `failover` counts elections while all processors are busy.
 */
export const memberElections = "ETCD_HEARTBEAT_INTERVAL=50 ETCD_ELECTION_TIMEOUT=400 ETCD_PRE_VOTE=true";

/**
 * A cloud-config may say where a socket listens, in a drop-in. The sockets of systemd itself are opened before anything
 * else, and so without the usual dependencies this one is not.
 */
const behindCloudConfig = `DefaultDependencies=no
After=sysinit.target user-config.target
Conflicts=shutdown.target
Before=shutdown.target
`;

/** The systemd units of the product, by file name. Names are CoreOS's: existing cloud-configs and habits use them. */
export const systemdUnits: Readonly<Record<string, string>> = {
  "etcd-member.service": `[Unit]
Description=etcd member: this machine's part of the replicated store
Documentation=https://etcd.io/docs
ConditionPathExists=/usr/bin/etcd
# etcd.service decides whether this machine is a member, and writes how its etcd finds the others.
ConditionPathExists=/var/lib/argosy/member/environment
After=network.target
StartLimitIntervalSec=0

[Service]
# Not Type=notify: etcd is "ready" only once a majority of members is, and nothing on this machine may wait for
# other machines to boot. What uses the store copes with its absence.
Type=exec
User=etcd
StateDirectory=etcd-member
StateDirectoryMode=0700
Environment=ETCD_NAME=%H ETCD_DATA_DIR=%S/etcd-member
Environment=ETCD_AUTO_COMPACTION_MODE=periodic ETCD_AUTO_COMPACTION_RETENTION=1h
# The v2 keys take values of up to 10 MiB, and one write sends them up to three times (maxTransactionBytes); and one
# write makes all directories above its key (maxOperationsAlone).
Environment=${memberLimits}
# The same on every member.
Environment=${memberElections}
EnvironmentFile=-/etc/argosy/etcd-member.env
EnvironmentFile=-/var/lib/argosy/member/environment
ExecStart=/usr/bin/etcd
SyslogIdentifier=etcd-member
Restart=always
RestartSec=1
TimeoutStopSec=20
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
`,

  "etcd.socket": `[Unit]
Description=etcd v2 keys API for this machine and its containers
${behindCloudConfig}
[Socket]
ListenStream=127.0.0.1:4001
# Docker's bridge: containers reach the keys here. FreeBind, because Docker may make the bridge later or never.
ListenStream=172.17.0.1:4001
FreeBind=yes
NoDelay=yes

[Install]
WantedBy=sockets.target
`,

  "etcd.service": `[Unit]
Description=etcd v2 keys API over the replicated store
# No Wants: whether this machine holds a member is decided by enabling etcd-member, and the store may be elsewhere.
After=etcd.socket etcd-member.service network.target user-config.target
Wants=etcd.socket
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
Environment=UV_THREADPOOL_SIZE=8
Environment=${etcdMalloc}
EnvironmentFile=-/etc/environment
EnvironmentFile=-/etc/argosy/etcd-member.env
EnvironmentFile=-/etc/argosy/argosy.env
ExecStart=${daemonCommand("etcd", etcdNodeFlags)}
SyslogIdentifier=etcd
Restart=always
RestartSec=500ms
TimeoutStopSec=40
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
Also=etcd.socket
Alias=etcd2.service
`,

  "fleet.socket": `[Unit]
Description=fleet API socket
${behindCloudConfig}
[Socket]
ListenStream=${defaultSocket}
SocketMode=0660
SocketGroup=${socketGroup}

[Install]
WantedBy=sockets.target
`,

  "fleet.service": `[Unit]
Description=fleet: this machine's agent, the cluster's engine, the fleet API
# After, never Requires: at shutdown fleet leaves the cluster while the store, the bus and the network still work;
# and a store that dies takes neither fleet nor its units with it. Units that fleet started are systemd's own.
# On a machine that is alone the store is in etcd.service.
After=fleet.socket dbus.socket dbus.service etcd.service etcd-member.service network.target user-config.target
Wants=fleet.socket dbus.socket
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
KillMode=mixed
Environment=UV_THREADPOOL_SIZE=8
EnvironmentFile=-/etc/argosy/argosy.env
# One arena for all threads, and what is free at its end goes back: what threads would keep for themselves stays unused.
Environment=MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=131072 MALLOC_MMAP_THRESHOLD_=131072
ExecStart=${nodeCommand(fleetNodeFlags)} /usr/lib/argosy/fleet.mjs
SyslogIdentifier=fleet
# The first tells systemd that a reload is under way, for the daemon, which hears of it by the second: so systemctl reload
# returns when the daemon says that it is done, and not as soon as the signal is on its way. (Type=notify-reload begins with 253.)
ExecReload=/usr/bin/systemd-notify RELOADING=1
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=500ms
TimeoutStopSec=90
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
Also=fleet.socket
`,

  "locksmithd.service": locksmithUnit(`${nodeCommand(fleetNodeFlags)} /usr/lib/argosy/locksmithd.mjs`),

  "update-engine.service": updateEngineUnit(daemonCommand("update-engine", fleetNodeFlags)),
  ...bootUnits,
};

/** Other names of units, which old cloud-configs use: links beside the units themselves. */
export const unitAliases: Readonly<Record<string, string>> = { "etcd2.service": "etcd.service" };

/** The units that start at boot, each with the target that wants it, as their [Install] sections say. */
export const enabledUnits: readonly { readonly unit: string; readonly target: string }[] = Object.entries(
  systemdUnits,
).flatMap(([unit, text]) => {
  const target = /^WantedBy=(.+)$/m.exec(text)?.[1];
  return target === undefined ? [] : [{ unit, target }];
});

/** Straight to Node, without the launcher's shell in between: the process systemd watches is the daemon. */
function daemonCommand(daemon: string, flags: readonly string[] = []): string {
  return `${nodeCommand(flags)} /usr/lib/argosy/argosy.mjs daemon ${daemon}`;
}

function nodeCommand(flags: readonly string[]): string {
  return `/usr/lib/argosy/node ${["--disable-warning=ExperimentalWarning", ...flags].join(" ")}`;
}
