import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { renewalFile } from "./renewal-file.ts";

const clock = { monotonic: () => performance.now() };

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "renewal-file-"));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("the next daemon of this boot finds when the presence was renewed last", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "fleet", "renewed");
    assert.equal(await renewalFile(path, clock).read(), undefined);
    const now = Math.floor(clock.monotonic());
    await renewalFile(path, clock).write(now - 5000);
    await renewalFile(path, clock).write(now);
    const read = (await renewalFile(path, clock).read()) ?? assert.fail("nothing was read");
    // Neither the first nor none; two clocks are read one after the other, so it is not the moment itself.
    assert.ok(Math.abs(read - now) < 2500, `${read} for ${now}`);
  });
});

test("a renewal takes the place of the one before, so that a full disk has room for it", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "renewed");
    const file = renewalFile(path, clock);
    await file.write(clock.monotonic());
    const before = await stat(path);
    await file.write(clock.monotonic() + 1_000_000_000);
    const after = await stat(path);
    assert.deepEqual([after.ino, after.size], [before.ino, before.size]);
  });
});

test("what is no moment counts as none, and the next renewal is written over it", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "renewed");
    for (const text of ["", "soon\n", "12"]) {
      await writeFile(path, text);
      const file = renewalFile(path, clock);
      assert.equal(await file.read(), undefined, JSON.stringify(text));
      await file.write(clock.monotonic());
      assert.notEqual(await file.read(), undefined, await readFile(path, "utf8"));
    }
  });
});
