import { busPolicy } from "./bus-policy.ts";

/** The unit of locksmithd, with the conditions of locksmith 0.6.2's. @param start the command that systemd runs */
export function locksmithUnit(start: string): string {
  return `[Unit]
Description=locksmithd: reboots this machine when that is wanted, allowed and its turn
Documentation=https://github.com/coreos/locksmith
After=update-engine.service etcd.service etcd-member.service dbus.socket network.target user-config.target
Wants=dbus.socket
# A container goes down with what holds it.
ConditionVirtualization=!container
ConditionPathExists=!/usr/.noupdate

[Service]
Type=notify
NotifyAccess=all
# The signal is for the daemon; what it tells systemd at its end is told by a process of its own.
KillMode=mixed
Environment=MALLOC_ARENA_MAX=1
EnvironmentFile=-/etc/argosy/argosy.env
EnvironmentFile=-/usr/share/coreos/update.conf
EnvironmentFile=-/etc/coreos/update.conf
ExecStart=${start}
SyslogIdentifier=locksmithd
Restart=on-failure
RestartSec=10s
TimeoutStopSec=40
CPUWeight=10

[Install]
WantedBy=multi-user.target
`;
}

/** Only root may say that an update waits for a reboot: D-Bus would let everybody. */
export const rebootSignalPolicy: Readonly<Record<string, string>> = {
  "/usr/share/dbus-1/system.d/com.coreos.locksmith1.conf": busPolicy(`  <policy context="default">
    <deny send_interface="com.coreos.update1.Manager" send_type="signal"/>
  </policy>
  <policy user="root">
    <allow send_interface="com.coreos.update1.Manager" send_type="signal"/>
  </policy>`),
};
