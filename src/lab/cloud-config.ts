import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { userDataFile } from "./layout.ts";

/** Keeps the cloud-config of a lab's machines, where each of them is handed it at every boot. It may hold secrets. */
export async function keepCloudConfig(lab: string, bytes: Uint8Array): Promise<void> {
  const path = userDataFile(lab);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes, { mode: 0o600 });
}

/** Whether a lab's machines are handed these very bytes. */
export async function sameCloudConfig(lab: string, bytes: Uint8Array): Promise<boolean> {
  const kept = await readFile(userDataFile(lab)).catch(() => undefined);
  return kept?.equals(bytes) ?? false;
}
