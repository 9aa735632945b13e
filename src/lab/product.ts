import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { installProduct } from "../argosy/install.ts";
import { productFiles } from "../argosy/product.ts";
import type { Product } from "./product-layer.ts";
import { expectProgram } from "./programs.ts";

/**
 * The product as it is now: the one this code runs from, or in a checkout one that is bundled again when its sources
 * changed. What is installed into machines is exactly what `argosy install` lays anywhere else.
 */
export async function builtProduct(progress: (line: string) => void): Promise<Product> {
  const running = fileURLToPath(import.meta.url);
  if (running.endsWith(".ts")) {
    const bundler = fileURLToPath(new URL("../../scripts/bundle.ts", import.meta.url));
    await expectProgram(process.execPath, [bundler], { line: progress });
  }
  const { node, ...scripts } = await productFiles();
  const hash = createHash("sha256");
  for (const file of Object.values(scripts)) hash.update(await readFile(file));
  // Node is large, comes in few versions, and no two of them have the same size.
  hash.update(String((await stat(node)).size));
  return {
    hash: hash.digest("hex").slice(0, 12),
    install: async (root) => await installProduct({ root, log: () => undefined }),
  };
}
