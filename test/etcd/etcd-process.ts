import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEtcdStore } from "../../src/store/etcd/etcd-store.ts";
import { silentEnv } from "../../src/store/contract-tools.ts";
import { sentenceOf } from "../../src/lib/fault.ts";

/** Lines of a member's log that are kept, to explain why it did not start. */
const logLines = 40;
/** A member that has not answered after so many tries, 100 ms apart, is taken for broken. */
const mostTries = 300;

/** A real etcd cluster on loopback, in this machine's processes. */
export interface EtcdCluster extends AsyncDisposable {
  readonly endpoints: readonly string[];
  /** Of the members that run. */
  readonly pids: readonly number[];
  /** Which member leads now. */
  leader(): Promise<number>;
  /** Ends a member at once, as a power cut does. */
  kill(member: number): Promise<void>;
  /** Freezes a member: its connections stay open and silent. */
  pause(member: number): void;
  resume(member: number): void;
  /** Starts a killed member again on its data; resolves when it answers (with the cluster, if there are enough). */
  restart(member: number): Promise<void>;
}

/** Starts a cluster and waits until it serves; disposing of it ends its processes and removes its data. */
export async function startEtcd(size: number, flags: readonly string[] = []): Promise<EtcdCluster> {
  const cluster = new LocalCluster(
    await mkdtemp(join(tmpdir(), "argosy-etcd-")),
    await freePorts(2 * size),
    flags,
  );
  try {
    await Promise.all(cluster.endpoints.map((_, member) => cluster.restart(member)));
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
  return cluster;
}

class LocalCluster implements EtcdCluster {
  readonly endpoints: readonly string[];
  readonly #peers: readonly string[];
  readonly #directory: string;
  readonly #flags: readonly string[];
  readonly #processes = new Map<number, ChildProcess>();
  readonly #logs: string[][] = [];
  readonly #endWithUs = (): void => {
    for (const child of this.#processes.values()) child.kill("SIGKILL");
  };

  constructor(directory: string, ports: readonly number[], flags: readonly string[]) {
    const size = ports.length / 2;
    this.endpoints = ports.slice(0, size).map((port) => `http://127.0.0.1:${port}`);
    this.#peers = ports.slice(size).map((port) => `http://127.0.0.1:${port}`);
    this.#directory = directory;
    this.#flags = flags;
    process.on("exit", this.#endWithUs);
  }

  get pids(): readonly number[] {
    return Array.from(this.#processes.values(), ({ pid }) => pid ?? 0);
  }

  async restart(member: number): Promise<void> {
    this.#spawn(member);
    await this.#answering(member);
  }

  async kill(member: number): Promise<void> {
    const child = this.#processes.get(member);
    if (child === undefined) return;
    this.#processes.delete(member);
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  pause(member: number): void {
    this.#processes.get(member)?.kill("SIGSTOP");
  }

  resume(member: number): void {
    this.#processes.get(member)?.kill("SIGCONT");
  }

  async leader(): Promise<number> {
    for (const member of this.#processes.keys()) {
      const status = await maintenanceStatus(this.endpoints[member] ?? "");
      if (status !== undefined && status.leader !== "0" && status.leader === status.header.member_id)
        return member;
    }
    throw new Error("No etcd member leads: wait for the election.");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off("exit", this.#endWithUs);
    await Promise.all(this.endpoints.map((_, member) => this.kill(member)));
    await rm(this.#directory, { recursive: true, force: true });
  }

  #spawn(member: number): void {
    const cluster = this.#peers.map((peer, i) => `member${i}=${peer}`).join(",");
    const client = this.endpoints[member] ?? "";
    const peer = this.#peers[member] ?? "";
    const settings = [
      ["--name", `member${member}`],
      ["--data-dir", join(this.#directory, String(member))],
      ["--listen-client-urls", client],
      ["--advertise-client-urls", client],
      ["--listen-peer-urls", peer],
      ["--initial-advertise-peer-urls", peer],
      ["--initial-cluster", cluster],
      ["--initial-cluster-state", "new"],
    ];
    const child = spawn("etcd", [...settings.flat(), ...this.#flags], { stdio: ["ignore", "pipe", "pipe"] });
    const log: string[] = [];
    this.#logs[member] = log;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        log.push(...text.trimEnd().split("\n"));
        log.splice(0, log.length - logLines);
      });
    }
    child.on("error", (error) =>
      log.push(`Cannot start etcd, ${error.message}: install the package etcd-server.`),
    );
    this.#processes.set(member, child);
  }

  /** Waits for the port alone, if too few members run for the cluster to answer. */
  async #answering(member: number): Promise<void> {
    const needed = Math.floor(this.endpoints.length / 2) + 1;
    const endpoint = this.endpoints[member] ?? "";
    const env = silentEnv();
    let why = "";
    for (let attempt = 0; attempt < mostTries; attempt++) {
      if (this.#processes.size < needed) return;
      const store = openEtcdStore(env, { endpoints: [endpoint] });
      try {
        await store.read({ from: "/" });
        return;
      } catch (error) {
        why = sentenceOf(error);
        await env.clock.sleep(100);
      } finally {
        await store.close();
      }
    }
    throw new Error(`etcd did not start: ${why}\n${(this.#logs[member] ?? []).join("\n")}`);
  }
}

interface MemberStatus {
  readonly leader: string;
  readonly header: { readonly member_id: string };
}

/** Over etcd's JSON gateway: who the member is and whom it follows. */
async function maintenanceStatus(endpoint: string): Promise<MemberStatus | undefined> {
  try {
    const response = await fetch(`${endpoint}/v3/maintenance/status`, { method: "POST", body: "{}" });
    return (await response.json()) as MemberStatus;
  } catch {
    return undefined;
  }
}

/** Ports that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("A TCP server has a port.");
    return address.port;
  });
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}
