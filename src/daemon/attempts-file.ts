import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { AttemptLog } from "../fleet/attempt-book.ts";
import type { UnitName } from "../fleet/model.ts";
import type { Attempt } from "../fleet/reconcile.ts";
import type { Log } from "../lib/env.ts";

/**
 * What the agent has carried out, in one small file under /run: a restart of the daemon finds it, a reboot does not.
 * Whoever writes waits for one write before the next.
 */
export function attemptsFile(path: string, log: Log): AttemptLog {
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
      await mkdir(dirname(path), { recursive: true });
      await writeFile(`${path}.new`, JSON.stringify(Object.fromEntries(attempts)));
      await rename(`${path}.new`, path);
    },
  };
}
