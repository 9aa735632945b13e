import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { backupLines } from "../src/store/transfer/backup.ts";

const run = promisify(execFile);
const checkout = fileURLToPath(new URL("..", import.meta.url));

test("the bundled product runs from a root folder, and installs itself from there", async () => {
  const folder = await mkdtemp(`${tmpdir()}/argosy-bundle-`);
  try {
    await run(process.execPath, [`${checkout}scripts/bundle.ts`]);
    const [first, second] = [`${folder}/first`, `${folder}/second`];
    await mkdir(first);
    await mkdir(second);
    await run(`${checkout}build/argosy`, ["install", "--root", first]);
    await run(`${first}/usr/bin/argosy`, ["install", "--root", second]);

    const { stdout } = await run(`${second}/usr/bin/argosy`, ["--version"]);
    assert.match(stdout, /^argosy version \d/);
    assert.match((await run(`${second}/usr/bin/fleetctl`, ["--version"])).stdout, /^fleetctl version \d/);
    assert.match((await run(`${second}/usr/bin/fleetd`, ["-version"])).stdout, /^fleetd version \d/);
    assert.match((await run(`${second}/usr/bin/etcdctl`, ["--version"])).stdout, /^etcdctl version: \d/);
    for (const later of ["locksmithctl", "coreos-cloudinit"]) {
      await assert.rejects(
        run(`${second}/usr/bin/${later}`, ["--any", "words"]),
        (error: { code?: number; stderr?: string }) =>
          error.code === 69 &&
          /^This release of Argosy does not contain .* yet; use .*\n$/.test(error.stderr ?? ""),
      );
    }
    const daemons = `import("${second}/usr/lib/argosy/daemons.mjs").then((all) => console.log(Object.keys(all.daemons).join()))`;
    assert.equal((await run(`${second}/usr/lib/argosy/node`, ["-e", daemons])).stdout, "fleet,etcd\n");

    // The embedded store's thread is a bundle of its own, which has to be found.
    const backup = `${folder}/of.backup`;
    const facts = { made: "2026-01-01T00:00:00.000Z", revision: 1, entries: 1 };
    await writeFile(
      backup,
      [...backupLines({ facts, entries: [{ key: "/argosy/a", value: "1" }] })].join(""),
    );
    const store = `${folder}/store`;
    await run(`${second}/usr/bin/argosy`, ["store", "restore", backup, "--to", `embedded:${store}`]);
    const checked = await run(`${second}/usr/bin/argosy`, ["store", "check", store, "--json"]);
    assert.equal((JSON.parse(checked.stdout) as { entries: number }).entries, 1);
  } finally {
    await rm(folder, { recursive: true });
  }
});
