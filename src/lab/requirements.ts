import { access, constants, writeFile } from "node:fs/promises";
import { arch, platform } from "node:os";
import { Fault } from "../lib/fault.ts";
import { mounts, readIfThere } from "./disk.ts";
import { labsFolder } from "./layout.ts";
import { fileSystemAt } from "./mounts.ts";

/** Programs the lab runs, and the Debian package each comes in. */
const programs: Readonly<Record<string, string>> = {
  "apt-get": "apt",
  ip: "iproute2",
  mmdebstrap: "mmdebstrap",
  nsenter: "util-linux",
  "systemd-nspawn": "systemd-container",
};

/** Throws a Fault with one sentence on what is missing for a lab on this machine and what to do. */
export async function checkRequirements(): Promise<void> {
  if (platform() !== "linux") {
    throw new Fault(
      "not-linux",
      `The lab boots Linux machines and this system is ${platform()}; use a Debian 12 or 13 machine.`,
    );
  }
  if (arch() !== "x64") {
    throw new Fault(
      "wrong-processor",
      `The lab is made for x86-64 and this machine is ${arch()}; use another machine.`,
    );
  }
  checkRoot();
  if (fileSystemAt(await mounts(), labsFolder) === "overlay") {
    throw new Fault(
      "disks-on-overlay",
      `The disks of a lab's machines cannot lie on an overlay, as ${labsFolder} does here; mount a real disk or a tmpfs there.`,
    );
  }
  const missing: string[] = [];
  for (const [program, debianPackage] of Object.entries(programs)) {
    if (!(await isInPath(program))) missing.push(debianPackage);
  }
  if (missing.length === 0) return;
  throw new Fault(
    "programs-missing",
    `The lab lacks programs; install them with: apt-get install ${missing.join(" ")}`,
  );
}

/** Throws Fault `not-root` for anybody else. */
export function checkRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new Fault(
    "not-root",
    "The lab needs root, because it boots machines and makes network interfaces; run it with sudo.",
  );
}

/** inotify(7): how many sets of watches one user may have. All machines' systemd share root's. */
const watchLimitFile = "/proc/sys/fs/inotify/max_user_instances";

/** What one machine may need, with some containers in it; and what the rest of this machine may. */
const watchesOfMachine = 20;
const watchesOfHost = 64;

/** Raises the limit that machines would run into first, when there are too many of them for it. */
export async function allowMachines(count: number, progress: (line: string) => void): Promise<void> {
  const present = Number(await readIfThere(watchLimitFile));
  const needed = watchesOfHost + watchesOfMachine * count;
  if (present >= needed) return;
  progress(`Raising fs.inotify.max_user_instances from ${present} to ${needed}: ${count} machines need it`);
  await writeFile(watchLimitFile, String(needed));
}

async function isInPath(program: string): Promise<boolean> {
  const folders = (process.env["PATH"] ?? "").split(":").concat("/usr/sbin", "/sbin");
  for (const folder of folders) {
    const found = await access(`${folder}/${program}`, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}
