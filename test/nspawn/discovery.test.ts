import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { labDown, labUp } from "../../src/lab/lab.ts";
import { builtProduct } from "../../src/lab/product.ts";
import type { MemberRow } from "../../src/membership/picture.ts";
import { freePorts } from "../etcd/etcd-process.ts";
import { FleetLab } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";
import { startNameServer } from "./name-server.ts";

// Machines that know nothing of each other become a cluster: through a token, and through names.

const byToken = testLab("token-lab");
const byNames = testLab("names-lab");
const argosy = fileURLToPath(new URL("../../bin/argosy.ts", import.meta.url));
let folder = "";
let service: ChildProcess;
let cluster: FleetLab;

before(async () => {
  await labDown(byToken);
  await labDown(byNames);
  folder = await mkdtemp(join(tmpdir(), "argosy-tokens-"));
});
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster.printJournals();
});
after(async () => {
  service.kill("SIGKILL");
  await labDown(byToken);
  await labDown(byNames);
  await rm(folder, { recursive: true, force: true });
});

/** Runs a command of this checkout on this machine; resolves with its process and its first line. */
async function run(...words: readonly string[]): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, [argosy, ...words], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  return { child, line };
}

async function rows(through: string): Promise<readonly MemberRow[]> {
  const text = await cluster.shell(through, "argosy member list --json");
  return (JSON.parse(text) as { machines: readonly MemberRow[] }).machines;
}

function named(machines: readonly MemberRow[], isMember: boolean): readonly string[] {
  return machines.filter(({ member }) => (member !== "") === isMember).map(({ name }) => name);
}

async function write(through: string, key: string): Promise<void> {
  const url = `${cluster.machine(through).keysApi}/v2/keys/${key}`;
  const body = new URLSearchParams({ value: through });
  // A connection that is kept may lead to a machine that has lost its power since.
  const answer = await fetch(url, { method: "PUT", body, headers: { Connection: "close" } });
  assert.equal(answer.status, 201, await answer.text());
}

test("of four machines with one token three become members and one a proxy; a fifth comes later", async () => {
  const [port = 0] = await freePorts(1);
  // Machines of a lab know this one as "host".
  const where = ["--listen", `0.0.0.0:${port}`, "--data-dir", folder, "--url", `http://host:${port}`];
  service = (await run("discovery", "serve", ...where)).child;
  const { line: token } = await run("discovery", "new", "--size", "3", "--url", `http://127.0.0.1:${port}`);
  assert.match(token, new RegExp(`^http://host:${port}/[0-9a-f]{32}$`));
  const product = await builtProduct(() => {});
  cluster = new FleetLab(
    await labUp({ name: byToken, machines: 4, store: { by: "token", url: token }, product }),
  );
  const machines = await rows("m1");
  assert.equal(named(machines, true).length, 3);
  const [proxy = ""] = named(machines, false);
  assert.equal(await cluster.shell(proxy, "systemctl is-active etcd-member || true"), "inactive\n");
  await write(proxy, "from-a-proxy");

  cluster.lab = await labUp({ name: byToken, machines: 5, product });
  await cluster.untilWhole();
  assert.deepEqual(named(await rows("m5"), false), [proxy, "m5"].sort());
  await write("m5", "from-the-last");
});

test("without the discovery service everything goes on, also after all machines have lost their power", async () => {
  service.kill("SIGKILL");
  await rm(folder, { recursive: true });
  const earlier = named(await rows("m1"), true);
  for (const { name } of cluster.machines) await cluster.lab.kill(name);
  await Promise.all(cluster.machines.map(async ({ name }) => await cluster.lab.revive(name)));
  await cluster.untilWhole();
  assert.deepEqual(named(await rows("m5"), true), earlier);
  await write("m5", "without-the-service");
  assert.equal(await cluster.shell("m5", "curl -s 127.0.0.1:4001/v2/keys/from-the-last | grep -c m5"), "1\n");
  await labDown(byToken);
});

test("machines whose addresses a domain names become members, others proxies", async () => {
  const names = await startNameServer(53, (type, name, from) => {
    const [, host] = /^(m[123])\.cluster\.test$/.exec(name) ?? [];
    const network = from.replace(/\.\d+$/, "");
    if (type === "A" && host !== undefined) return [{ address: `${network}.1${host.slice(1)}` }];
    const port = { "_etcd-server._tcp.cluster.test": 2380, "_etcd-client._tcp.cluster.test": 2379 }[name];
    if (type !== "SRV" || port === undefined) return [];
    return ["m1", "m2", "m3"].map((each) => ({ port, target: `${each}.cluster.test` }));
  });
  try {
    const product = await builtProduct(() => {});
    const store = { by: "names", domain: "cluster.test" } as const;
    cluster = new FleetLab(await labUp({ name: byNames, machines: 4, store, product }));
  } finally {
    names.close();
  }
  const machines = await rows("m4");
  assert.deepEqual(named(machines, true).toSorted(), ["m1", "m2", "m3"]);
  assert.deepEqual(named(machines, false), ["m4"]);
  await write("m4", "by-name");
});
