import { mkdir, rename, stat } from "node:fs/promises";
import { mountOverlay, mounts, namesIn, removeFolder, unmountBelow } from "./disk.ts";
import { cacheFolder } from "./layout.ts";
import { withLock } from "./lock.ts";

/** What is laid into every machine: found under a name that changes with its content, and installed into a root folder. */
export interface Product {
  readonly hash: string;
  install(root: string): Promise<void>;
}

/**
 * The folder with what the product adds to a root file system, as an overlay's layer: installed once for each build of
 * the product, so that making a machine copies nothing.
 */
export async function productLayer(
  rootFileSystem: string,
  product: Product,
  { progress, used }: { readonly progress: (line: string) => void; readonly used: readonly string[] },
): Promise<string> {
  const root = rootFileSystem.split("-").at(-1) ?? "";
  const name = `${namePrefix}${product.hash}-${root}`;
  const layer = `${cacheFolder}/${name}`;
  if ((await namesIn(cacheFolder)).includes(name)) return layer;
  return await withLock(
    "product-layer",
    () => undefined,
    async () => {
      const present = await namesIn(cacheFolder);
      if (present.includes(name)) return layer;
      for (const left of present.filter((each) => each.startsWith(unfinishedPrefix))) {
        await removeFolder(`${cacheFolder}/${left}`);
      }
      progress(`Installing the product into a layer for the machines; kept in ${layer}`);
      const folder = `${cacheFolder}/${unfinishedPrefix}${product.hash}`;
      const parts = { upper: `${folder}/upper`, work: `${folder}/work`, root: `${folder}/root` };
      for (const part of Object.values(parts)) await mkdir(part, { recursive: true });
      try {
        await mountOverlay(parts.root, { lower: [rootFileSystem], upper: parts.upper, work: parts.work });
        await product.install(parts.root);
        await unmountBelow(parts.root);
        await rename(parts.upper, layer);
      } finally {
        await removeFolder(folder);
      }
      await removeUnused(name, used);
      return layer;
    },
  );
}

const namePrefix = "product-";
const unfinishedPrefix = "unfinished-product-";

/** A layer this young may be about to be mounted by somebody else. */
const youngMs = 5 * 60_000;

/** Removes the layers of earlier builds, but none that a machine lies on. */
async function removeUnused(current: string, used: readonly string[]): Promise<void> {
  const needed = [...used, ...(await mounts()).flatMap((mount) => mount.lower)];
  for (const name of await namesIn(cacheFolder)) {
    const folder = `${cacheFolder}/${name}`;
    if (!name.startsWith(namePrefix) || name === current || needed.includes(folder)) continue;
    if (Date.now() - (await stat(folder)).ctimeMs > youngMs) await removeFolder(folder);
  }
}
