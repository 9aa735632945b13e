import { watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Env } from "../lib/env.ts";
import type { RequiredSource } from "../locksmith/locksmith-parts.ts";

/** Where Debian's packages say that they want a reboot; beside it is the list of their names. */
const usualPath = "/run/reboot-required";

/**
 * Watches the file with which packages ask for a reboot, until the signal is aborted. Its folder is watched, since the file comes
 * and goes.
 */
export async function watchRequired(
  env: Env,
  signal: AbortSignal,
  path = usualPath,
): Promise<RequiredSource> {
  const listeners = new Set<() => void>();
  let packages: readonly string[] | undefined;
  let looking = Promise.resolve();
  const look = async (): Promise<void> => {
    const before = JSON.stringify(packages);
    packages = await readPackages(path);
    if (JSON.stringify(packages) !== before) for (const listener of listeners) listener();
  };
  const watcher = watch(dirname(path), (_, name) => {
    if (name === null || !name.startsWith(basename(path))) return;
    looking = looking.then(look);
  });
  watcher.on("error", (error) => env.log.warning(`cannot watch ${dirname(path)}: ${error.message}`));
  signal.addEventListener("abort", () => watcher.close(), { once: true });
  await look();
  return {
    get packages() {
      return packages;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Without the file for undefined; a file without names is a wish without reasons. */
async function readPackages(path: string): Promise<readonly string[] | undefined> {
  const isThere = await readFile(path).then(
    () => true,
    () => false,
  );
  if (!isThere) return undefined;
  const text = await readFile(`${path}.pkgs`, "utf8").catch(() => "");
  return [...new Set(text.split("\n").filter((name) => name !== ""))];
}
