/**
 * What the root file system of a lab's machine is made of. All of it goes into the hash that names the cached
 * result, so a change here builds a new one.
 */
export interface Recipe {
  readonly suite: string;
  readonly packages: readonly string[];
  /** Services that Debian would start at boot. */
  readonly disabled: readonly string[];
  /** What a machine without hardware, screens and package updates never needs; each costs time at every boot. */
  readonly masked: readonly string[];
  /** Paths that packages do not get to unpack. */
  readonly excluded: readonly string[];
  /** Files of ours. */
  readonly files: Readonly<Record<string, string>>;
  /** Paths that have to be made by each machine itself or not at all. */
  readonly removed: readonly string[];
}

export const recipe: Recipe = {
  suite: "trixie",
  packages: [
    "busybox-static",
    "ca-certificates",
    "curl",
    "dbus",
    "docker-cli",
    "docker.io",
    "etcd-server",
    "iproute2",
    "iptables",
    "kmod",
    "less",
    "libatomic1",
    "libstdc++6",
    "nginx-light",
    "openssh-server",
    "procps",
    "systemd",
    "systemd-sysv",
  ],
  // Docker and containerd start at the first use of Docker's socket.
  disabled: [
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "containerd.service",
    "docker.service",
    "dpkg-db-backup.timer",
    "etcd.service",
    "fstrim.timer",
    "getty@tty1.service",
    "nginx.service",
    "remote-fs.target",
    "ssh.service",
    "systemd-pstore.service",
  ],
  masked: [
    "console-getty.service",
    "dev-hugepages.mount",
    "getty-static.service",
    "getty.target",
    "kmod-static-nodes.service",
    "ldconfig.service",
    "modprobe@.service",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-creds.socket",
    "systemd-firstboot.service",
    "systemd-initctl.socket",
    "systemd-journal-catalog-update.service",
    "systemd-machine-id-commit.service",
    "systemd-modules-load.service",
    "systemd-networkd-wait-online.service",
    "systemd-random-seed.service",
    "systemd-remount-fs.service",
    "systemd-sysext.socket",
    "systemd-sysusers.service",
    "systemd-tmpfiles-setup-dev-early.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-update-done.service",
  ],
  excluded: ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*"],
  files: {
    "/etc/systemd/journald.conf.d/lab.conf":
      "[Journal]\nStorage=persistent\nSystemMaxUse=256M\nRateLimitBurst=0\n",
    "/etc/systemd/system.conf.d/lab.conf": "[Manager]\nShowStatus=no\nDefaultTimeoutStopSec=15s\n",
    // The keys of a machine's ssh server are its own, made when somebody first asks for them.
    "/etc/systemd/system/ssh.service.d/lab.conf":
      "[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre=/usr/sbin/sshd -t\n",
    // A machine of a lab has nobody outside to ask.
    "/etc/resolv.conf": "",
    "/etc/hostname": "lab\n",
    "/etc/machine-id": "",
  },
  removed: [
    "/etc/ssh/ssh_host_ecdsa_key",
    "/etc/ssh/ssh_host_ecdsa_key.pub",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssh/ssh_host_ed25519_key.pub",
    "/etc/ssh/ssh_host_rsa_key",
    "/etc/ssh/ssh_host_rsa_key.pub",
    "/var/lib/etcd/default",
  ],
};

/** One package source that the host's apt is configured for. */
export interface PackageSource {
  readonly uri: string;
  readonly origin: string;
  readonly release: string;
  readonly component: string;
}

/**
 * The address of Debian's main archive among the host's package sources: not that of its updates or its security
 * archive. Before the host's first `apt-get update` apt does not know a source's origin, so then the shape of the
 * address decides.
 */
export function debianArchive(sources: readonly PackageSource[]): string | undefined {
  const main = sources.filter((source) => source.component === "main" && !source.release.includes("-"));
  const known = main.find((source) => source.origin === "Debian");
  return (known ?? main.find((source) => source.origin === "" && /\/debian\/?$/.test(source.uri)))?.uri;
}
