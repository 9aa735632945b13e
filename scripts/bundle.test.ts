import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { backupLines } from "../src/store/transfer/backup.ts";

const run = promisify(execFile);
/** The kernel counts processor time in hundredths of a second. */
const msOfTick = 10;
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
    // What V8 made of fleetctl came along, and is used.
    const load = (await readFile(`${second}/usr/lib/argosy/fleetctl.cjs`, "utf8")).replace(
      ".runInThisContext()",
      ".cachedDataRejected",
    );
    await writeFile(
      `${second}/usr/lib/argosy/try.cjs`,
      load.replace("new Script", "process.exitCode = +new Script"),
    );
    await run(`${second}/usr/lib/argosy/node`, [
      "--disable-warning=ExperimentalWarning",
      `${second}/usr/lib/argosy/try.cjs`,
    ]);
    assert.match((await run(`${second}/usr/bin/fleetd`, ["-version"])).stdout, /^fleetd version \d/);
    assert.match((await run(`${second}/usr/bin/etcdctl`, ["--version"])).stdout, /^etcdctl version: \d/);
    const locksmithctl = await run(`${second}/usr/bin/locksmithctl`, ["--version"]);
    assert.match(locksmithctl.stdout, /^locksmithctl version \d/);
    assert.match((await run(`${second}/usr/bin/coreos-cloudinit`, ["--help"])).stdout, /--from-file=PATH/);
    const daemons = `import("${second}/usr/lib/argosy/daemons.mjs").then((all) => console.log(Object.keys(all.daemons).join()))`;
    assert.equal(
      (await run(`${second}/usr/lib/argosy/node`, ["-e", daemons])).stdout,
      "fleet,etcd,locksmith,update-engine\n",
    );

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

    // argosy etcd is a bundle of its own over a folder, and gets what etcd needs from that of the daemons.
    for (const words of [
      ["--data-dir", `${folder}/keys`],
      ["--store", "etcd", "--endpoints", "http://127.0.0.1:9"],
    ]) {
      const server = await start(`${second}/usr/bin/argosy`, ["etcd", ...words]);
      try {
        const answer = await fetch(`${server.origin}/v2/machines`);
        assert.equal(answer.status, 200);
        assert.equal(await answer.text(), server.origin);
        // Unlike the time on the clock it does not depend on what else the machine does.
        assert.ok(server.processorMs < 1_500, `it took ${server.processorMs} ms until it served`);
      } finally {
        assert.equal(await server.stop(), 0);
      }
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

interface Started {
  readonly origin: string;
  /** Of the processor, until it said where it listens. */
  readonly processorMs: number;
  readonly stop: () => Promise<number | null>;
}

async function start(program: string, words: readonly string[]): Promise<Started> {
  const child = spawn(program, [...words, "--listen-client", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "ignore"],
    // As on a machine, where nothing is kept compiled.
    env: { ...process.env, NODE_COMPILE_CACHE: undefined },
  });
  const exited = once(child, "exit") as Promise<[number | null]>;
  const said = once(createInterface(child.stdout), "line") as Promise<[string]>;
  const line = await Promise.race([said, exited.then(() => undefined)]);
  const origin = /http:\S+$/.exec(line?.[0] ?? "")?.[0] ?? assert.fail("it did not say where it listens");
  const [, later = ""] = (await readFile(`/proc/${child.pid}/stat`, "utf8")).split(") ");
  const [user = "", system = ""] = later.split(" ").slice(11, 13);
  return {
    origin,
    processorMs: (Number(user) + Number(system)) * msOfTick,
    stop: async () => {
      child.kill("SIGTERM");
      return (await exited)[0];
    },
  };
}
