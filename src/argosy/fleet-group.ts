import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { socketGroup } from "../fleet/api-socket.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";
import type { RootFolder } from "./root-folder.ts";

const run = promisify(execFile);

/** Looking for a group or making one takes some ms; after this many something is wrong. */
const programLimitMs = 30_000;

const fileName = "argosy.conf";

/**
 * Tells systemd-sysusers of the group, for images whose /etc is made at the first boot (sysusers.d(5)). The number is a wish: where it
 * is taken the group gets another. The operating system's image makes its group out of this file as well.
 */
export const groupFiles: Readonly<Record<string, string>> = {
  [`/usr/lib/sysusers.d/${fileName}`]: `g ${socketGroup} 501\n`,
};

/**
 * Makes the group that fleet's socket belongs to, unless it is there: without it systemd would not open the socket. A root that has no
 * groups yet is an image in the making, which makes this one out of `groupFiles`, laid before. Throws Fault `cannot-install`.
 */
export async function makeSocketGroup(root: RootFolder): Promise<void> {
  const groups = await root.text("/etc/group");
  if (groups === undefined || (await hasGroup(root, groups))) return;
  await root.perform({
    name: `make the group ${socketGroup}`,
    past: `made the group ${socketGroup}`,
    work: async () => await callSysusers(root.folder),
  });
}

/** A running machine may know groups that are in no file of its own. */
async function hasGroup(root: RootFolder, groups: string): Promise<boolean> {
  if (groups.split("\n").some((line) => line.startsWith(`${socketGroup}:`))) return true;
  if (root.folder !== "/") return false;
  return await run("getent", ["group", socketGroup], { timeout: programLimitMs }).then(
    () => true,
    () => false,
  );
}

async function callSysusers(folder: string): Promise<void> {
  const where = folder === "/" ? [] : [`--root=${folder}`];
  try {
    await run("systemd-sysusers", [...where, fileName], { timeout: programLimitMs });
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim().split("\n")[0];
    const command = `groupadd ${folder === "/" ? "" : `--root ${folder} `}--system ${socketGroup}`;
    throw new Fault(
      "cannot-install",
      `cannot make the group ${socketGroup}: ${said || sentenceOf(error)}; make it with "${command}" and install again`,
      { cause: error },
    );
  }
}
