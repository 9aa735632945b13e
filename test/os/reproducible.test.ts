import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import type { Image } from "../../image/build.ts";
import { testImage } from "../qemu/images.ts";

/** Two builds of the same sources from the same packages give the same bytes. */

async function sums(image: Image): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {};
  for (const part of ["usr", "verity", "kernel", "disk"] as const) {
    const hash = createHash("sha256");
    await pipeline(createReadStream(image[part], { highWaterMark: 1024 * 1024 }), hash);
    found[part] = hash.digest("hex");
  }
  return found;
}

test("an image that is built twice is the same to the byte", async () => {
  const first = await testImage("1");
  const before = await sums(first);
  await rm(first.folder, { recursive: true });
  const second = await testImage("1");
  assert.deepEqual(await sums(second), before);
});
