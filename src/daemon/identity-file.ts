import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { Fault, sentenceOf } from "../lib/fault.ts";
import type { IdentityMemory } from "../fleet/store-identity.ts";

/** The memory of the store's identity in a file under /run: a restart of the daemon finds it, a reboot does not. */
export interface IdentityFile extends IdentityMemory {
  /** For a machine that leaves the cluster: whatever store it joins next is the right one. */
  forget(): Promise<void>;
}

/** @param path where it is kept */
export function identityFile(path: string): IdentityFile {
  return {
    async read() {
      try {
        const text = (await readFile(path, "utf8")).trim();
        return text === "" ? undefined : text;
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
        throw cannot("read", path, error);
      }
    },
    async write(identity) {
      try {
        await mkdir(dirname(path), { recursive: true });
        await writeFile(`${path}.new`, `${identity}\n`);
        await rename(`${path}.new`, path);
      } catch (error) {
        throw cannot("write", path, error);
      }
    },
    async forget() {
      await rm(path, { force: true });
    },
  };
}

function cannot(deed: string, path: string, cause: unknown): Fault {
  return new Fault("identity-file", `cannot ${deed} ${path}: ${sentenceOf(cause)}`, { cause });
}
