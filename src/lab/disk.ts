import { mkdir, readdir, readFile, rename, rm, rmdir, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { mountsBelow, parseMounts, type Mount } from "./mounts.ts";
import { expectProgram } from "./programs.ts";
import type { Setting } from "./settings.ts";

/** Everything mounted on this machine. */
export async function mounts(): Promise<readonly Mount[]> {
  return parseMounts(await readFile("/proc/self/mountinfo", "utf8"));
}

export async function isMounted(path: string): Promise<boolean> {
  return (await mounts()).some((mount) => mount.path === path);
}

/** Mounts an overlay. Its upper layer can be moved to other lower layers later, because nothing in it points to them. */
export async function mountOverlay(
  at: string,
  layers: { readonly lower: readonly string[]; readonly upper: string; readonly work: string },
): Promise<void> {
  const options = [
    `lowerdir=${layers.lower.join(":")}`,
    `upperdir=${layers.upper}`,
    `workdir=${layers.work}`,
    "index=off",
    "metacopy=off",
    "redirect_dir=off",
  ];
  await expectProgram("mount", ["-t", "overlay", "argosy", "-o", options.join(","), at]);
}

/** Unmounts everything at and below a folder. What is still in use goes away from sight now and for good later. */
export async function unmountBelow(folder: string): Promise<void> {
  const paths = mountsBelow(await mounts(), folder);
  if (paths.length > 0) await expectProgram("umount", ["--lazy", "--", ...paths]);
}

/** Removes a folder and all in it, never what is mounted there. */
export async function removeFolder(folder: string): Promise<void> {
  await unmountBelow(folder);
  await expectProgram("rm", ["--recursive", "--force", "--one-file-system", "--", folder]);
}

/** Removes these folders as far as they are there and empty. */
export async function removeEmptyFolders(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    if ((await orUndefinedIfMissing(readdir(folder)))?.length === 0) await rmdir(folder);
  }
}

/** Writes settings below `root`, replacing what was there. */
export async function writeSettings(root: string, settings: readonly Setting[]): Promise<void> {
  for (const setting of settings) {
    const path = `${root}${setting.path}`;
    await mkdir(dirname(path), { recursive: true });
    await rm(path, { force: true });
    if ("target" in setting) await symlink(setting.target, path);
    else await writeFile(path, setting.text);
  }
}

/** Writes a file so that a reader sees the old text or the new, never a part. */
export async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.new`, text, { flush: true });
  await rename(`${path}.new`, path);
}

/** The text of a file, or undefined when there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  return await orUndefinedIfMissing(readFile(path, "utf8"));
}

/** The names in a folder, sorted; none when there is no such folder. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  return ((await orUndefinedIfMissing(readdir(folder))) ?? []).toSorted();
}

/** The names of the folders in a folder, sorted; none when there is no such folder. */
export async function foldersIn(folder: string): Promise<readonly string[]> {
  const entries = (await orUndefinedIfMissing(readdir(folder, { withFileTypes: true }))) ?? [];
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .toSorted();
}

async function orUndefinedIfMissing<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
