import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isFault } from "../../src/lib/fault.ts";
import { commit, fault, follow, put, silentEnv } from "../../src/store/contract-tools.ts";
import { openEmbeddedStore } from "../../src/store/embedded/embedded-store.ts";
import { exactly, under } from "../../src/store/range.ts";

/** A disk of its own, of two megabytes. */
const disk = mkdtempSync(join(tmpdir(), "argosy-full-"));
execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "argosy-full", disk]);
after(() => {
  execFileSync("umount", ["--lazy", disk]);
  rmdirSync(disk);
});

const ballast = join(disk, "ballast");
const leaseMs = 5_000;
const env = silentEnv();

function fillDisk(): void {
  const file = openSync(ballast, "a");
  const block = Buffer.alloc(4_096, 1);
  try {
    for (;;) writeSync(file, block);
  } catch (error) {
    assert.ok(error instanceof Error && "code" in error && error.code === "ENOSPC");
  } finally {
    closeSync(file);
  }
}

test("on a full disk writes fail, reads go on, and writes work again when there is space", async (context) => {
  const folder = join(disk, "store");
  const store = await openEmbeddedStore(folder, env);
  context.after(() => store.close());
  // Long enough that the disk is full before it runs out, also where all else is busy.
  const lease = await store.grantLease(leaseMs);
  const kept = await store.grantLease(600_000);
  const first = await commit(store, [
    put("/a", "1"),
    put("/doomed", "1", lease.id),
    put("/kept", "1", kept.id),
  ]);
  const watch = follow(store, "/", first);

  fillDisk();
  const written = new Map<string, string>();
  // The log has some room left in its last block; the disk is full when it says so.
  for (let number = 0; ; number++) {
    const writes = ["x", "y", "z"].map((name) => [`/${name}${number}`, "v".repeat(3_000)] as const);
    const outcomes = await Promise.allSettled(writes.map(([key, value]) => commit(store, [put(key, value)])));
    for (const [at, outcome] of outcomes.entries()) {
      const [key, value] = writes[at] ?? ["", ""];
      if (outcome.status === "fulfilled") written.set(key, value);
      else assert.ok(fault("store-no-space")(outcome.reason));
    }
    if (outcomes.every(({ status }) => status === "rejected")) break;
  }
  const full = await store.read(under("/"));
  assert.deepEqual(
    full.entries.filter(({ value }) => value.startsWith("v")).map(({ key }) => key),
    [...written.keys()].toSorted(),
    "what failed is not there, what was acknowledged is",
  );
  await assert.rejects(store.revokeLease(kept.id), fault("store-no-space"));
  await assert.rejects(store.grantLease(1_000), fault("store-no-space"));
  assert.deepEqual(await store.renewLease(kept.id), kept);
  const conflict = await store.commit({ when: [{ key: "/a", modRevision: 0 }], then: [] });
  assert.ok(!conflict.committed);
  // Its lease runs out meanwhile, and cannot be deleted.
  await env.clock.sleep(leaseMs + 500);
  assert.equal((await store.read(exactly("/doomed"))).entries.length, 1);

  rmSync(ballast);
  const again = await commit(store, [put("/a", "2")]);
  assert.ok(again > full.revision);
  const told = await watch.next(again);
  assert.ok(told.some((line) => line.endsWith(" a=2")));
  // The lease that ran out is ended without anybody's doing.
  while ((await store.read(exactly("/doomed"))).entries.length > 0) await watch.next(store.revision + 1);
  assert.equal((await store.read(exactly("/kept"))).entries.length, 1);
  await watch.end();
  const before = await store.read(under("/"));
  await store.close();

  const reopened = await openEmbeddedStore(folder, env);
  assert.deepEqual(await reopened.read(under("/")), before);
  await reopened.close();
});

test("a store cannot be made on a full disk, and says why", async () => {
  fillDisk();
  await assert.rejects(openEmbeddedStore(join(disk, "new"), env), (error: unknown) => {
    assert.ok(isFault(error, "store-no-space"), String(error));
    return fault("store-no-space")(error);
  });
  rmSync(ballast);
  const store = await openEmbeddedStore(join(disk, "new"), env);
  await commit(store, [put("/a", "1")]);
  await store.close();
});
