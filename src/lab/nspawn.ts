import { namesIn, removeFolder } from "./disk.ts";
import { configDriveFolder, type LabRecord, machinePaths, networkNamespace, userDataFile } from "./layout.ts";
import { imageHostname } from "./settings.ts";

/** What systemd-nspawn is told through its environment. */
export const nspawnEnvironment: Readonly<Record<string, string>> = {
  SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "1",
  SYSTEMD_NSPAWN_API_VFS_WRITABLE: "network",
  // The lab has a lock of its own; those of systemd-nspawn would stay in /run for ever.
  SYSTEMD_NSPAWN_LOCK: "0",
};

/**
 * The name systemd-nspawn knows a machine by. Its folders in /run are named by it, so it differs between labs; what the
 * machine calls itself does not.
 */
function containerName(lab: string, machine: string): string {
  return `${lab}-${machine}`;
}

/** Where systemd-nspawn keeps a folder for each container; a killed one leaves it there, since systemd 257 with a mount. */
const containerFolders = ["/run/systemd/nspawn/propagate", "/run/systemd/nspawn/unix-export"];

/**
 * Removes what containers that were killed left in /run; a container of the same name could not boot again.
 * @param machine one machine of the lab; without it, all of them
 */
export async function forgetContainers(lab: string, machine?: string): Promise<void> {
  const ours = new RegExp(`^${lab}-m[0-9]+$`);
  for (const folder of containerFolders) {
    for (const name of await namesIn(folder)) {
      if (machine === undefined ? !ours.test(name) : name !== containerName(lab, machine)) continue;
      await removeFolder(`${folder}/${name}`);
    }
  }
}

/**
 * Runs the container in the machine's control group, again for as long as it asks for a reboot: with `--keep-unit`
 * systemd-nspawn leaves that to whoever started it and says so with exit code 133. Waits in a group below, because a
 * group that passes controllers on may hold no processes of its own.
 */
export const keeper = `
group=$1; shift
mkdir -p "$group/keeper" && echo $$ > "$group/keeper/cgroup.procs" || exit
while :; do
  sh -c 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"' sh "$group" "$@"
  code=$?
  [ "$code" = 133 ] || exit "$code"
  # Whoever had entered the machine from outside takes a moment to end, and the group cannot be used before.
  tries=0
  while [ -d "$group/payload" ] && [ "$tries" -lt 100 ]; do
    find "$group/payload" -depth -type d -exec rmdir {} + 2>/dev/null
    [ -d "$group/payload" ] && sleep 0.05
    tries=$((tries + 1))
  done
done`;

/** The command line of one machine's container. */
export function nspawn(lab: LabRecord, machine: string): readonly string[] {
  const paths = machinePaths(lab.name, machine);
  return [
    "systemd-nspawn",
    "--quiet",
    "--boot",
    `--directory=${paths.root}`,
    `--machine=${containerName(lab.name, machine)}`,
    `--hostname=${lab.store?.by === "cloud-config" ? imageHostname : machine}`,
    // Docker inside needs these; the lab's machines are not a border of safety but of view.
    "--capability=all",
    // All machines share this machine's clock, and setting a time zone can set it.
    "--drop-capability=CAP_SYS_TIME",
    "--system-call-filter=add_key keyctl bpf",
    // Works without systemd as the first process of this machine.
    "--register=no",
    "--keep-unit",
    "--settings=no",
    "--resolv-conf=off",
    "--timezone=off",
    "--link-journal=no",
    "--console=read-only",
    `--network-namespace-path=/run/netns/${networkNamespace(lab.name, machine)}`,
    `--bind=${paths.docker}:/var/lib/docker`,
    ...handedOver(lab),
  ];
}

/** The cloud-config of the lab's machines, if they are made by one. */
function handedOver({ name, store }: LabRecord): readonly string[] {
  if (store?.by !== "cloud-config") return [];
  return store.way === "credential"
    ? [`--load-credential=cloud-config:${userDataFile(name)}`]
    : [`--bind-ro=${configDriveFolder(name)}:${configDriveMount}`];
}

/** Where CoreOS mounts a config-drive; a container has no drives of its own, so it is there from the start. */
const configDriveMount = "/media/configdrive";
