import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { isKeysError } from "../../src/keys/errors.ts";
import { openLocalKeyspace } from "../../src/keys/local-keyspace.ts";
import { commit, keysAndValues, put, silentEnv } from "../../src/store/contract-tools.ts";
import { openEmbeddedStore } from "../../src/store/embedded/embedded-store.ts";
import { openEtcdStore } from "../../src/store/etcd/etcd-store.ts";
import { under } from "../../src/store/range.ts";
import { serveStore } from "../../src/store/server/store-server.ts";
import type { Store } from "../../src/store/store.ts";
import { type EtcdCluster, startEtcd } from "./etcd-process.ts";

const env = silentEnv();
const folder = await mkdtemp(join(tmpdir(), "argosy-transfer-"));
let cluster: EtcdCluster;
let etcd: string;

before(async () => {
  cluster = await startEtcd(1);
  etcd = cluster.endpoints[0] ?? "";
});

after(async () => {
  await cluster[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `argosy store WORDS`. */
function argosyStore(...words: readonly string[]): Promise<Ran> {
  const program = fileURLToPath(new URL("../../bin/argosy.ts", import.meta.url));
  return new Promise((resolve) => {
    execFile(process.execPath, [program, "store", ...words], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

function parsed(ran: Ran): Record<string, unknown> {
  assert.equal(ran.code, 0, ran.stderr);
  return JSON.parse(ran.stdout) as Record<string, unknown>;
}

/** What the v2 keys show: the whole tree with indices and deadlines, the index, and an event of the past. */
async function keysOf(store: Store): Promise<unknown> {
  const end = new AbortController();
  const keyspace = openLocalKeyspace(env, store, end.signal);
  const limit = new AbortController().signal;
  const read = { do: "read", path: "/", recursive: true, sorted: true, quorum: true } as const;
  const answer = await keyspace.read(read, limit);
  assert.ok(!isKeysError(answer));
  const watch = await keyspace.watch(
    { do: "watch", path: "/a", recursive: false, stream: false, waitIndex: 1 },
    limit,
  );
  assert.ok(!isKeysError(watch));
  const event = await watch.next(limit);
  end.abort(new Error("the test has seen enough"));
  await keyspace.ended;
  // What is left of a time to live goes on; the moment it ends at stays.
  const shown = JSON.stringify({ answer, event }, (name, value: unknown) =>
    name === "ttl" ? undefined : value,
  );
  return JSON.parse(shown);
}

test("everything moves from the embedded store to an etcd and back, with indices and times to live", async () => {
  const [home, back] = [join(folder, "home"), join(folder, "back")];
  const embedded = await openEmbeddedStore(home, env);
  const end = new AbortController();
  const keyspace = openLocalKeyspace(env, embedded, end.signal);
  for (let number = 1; number <= 30; number++) {
    const deadlineMs = number % 3 === 0 ? env.clock.now() + 3_600_000 : undefined;
    const path = number === 30 ? "/deep/er/key" : `/${"abc"[number % 3]}`;
    await keyspace.write(
      { do: "set", path, value: `${number} \u{1f600}\0`, deadlineMs, directory: false, refresh: false },
      end.signal,
    );
  }
  end.abort(new Error("enough was written"));
  await keyspace.ended;
  const lease = await embedded.grantLease(600_000);
  await commit(embedded, [put("/argosy/fleet/life", "1", lease.id), put("/argosy/identity", "me")]);
  await commit(embedded, [put("/elsewhere", "not ours")]);
  const keys = await keysOf(embedded);
  await embedded.close();

  const planned = parsed(
    await argosyStore("migrate", "--from", `embedded:${home}`, "--to", etcd, "--dry-run", "--json"),
  );
  const moved = parsed(await argosyStore("migrate", "--from", `embedded:${home}`, "--to", etcd, "--json"));
  assert.equal(moved["checksum"], planned["checksum"]);
  assert.deepEqual([moved["leased"], planned["targetWasEmpty"]], [1, true]);
  const target = openEtcdStore(env, { endpoints: [etcd] });
  assert.deepEqual(await keysOf(target), keys);
  const { entries } = await target.read(under("/argosy/fleet/"));
  assert.deepEqual(keysAndValues(entries), ["/argosy/fleet/life=1"]);
  assert.equal((await target.renewLease(entries[0]?.lease ?? "none")).ttlMs, 600_000);
  assert.equal((await target.read(under("/elsewhere"))).entries.length, 0);
  await target.close();

  const again = await argosyStore("migrate", "--from", `embedded:${home}`, "--to", etcd);
  assert.equal(again.code, 1);
  assert.match(
    again.stderr,
    /^Error: Cannot fill the store, it holds data of Argosy already: give --replace[^\n]*\n$/,
  );

  const returned = await argosyStore("migrate", "--from", etcd, "--to", `embedded:${back}`);
  assert.equal(returned.code, 0, returned.stderr);
  assert.match(
    returned.stdout,
    new RegExp(
      `^Copied .*\nBoth hold ${String(moved["entries"])} entries with checksum ${String(moved["checksum"])}`,
    ),
  );
  const reopened = await openEmbeddedStore(back, env);
  assert.deepEqual(await keysOf(reopened), keys);
  await reopened.close();
});

test("a backup of a store that is used comes back whole, and one that is damaged does not come back at all", async () => {
  const [home, fresh, file] = [join(folder, "used"), join(folder, "fresh"), join(folder, "file.backup")];
  const used = await openEmbeddedStore(home, env);
  const server = await serveStore(used, { address: "127.0.0.1:0" }, env);
  for (let part = 0; part < 12; part++) {
    const puts = Array.from({ length: 100 }, (_, i) => put(`/argosy/k/${part}/${i}`, `line\n"${i}"`));
    await commit(used, puts);
  }
  const lease = await used.grantLease(600_000);
  await commit(used, [put("/argosy/life", "1", lease.id)]);
  const stop = new AbortController();
  const writing = (async () => {
    for (let number = 0; !stop.signal.aborted; number++) {
      // Two keys that are always the same: a backup that is not of one moment would tell them apart.
      await commit(used, [put("/argosy/k/0/0", String(number)), put("/argosy/z", String(number))]);
      await env.clock.sleep(1);
    }
  })();
  const saved = await argosyStore("backup", file, "--from", server.endpoint, "--json");
  stop.abort();
  await writing;
  await server.close();
  await used.close();
  assert.deepEqual([parsed(saved)["entries"], parsed(saved)["leftOut"]], [1_201, 1]);

  const locked = await openEmbeddedStore(fresh, env);
  const refused = await argosyStore("restore", file, "--to", `embedded:${fresh}`);
  assert.match(
    refused.stderr,
    /^Error: Cannot open the store in [^\n]*, another process has it open: [^\n]*\n$/,
  );
  await locked.close();

  const restored = await argosyStore("restore", file, "--to", `embedded:${fresh}`, "--json");
  assert.equal(parsed(restored)["checksum"], parsed(saved)["checksum"]);
  const checked = await argosyStore("check", fresh, "--json");
  assert.equal(parsed(checked)["checksum"], parsed(saved)["checksum"]);
  const store = await openEmbeddedStore(fresh, env);
  const values = keysAndValues((await store.read(under("/argosy/"))).entries);
  const first = values.find((line) => line.startsWith("/argosy/k/0/0="));
  assert.equal(first?.split("=")[1], values.find((line) => line.startsWith("/argosy/z="))?.split("=")[1]);
  await store.close();

  const text = await readFile(file, "utf8");
  for (const damaged of [text.replace("line", "lime"), text.slice(0, -90), text.slice(0, text.length / 2)]) {
    await writeFile(file, damaged);
    const failed = await argosyStore("restore", file, "--to", `embedded:${fresh}`, "--replace");
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /^Error: Cannot read [^\n]*file\.backup, it is damaged[^\n]*\n$/);
  }
  assert.equal(parsed(await argosyStore("check", fresh, "--json"))["checksum"], parsed(saved)["checksum"]);
});

test("a store that is damaged is moved aside for a backup", async () => {
  const [home, file] = [join(folder, "broken"), join(folder, "before.backup")];
  const store = await openEmbeddedStore(home, env);
  await commit(store, [put("/argosy/a", "x".repeat(20_000))]);
  await store.close();
  parsed(await argosyStore("backup", file, "--from", `embedded:${home}`, "--json"));
  const bytes = await readFile(join(home, "store.db"));
  const at = bytes.indexOf("xxxxxxxxxxxx");
  bytes[at] = 0x79;
  await writeFile(join(home, "store.db"), bytes);

  const checked = await argosyStore("check", home);
  assert.equal(checked.code, 1);
  assert.match(
    checked.stderr,
    /^Error: Cannot open the store in [^\n]*, its file store\.db is damaged \(the row of key \/argosy\/a\): [^\n]*argosy store restore[^\n]*\n$/,
  );
  const restored = parsed(
    await argosyStore("restore", file, "--to", `embedded:${home}`, "--replace", "--json"),
  );
  assert.match(String(restored["aside"]), /broken\/damaged-[0-9]{14}$/);
  assert.deepEqual(await readFile(join(String(restored["aside"]), "store.db")), bytes);
  assert.equal(parsed(await argosyStore("check", home, "--json"))["entries"], 1);
});
