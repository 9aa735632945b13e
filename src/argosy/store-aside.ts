import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Call } from "../cli/command.ts";
import { isFault } from "../lib/fault.ts";
import { type OpenStore, type StoreSpec, withStore } from "./store-flags.ts";

/**
 * Moves the files of an embedded store that cannot be opened because it is damaged into a folder beside them, and returns that;
 * undefined when there is nothing to move. Throws what else opening a store throws.
 */
export async function setDamagedAside(
  call: Call,
  open: OpenStore,
  spec: StoreSpec,
): Promise<string | undefined> {
  if (spec.kind !== "embedded") return undefined;
  try {
    await withStore(call, open, spec, async () => undefined);
    return undefined;
  } catch (error) {
    if (!isFault(error, "store-damaged")) throw error;
  }
  const stamp = new Date(call.env.clock.now())
    .toISOString()
    .replaceAll(/[^0-9]/g, "")
    .slice(0, 14);
  const aside = join(spec.folder, `damaged-${stamp}`);
  await mkdir(aside, { mode: 0o700 });
  for (const name of await readdir(spec.folder)) {
    if (name.startsWith("store.db")) await rename(join(spec.folder, name), join(aside, name));
  }
  return aside;
}
