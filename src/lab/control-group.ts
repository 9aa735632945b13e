import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { Fault } from "../lib/fault.ts";
import { mounts, namesIn, readIfThere } from "./disk.ts";
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

/** Removes a group without processes and the groups below it. */
export async function removeControlGroup(group: string): Promise<void> {
  for (const child of await childGroups(group)) await removeControlGroup(child);
  await rmdir(group).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

/** The groups directly in a group. */
export async function childGroups(group: string): Promise<readonly string[]> {
  // Files of a group are named CONTROLLER.WORD or cgroup.WORD; only asking tells folders from files for sure.
  const names = await namesIn(group);
  const children: string[] = [];
  for (const name of names) {
    if ((await readIfGroup(`${group}/${name}/cgroup.events`)) !== "") children.push(`${group}/${name}`);
  }
  return children;
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
