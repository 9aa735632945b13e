import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";

const measureMs = 2_500;

/** How often a second the disk makes 4 KiB durable, one after the other: what no store that promises durability is faster than. */
export function flushesPerSecond(file: string): number {
  const handle = openSync(file, "w");
  try {
    const block = Buffer.alloc(4_096, 1);
    const begun = performance.now();
    let flushes = 0;
    for (; performance.now() - begun < measureMs; flushes++) {
      writeSync(handle, block, 0, block.length, (flushes % 256) * block.length);
      fdatasyncSync(handle);
    }
    return (1_000 * flushes) / (performance.now() - begun);
  } finally {
    closeSync(handle);
  }
}
