import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEtcd } from "../etcd/etcd-process.ts";

/** Where files cost no writes to a disk: the original syncs each change, and nothing here is to last. */
const memoryFolder = "/dev/shm";

/** The original: one etcd 3.4 that serves the v2 API. */
export interface Oracle extends AsyncDisposable {
  readonly origin: string;
}

export async function startOracle(): Promise<Oracle> {
  const folder = await mkdtemp(join(existsSync(memoryFolder) ? memoryFolder : tmpdir(), "argosy-oracle-"));
  const removeFolder = async (): Promise<void> => await rm(folder, { recursive: true, force: true });
  try {
    const etcd = await startEtcd(1, ["--enable-v2=true", "--data-dir", folder]);
    return {
      origin: etcd.endpoints[0] ?? "",
      async [Symbol.asyncDispose]() {
        await etcd[Symbol.asyncDispose]();
        await removeFolder();
      },
    };
  } catch (error) {
    await removeFolder();
    throw error;
  }
}
