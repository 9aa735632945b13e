import { anyProvider, firmwareFiles } from "../cloudinit/platform.ts";

/** What every unit runs. */
const coreosCloudinit = "/usr/bin/coreos-cloudinit --boot";

/** Targets are plain points in time and end with the machine. */
const atShutdown = `DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target
`;

/** Once a boot, with what is known of the machine, and with complaints where somebody sees them who cannot log in. */
const oneshot = `[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=10min
EnvironmentFile=-/etc/environment
StandardOutput=journal+console
StandardError=journal+console`;

/** The names under which user-data may come as a credential; without a path it is the machine's own of that name. */
const loadCredentials = `LoadCredential=cloud-config
LoadCredential=user-data`;

/** Orders a unit behind the local file systems and before anything of the network. */
function beforeNetwork(target: string): string {
  return `DefaultDependencies=no
Wants=network-pre.target
After=sysinit.target${target === "user-config.target" ? " system-config.target" : ""}
Before=network-pre.target ${target}
Conflicts=shutdown.target
Before=shutdown.target`;
}

/** Applies the file that an instance is named after, before the network. */
function fromFile(target: string): string {
  return `[Unit]
Description=Apply the cloud-config %f
ConditionPathExists=%f
RequiresMountsFor=%f
${beforeNetwork(target)}
${oneshot}
ExecStart=${coreosCloudinit} --before-network --from-file=%f
`;
}

/** Orders a unit behind the network's set-up; whether anybody answers by then is for the command's own retries. */
const behindNetwork = `After=network.target system-config.target
Before=user-config.target
`;

/** A command that mounts the first of these devices that is there, unless something is mounted already. */
function mountOnce(folder: string, devices: readonly string[]): string {
  const options = "ro,nosuid,nodev,noexec";
  const each = devices.map((device) => `"${device}"`).join(" ");
  return `/bin/sh -c 'mountpoint -q ${folder} && exit 0; for device in ${each}; do test -e "$$device" || continue; mkdir -p ${folder} && exec mount -o ${options} "$$device" ${folder}; done'`;
}

/**
 * The units that apply cloud-configs at boot, by file name; targets and services are called as in CoreOS. They need no
 * links of their own: the two targets want them.
 *
 * No unit of the boot waits for one that waits for it: jobs are only queued (--boot), what runs before the network is
 * ordered behind nothing of the network, and the system bus is not needed.
 */
export const bootUnits: Readonly<Record<string, string>> = {
  "system-config.target": `[Unit]
Description=Cloud-config of the system's maker
Wants=system-cloudinit@usr-share-oem-cloud\\x2dconfig.yml.service
${atShutdown}
[Install]
WantedBy=multi-user.target
`,

  "user-config.target": `[Unit]
Description=Cloud-config of this machine
After=system-config.target
Wants=system-config.target
Wants=user-cloudinit@var-lib-coreos\\x2dinstall-user_data.service user-cloudinit@var-lib-coreos\\x2dinstall-user_data.path
Wants=user-cloudinit-credentials.service user-configdrive.service user-configvirtfs.service user-config-ovfenv.service
Wants=user-cloudinit-proc-cmdline.service oem-cloudinit.service
${atShutdown}
[Install]
WantedBy=multi-user.target
`,

  "system-cloudinit@.service": fromFile("system-config.target"),

  "user-cloudinit@.service": fromFile("user-config.target"),

  // Only for a file that comes after the boot: one that cannot be used would start the service again and again.
  "user-cloudinit@.path": `[Unit]
Description=Watch for the cloud-config %f

[Path]
PathChanged=%f
`,

  "user-cloudinit-credentials.service": `[Unit]
Description=Apply the cloud-config that came as a credential
ConditionCredential=|cloud-config
ConditionCredential=|user-data
${beforeNetwork("user-config.target")}
${oneshot}
${loadCredentials}
ExecStart=${coreosCloudinit} --before-network --from-credentials
`,

  "user-cloudinit-drives.service": `[Unit]
Description=Wait until the drives are known that may hold a cloud-config
ConditionVirtualization=!container
ConditionPathExists=/run/udev/control
DefaultDependencies=no
After=systemd-udev-trigger.service
Conflicts=shutdown.target
Before=shutdown.target user-configdrive.service user-configvirtfs.service user-config-ovfenv.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=-/usr/bin/udevadm settle --timeout=30
`,

  "user-configdrive.service": `[Unit]
Description=Apply the cloud-config of the config-drive
# In a container the folder may be there without a drive.
ConditionPathExists=|/dev/disk/by-label/config-2
ConditionPathExists=|/dev/disk/by-label/CONFIG-2
ConditionPathExists=|/media/configdrive/openstack
${beforeNetwork("user-config.target")}
Wants=user-cloudinit-drives.service
After=user-cloudinit-drives.service

${oneshot}
ExecStartPre=${mountOnce("/media/configdrive", ["/dev/disk/by-label/config-2", "/dev/disk/by-label/CONFIG-2"])}
ExecStart=${coreosCloudinit} --before-network --from-configdrive=/media/configdrive
`,

  "user-configvirtfs.service": `[Unit]
Description=Apply the cloud-config of the folder that the hypervisor shares as config-2
ConditionPathExistsGlob=|/sys/bus/virtio/drivers/9pnet_virtio/virtio*/mount_tag
ConditionPathExists=|/media/configvirtfs/openstack
${beforeNetwork("user-config.target")}
Wants=user-cloudinit-drives.service
After=user-cloudinit-drives.service

${oneshot}
ExecCondition=/bin/sh -c 'test -d /media/configvirtfs/openstack || grep -qsaw config-2 /sys/bus/virtio/drivers/9pnet_virtio/virtio*/mount_tag'
ExecStartPre=/bin/sh -c 'test -d /media/configvirtfs/openstack || { mkdir -p /media/configvirtfs && mount -t 9p -o trans=virtio,version=9p2000.L,ro,nosuid,nodev,noexec config-2 /media/configvirtfs; }'
ExecStart=${coreosCloudinit} --before-network --from-configdrive=/media/configvirtfs
`,

  "user-config-ovfenv.service": `[Unit]
Description=Apply the cloud-config of the OVF environment
ConditionPathExists=|/dev/disk/by-label/OVF\\\\x20ENV
ConditionPathExists=|/media/ovfenv/ovf-env.xml
# It may name a URL.
${behindNetwork}Wants=user-cloudinit-drives.service
After=user-cloudinit-drives.service

${oneshot}
ExecStartPre=${mountOnce("/media/ovfenv", ["/dev/disk/by-label/OVF\\\\x20ENV"])}
ExecStart=${coreosCloudinit} --from-vmware-ovf-env=/media/ovfenv/ovf-env.xml
`,

  "user-cloudinit-proc-cmdline.service": `[Unit]
Description=Apply the cloud-config whose URL is on the kernel's command line
ConditionKernelCommandLine=|cloud-config-url
ConditionKernelCommandLine=|cloud_config_url
${behindNetwork}
${oneshot}
ExecStart=${coreosCloudinit} --from-proc-cmdline
`,

  "oem-cloudinit.service": `[Unit]
Description=Apply the cloud-config of the provider's metadata service
ConditionVirtualization=!container
ConditionPathExists=/sys/class/dmi/id
ConditionKernelCommandLine=!coreos.oem.id=none
${behindNetwork}
${oneshot}
# Most machines are at no provider that is known, and grep sees that sooner than Node has started.
ExecCondition=/bin/sh -c 'cd /sys/class/dmi/id; grep -q coreos.oem.id= /proc/cmdline || grep -qsE "${anyProvider.replaceAll("$", "$$$$")}" ${firmwareFiles.join(" ")}'
ExecStart=${coreosCloudinit} --oem=auto
`,

  "user-cloudinit-late@.service": `[Unit]
Description=Apply what a cloud-config needs this machine's addresses for
${behindNetwork}
${oneshot}
${loadCredentials}
EnvironmentFile=/run/coreos-cloudinit/later/%i.env
ExecStart=${coreosCloudinit} $COREOS_CLOUDINIT_FLAGS
`,
};
