import { spawn } from "node:child_process";
import { mkdir, open, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { Fault } from "../lib/fault.ts";
import type { CoordinatorState } from "../locksmith/reporter.ts";

const usualPath = "/run/update-engine/coordinator.conf";

/** Says to update-engine and to other coordinators of reboots who coordinates (locksmith 0.6.2, coordinator.conf). */
export interface Coordinator {
  tell(state: CoordinatorState): Promise<void>;
  close(): Promise<void>;
}

/** Claims the machine's reboots for this process. Throws Fault `coordinator-taken` when another one has them. */
export async function claimCoordinator(strategy: string, path = usualPath): Promise<Coordinator> {
  await mkdir(dirname(path), { recursive: true });
  // The file itself is replaced each time, so the lock is on one beside it.
  const lock = await open(`${path}.lock`, "a");
  if (!(await locked(lock.fd))) {
    await lock.close();
    throw new Fault(
      "coordinator-taken",
      `another coordinator holds ${path}.lock: stop it, or set REBOOT_STRATEGY=off for this one`,
    );
  }
  return {
    async tell(state) {
      await writeFile(`${path}.new`, `NAME=locksmithd\nSTRATEGY=${strategy}\nSTATE=${state}\n`);
      await rename(`${path}.new`, path);
    },
    close: async () => await lock.close(),
  };
}

/** Locks an open file with flock(2), which Node cannot: flock(1) does it to the file that it inherits, and the lock stays with us. */
async function locked(descriptor: number): Promise<boolean> {
  const child = spawn("flock", ["--exclusive", "--nonblock", "3"], {
    stdio: ["ignore", "ignore", "ignore", descriptor],
  });
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code === 0));
  });
}
