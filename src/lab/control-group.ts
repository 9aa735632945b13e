import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { Fault } from "../lib/fault.ts";
import { foldersIn, mounts, readIfThere } from "./disk.ts";
import { waitUntil } from "./waiting.ts";

/**
 * Every machine has a control group of its own (cgroup v2), one folder per machine. It is what says which processes
 * are the machine's: membership goes with the process, so a number that was given to another process is no danger.
 */
export async function labControlGroup(lab: string): Promise<string> {
  const all = await mounts();
  const tree = all.find((mount) => mount.fileSystem === "cgroup2" && mount.path.startsWith("/sys/fs/cgroup"));
  if (tree !== undefined) return `${tree.path}/argosy-lab/${lab}`;
  throw new Fault(
    "no-control-groups",
    "The lab needs control groups of version 2, and none are mounted below /sys/fs/cgroup; mount them or use a newer kernel.",
  );
}

/** Makes a group with every controller that its parents can pass on. */
export async function makeControlGroup(group: string): Promise<void> {
  await mkdir(group, { recursive: true });
  const parts = group.split("/");
  const at = parts.indexOf("argosy-lab");
  for (let length = at; length < parts.length; length += 1) {
    await passControllersOn(parts.slice(0, length).join("/"));
  }
}

/** Not every host lets all of them go; what it keeps is a limit that machines do without. */
async function passControllersOn(group: string): Promise<void> {
  const offered = (await readIfThere(`${group}/cgroup.controllers`)) ?? "";
  for (const controller of offered.split(/\s+/).filter((name) => name !== "")) {
    await writeFile(`${group}/cgroup.subtree_control`, `+${controller}`).catch(() => undefined);
  }
}

/** The processes in a group and the groups below it, as this machine numbers them. */
export async function processesBelow(group: string): Promise<readonly number[]> {
  const own = (await readIfGroup(`${group}/cgroup.procs`)).split("\n").filter((line) => line !== "");
  const below: number[] = own.map(Number);
  for (const child of await childGroups(group)) below.push(...(await processesBelow(child)));
  return below;
}

/**
 * The machine's first process, or undefined when it does not run: the one that is number 1 in a process namespace
 * one level below ours. (Containers inside the machine have a number 1 too, one level further down.)
 */
export async function firstProcess(group: string): Promise<number | undefined> {
  const ourLevels = (await processNumbers("self")).length;
  for (const candidate of await processesBelow(`${group}/payload/init.scope`)) {
    const numbers = await processNumbers(String(candidate));
    if (numbers.length === ourLevels + 1 && numbers.at(-1) === "1") return candidate;
  }
  return undefined;
}

/** The numbers of a process in each process namespace it is in; empty when it has gone. */
async function processNumbers(process: string): Promise<readonly string[]> {
  const status = await readIfGroup(`/proc/${process}/status`);
  return /^NSpid:\s*(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? [];
}

/** Ends all processes of a group at once, as a power loss does, waits until they are gone, and removes the group. */
export async function killControlGroup(group: string): Promise<void> {
  // Groups are never used again after this: a kernel may go on killing what starts in a group that was killed.
  for (let round = 0; round < mostKillRounds; round += 1) {
    const processes = await processesBelow(group);
    if (processes.length === 0) break;
    for (const number of processes) kill(number);
    await waitUntil(async () => !(await isPopulated(group)), dyingLimitMs, `the processes of ${group} ended`);
  }
  await removeControlGroup(group);
}

const mostKillRounds = 10;
const dyingLimitMs = 30_000;

async function isPopulated(group: string): Promise<boolean> {
  return (await readIfGroup(`${group}/cgroup.events`)).includes("populated 1");
}

function kill(number: number): void {
  try {
    process.kill(number, "SIGKILL");
  } catch (error) {
    const gone = error instanceof Error && "code" in error && error.code === "ESRCH";
    if (!gone) throw error;
  }
}

/**
 * Removes a group without processes and the groups below it, in every tree: where trees of version 1 are mounted too,
 * systemd-nspawn makes groups of the same names in one of them.
 */
export async function removeControlGroup(group: string): Promise<void> {
  const trees = (await mounts())
    .filter((mount) => mount.fileSystem.startsWith("cgroup"))
    .map((mount) => mount.path);
  const own = trees
    .filter((tree) => group.startsWith(`${tree}/`))
    .toSorted((one, other) => other.length - one.length)[0];
  if (own === undefined) return;
  for (const tree of trees) await removeFolders(`${tree}${group.slice(own.length)}`);
}

/** A group is removed as a folder; its files are no obstacle. */
async function removeFolders(folder: string): Promise<void> {
  for (const child of await childGroups(folder)) await removeFolders(child);
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

/** The groups directly in a group; none when there is no such group. */
export async function childGroups(group: string): Promise<readonly string[]> {
  return (await foldersIn(group)).map((name) => `${group}/${name}`);
}

/** The text of a file that may vanish with its process or group. */
async function readIfGroup(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ESRCH" || code === "ENOTDIR" || code === "ENODEV") return "";
    throw error;
  }
}
