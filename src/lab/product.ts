import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { installProduct } from "../argosy/install.ts";
import { productFiles } from "../argosy/product.ts";
import { Fault } from "../lib/fault.ts";
import { withLock } from "./lock.ts";
import type { Product } from "./product-layer.ts";
import { expectProgram } from "./programs.ts";

/**
 * The product as it is now: the one this code runs from, or in a checkout one that is bundled again when its sources
 * changed. What is installed into machines is exactly what `argosy install` lays anywhere else.
 */
export async function builtProduct(progress: (line: string) => void): Promise<Product> {
  const hash = await withBuild(async () => {
    await bundle(progress);
    return await productHash();
  });
  return { hash, install: async (root) => await withBuild(async () => await install(root, hash)) };
}

/** Bundles the checkout this runs from, if it does run from one. */
async function bundle(progress: (line: string) => void): Promise<void> {
  if (!fileURLToPath(import.meta.url).endsWith(".ts")) return;
  const bundler = fileURLToPath(new URL("../../scripts/bundle.ts", import.meta.url));
  await expectProgram(process.execPath, [bundler], { line: progress });
}

async function install(root: string, hash: string): Promise<void> {
  if ((await productHash()) !== hash) {
    throw new Fault(
      "product-changed",
      "The product was built anew while it was being installed; run the command again.",
    );
  }
  await installProduct({ root, log: () => undefined });
}

async function productHash(): Promise<string> {
  const { node, ...scripts } = await productFiles();
  const hash = createHash("sha256");
  for (const file of Object.values(scripts)) hash.update(await readFile(file));
  // Node is large, comes in few versions, and no two of them have the same size.
  hash.update(String((await stat(node)).size));
  return hash.digest("hex").slice(0, 12);
}

/** One at a time writes or reads the build folder. */
async function withBuild<T>(work: () => Promise<T>): Promise<T> {
  return await withLock("product-build", () => undefined, work);
}
