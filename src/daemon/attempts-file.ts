import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { AttemptLog } from "../fleet/attempt-book.ts";
import type { UnitName } from "../fleet/model.ts";
import type { Attempt } from "../fleet/reconcile.ts";
import type { Log } from "../lib/env.ts";

/**
 * What the agent has carried out, in one small file under /run: a restart of the daemon finds it, a reboot does not.
 * Writes are one after the other, and those that come meanwhile are written once.
 */
export function attemptsFile(path: string, log: Log): AttemptLog {
  let newest: string | undefined;
  let writing: Promise<void> | undefined;

  const drain = async (): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    while (newest !== undefined) {
      const text = newest;
      newest = undefined;
      await writeFile(`${path}.new`, text);
      await rename(`${path}.new`, path);
    }
  };

  return {
    async read() {
      const text = await readFile(path, "utf8").catch(() => undefined);
      if (text === undefined) return new Map();
      try {
        return new Map(Object.entries(JSON.parse(text) as Record<UnitName, Attempt>));
      } catch {
        log.warning(`cannot read ${path}; units that ended may be started once more`);
        return new Map();
      }
    },
    async write(attempts) {
      newest = JSON.stringify(Object.fromEntries(attempts));
      writing ??= drain().finally(() => {
        writing = undefined;
      });
      await writing;
    },
  };
}
