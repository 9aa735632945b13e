import { busPolicy } from "./bus-policy.ts";

/** The unit of update-engine. @param start the command that systemd runs */
export function updateEngineUnit(start: string): string {
  return `[Unit]
Description=update-engine: installs new versions of the operating system beside what runs
# Only where the operating system is an image that updates itself.
ConditionDirectoryNotEmpty=|/usr/lib/sysupdate.d
ConditionDirectoryNotEmpty=|/etc/sysupdate.d
ConditionPathExists=!/usr/.noupdate
# Behind fleet, so that what a machine is for starts sooner; fleet is ready without the store.
After=fleet.service dbus.socket network.target user-config.target
Wants=dbus.socket

[Service]
Type=notify
NotifyAccess=all
Environment=MALLOC_ARENA_MAX=1
EnvironmentFile=-/etc/argosy/argosy.env
ExecStart=${start}
SyslogIdentifier=update-engine
Restart=on-failure
RestartSec=10
TimeoutStopSec=40
# What a machine is for goes before its updates.
CPUWeight=20
IOWeight=20

[Install]
WantedBy=multi-user.target
`;
}

/** Files of ours that other programs of the machine read, by path. */
export const neighbourFiles: Readonly<Record<string, string>> = {
  "/usr/share/dbus-1/system.d/com.coreos.update1.conf": busPolicy(`  <policy user="root">
    <allow own="com.coreos.update1"/>
    <allow send_destination="com.coreos.update1"/>
    <allow receive_sender="com.coreos.update1"/>
  </policy>
  <policy user="core">
    <allow send_destination="com.coreos.update1"/>
    <allow receive_sender="com.coreos.update1"/>
  </policy>`),
};
