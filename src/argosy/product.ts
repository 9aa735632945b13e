import { access } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { Fault } from "../lib/fault.ts";

/** The files that hold the whole product, wherever this code runs from. */
export interface ProductFiles {
  /** The Node that runs it. */
  readonly node: string;
  /** All commands, with their libraries. */
  readonly commands: string;
  /** What runs fleetctl alone. */
  readonly fleetctl: string;
  /** fleetctl alone, compiled. */
  readonly fleetctlProgram: string;
  /** `argosy etcd` alone. */
  readonly etcd: string;
  /** fleet's daemon alone. */
  readonly fleet: string;
  /** locksmithd alone. */
  readonly locksmithd: string;
  /** The daemons, with their libraries. */
  readonly daemons: string;
  /** The thread that writes the embedded store's file. */
  readonly storeWorker: string;
}

/**
 * Where the product's files are: beside the running bundle, or in the build folder of the checkout this runs from.
 * Throws Fault `not-bundled` when the checkout has not been bundled yet.
 */
export async function productFiles(): Promise<ProductFiles> {
  const running = fileURLToPath(import.meta.url);
  const bundled = running.endsWith("/argosy.mjs");
  const folder = bundled ? dirname(running) : fileURLToPath(new URL("../../build", import.meta.url));
  const files = productFilesIn(folder);
  try {
    await Promise.all(Object.values(files).map((file) => access(file)));
  } catch (error) {
    throw new Fault(
      "not-bundled",
      `cannot install from ${folder}: node, argosy.mjs, fleetctl.cjs, fleetctl.program, etcd.mjs, fleet.mjs, locksmithd.mjs, daemons.mjs and store-worker.mjs are not all there; run "npm run bundle" in the checkout first`,
      { cause: error },
    );
  }
  return files;
}

/** The names of the product's files, whether they are there or not. */
export function productFilesIn(folder: string): ProductFiles {
  return {
    node: `${folder}/node`,
    commands: `${folder}/argosy.mjs`,
    fleetctl: `${folder}/fleetctl.cjs`,
    fleetctlProgram: `${folder}/fleetctl.program`,
    etcd: `${folder}/etcd.mjs`,
    fleet: `${folder}/fleet.mjs`,
    locksmithd: `${folder}/locksmithd.mjs`,
    daemons: `${folder}/daemons.mjs`,
    storeWorker: `${folder}/store-worker.mjs`,
  };
}
