import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { silentEnv } from "../../src/store/contract-tools.ts";
import { openMemberReader } from "../../src/store/etcd/cluster-members.ts";
import { freePorts, startEtcd } from "./etcd-process.ts";

// etcd's own bootstrap through our discovery service: real processes on loopback.

const argosy = fileURLToPath(new URL("../../bin/argosy.ts", import.meta.url));

/** Processes and folders of one test, all gone at its end. */
class Site implements AsyncDisposable {
  readonly folder: string;
  readonly #children: ChildProcess[] = [];

  constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<Site> {
    return new Site(await mkdtemp(join(tmpdir(), "argosy-discovery-")));
  }

  /** Starts a program and resolves with its first line on standard output. */
  async serve(...words: readonly string[]): Promise<{ child: ChildProcess; line: string }> {
    const child = spawn(process.execPath, [argosy, ...words], { stdio: ["ignore", "pipe", "inherit"] });
    this.#children.push(child);
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    return { child, line };
  }

  /** Starts an etcd that is told the token and nothing of others; returns what it logs, as it comes. */
  etcd(name: string, token: string, ports: readonly number[], fallback = "exit"): Etcd {
    const [client = 0, peer = 0] = ports;
    const endpoint = `http://127.0.0.1:${client}`;
    const flags = [
      ["--name", name],
      ["--data-dir", join(this.folder, name)],
      ["--discovery", token],
      ["--discovery-fallback", fallback],
      ["--listen-client-urls", endpoint],
      ["--advertise-client-urls", endpoint],
      ["--listen-peer-urls", `http://127.0.0.1:${peer}`],
      ["--initial-advertise-peer-urls", `http://127.0.0.1:${peer}`],
    ];
    const child = spawn("etcd", flags.flat(), { stdio: ["ignore", "pipe", "pipe"] });
    this.#children.push(child);
    const log: string[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => log.push(text));
    return { child, endpoint, log: () => log.join("") };
  }

  async end(child: ChildProcess, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#children.map((child) => this.end(child)));
    await rm(this.folder, { recursive: true, force: true });
  }
}

interface Etcd {
  readonly child: ChildProcess;
  readonly endpoint: string;
  readonly log: () => string;
}

/** The names of the members, as soon as all of them are there and one leads. */
async function membersAt(endpoints: readonly string[], count: number): Promise<readonly string[]> {
  const reader = openMemberReader(silentEnv(), { endpoints });
  try {
    for (let tries = 0; tries < mostTries; tries++) {
      const known = await reader.read().catch(() => undefined);
      const names = known?.members.map(({ name }) => name).filter((name) => name !== "") ?? [];
      if (known?.leader !== undefined && known.leader !== "0" && names.length === count) return names.sort();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error(`no cluster of ${count} members came into being`);
  } finally {
    reader.close();
  }
}
const mostTries = 400;

test("three etcds that know only a token become a cluster, which outlives the discovery service", async () => {
  await using site = await Site.make();
  const tokens = join(site.folder, "tokens");
  const service = await site.serve("discovery", "serve", "--listen", "127.0.0.1:0", "--data-dir", tokens);
  const [url = ""] = /http:.*/.exec(service.line) ?? [];
  const { line: token } = await site.serve("discovery", "new", "--size", "3", "--url", url);
  assert.match(token, new RegExp(`^${url}/[0-9a-f]{32}$`));

  const ports = await freePorts(8);
  const portsOf = (number: number): readonly number[] => ports.slice(2 * number, 2 * number + 2);
  const members = ["m1", "m2", "m3"].map((name, number) => site.etcd(name, token, portsOf(number)));
  const endpoints = members.map(({ endpoint }) => endpoint);
  assert.deepEqual(await membersAt(endpoints, 3), ["m1", "m2", "m3"]);

  const late = site.etcd("m4", token, portsOf(3));
  await once(late.child, "close");
  assert.match(late.log(), /cluster is full/);

  await site.end(service.child);
  await Promise.all(members.map(({ child }) => site.end(child)));
  ["m1", "m2", "m3"].map((name, number) => site.etcd(name, token, portsOf(number)));
  assert.deepEqual(await membersAt(endpoints, 3), ["m1", "m2", "m3"], "from their data, without the service");
});

test("a member that comes a second time without its data is told that it has registered", async () => {
  await using site = await Site.make();
  const service = await site.serve(
    "discovery",
    "serve",
    "--listen",
    "127.0.0.1:0",
    "--data-dir",
    site.folder,
  );
  const [url = ""] = /http:.*/.exec(service.line) ?? [];
  const { line: token } = await site.serve("discovery", "new", "--size", "2", "--url", url);
  const ports = await freePorts(2);
  const first = site.etcd("m1", token, ports);
  while (((await (await fetch(token)).text()).match(/m1=http/g) ?? []).length === 0)
    await new Promise((resolve) => setTimeout(resolve, 100));
  await site.end(first.child);
  await rm(join(site.folder, "m1"), { recursive: true, force: true });
  const second = site.etcd("m1", token, ports);
  await once(second.child, "close");
  assert.match(second.log(), /has previously registered/);
});

test("a service that is killed amid a bootstrap goes on with its tokens when it returns", async () => {
  await using site = await Site.make();
  const [port = 0, ...ports] = await freePorts(7);
  const where = ["--listen", `127.0.0.1:${port}`, "--data-dir", join(site.folder, "tokens")];
  const service = await site.serve("discovery", "serve", ...where);
  const { line: token } = await site.serve("discovery", "new", "--url", `http://127.0.0.1:${port}`);
  const [first, second, third] = [ports.slice(0, 2), ports.slice(2, 4), ports.slice(4, 6)];
  const members = [site.etcd("m1", token, first), site.etcd("m2", token, second)];
  while (((await (await fetch(token)).text()).match(/m[12]=http/g) ?? []).length < 2)
    await new Promise((resolve) => setTimeout(resolve, 100));
  await site.end(service.child);
  await site.serve("discovery", "serve", ...where);
  members.push(site.etcd("m3", token, third));
  const endpoints = members.map(({ endpoint }) => endpoint);
  assert.deepEqual(await membersAt(endpoints, 3), ["m1", "m2", "m3"]);
});

test("two services that share an etcd know each other's tokens", async () => {
  await using site = await Site.make();
  await using etcd = await startEtcd(1);
  const where = ["--listen", "127.0.0.1:0", "--endpoints", etcd.endpoints.join(",")];
  const urls: string[] = [];
  for (const flags of [where, where]) {
    const { line } = await site.serve("discovery", "serve", ...flags);
    urls.push(/http:.*/.exec(line)?.[0] ?? "");
  }
  const { line: token } = await site.serve("discovery", "new", "--size", "5", "--url", urls[0] ?? "");
  const elsewhere = token.replace(urls[0] ?? "", urls[1] ?? "");
  const register = await fetch(`${elsewhere}/abc?prevExist=false`, {
    method: "PUT",
    body: new URLSearchParams({ value: "m1=http://10.0.0.1:2380" }),
  });
  assert.equal(register.status, 201, await register.text());
  assert.match(await (await fetch(`${token}?quorum=true`)).text(), /m1=http:/);
});

test("an etcd with a token that nobody made does not start", async () => {
  await using site = await Site.make();
  const service = await site.serve(
    "discovery",
    "serve",
    "--listen",
    "127.0.0.1:0",
    "--data-dir",
    site.folder,
  );
  const [url = ""] = /http:.*/.exec(service.line) ?? [];
  const lost = site.etcd("m1", `${url}/${"0".repeat(32)}`, await freePorts(2));
  await once(lost.child, "close");
  assert.match(lost.log(), /Key not found|size key not found/);
});
