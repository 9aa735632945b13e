import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  startEmbedded,
  startOver,
  type ServerProcess,
  type ServerProgram,
} from "../test/conformance/server-process.ts";
import { builtProduct } from "../src/lab/product.ts";
import { etcdMalloc, etcdNodeFlags, memberLimits } from "../src/argosy/systemd-units.ts";
import { startEtcd } from "../test/etcd/etcd-process.ts";
import { flushesPerSecond } from "./flushes.ts";
import { processorMs } from "./processor-time.ts";
import { median, rounded, say, sayLoad } from "./figures.ts";
import type { Counted, Job } from "./keys-load.ts";

const clientCounts = [1, 64, 256];
const keys = 10_000;
const roundMs = 2_500;
/** Ours and etcd take turns this often; medians are told. */
const rounds = 3;
const fanOutWaits = 1_000;
const fanOutRounds = 10;
const heldWaits = 10_000;

const buildFolder = fileURLToPath(new URL("../build", import.meta.url));
/** What users run: the bundle, as etcd.service starts it. */
const product: ServerProgram = {
  command: [
    `${buildFolder}/node`,
    ...etcdNodeFlags,
    "--disable-warning=ExperimentalWarning",
    `${buildFolder}/etcd.mjs`,
  ],
  environment: settingsIn(etcdMalloc),
};
/** The limits of etcd-member.service, as flags. */
const memberFlags = Object.entries(settingsIn(memberLimits)).map(
  ([name, value]) =>
    `--${name
      .replace(/^ETCD_/, "")
      .toLowerCase()
      .replaceAll("_", "-")}=${value}`,
);

/** One server under measurement. */
interface Subject {
  readonly name: string;
  readonly port: number;
  /** The processes that share its work. */
  readonly pids: readonly number[];
}

/** Ours beside etcd's, by number of clients. */
interface Compared {
  readonly ratio: number;
  /** Processor time of each request, in µs: ours and etcd's. What else runs moves it less than the ratio. */
  readonly ownUs: number;
  readonly theirUs: number;
}

/**
 * `npm run bench -- keys`: the v2 keys API beside that of a real etcd 3.4, in turns: one member against the embedded store, and three
 * members against our gateway over the same three.
 */
export async function benchKeys(): Promise<void> {
  const load = new Load();
  try {
    await builtProduct(say);
    sayLoad();
    const limits = await measureLimits(load);
    const embedded = await measureEmbedded(load);
    const gateway = await measureGateway(load);
    sayLoad();
    say(JSON.stringify({ ...limits, ...embedded, ...gateway }));
  } finally {
    load.end();
  }
}

/** What this machine does when there is nothing to do but to answer, or to flush. */
async function measureLimits(load: Load): Promise<Record<string, number>> {
  const folder = await mkdtemp(join(tmpdir(), "argosy-bench-keys-"));
  const script = fileURLToPath(new URL("empty-server.ts", import.meta.url));
  const server = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const flushes = Math.round(flushesPerSecond(join(folder, "flushes")));
    const [line] = (await once(createInterface(server.stdout), "line")) as [string];
    const port = portOf(line);
    const { count, ms } = await load.run({ kind: "get", port, clients: 64, keys, ms: roundMs });
    const requests = Math.round((count / ms) * 1_000);
    say(
      `limits: Node's HTTP server without any work ${requests}/s with 64 clients, the disk ${flushes} flushes/s`,
    );
    return { emptyHttpPerSec: requests, flushesPerSec: flushes };
  } finally {
    server.kill();
    await rm(folder, { recursive: true });
  }
}

async function measureEmbedded(load: Load): Promise<Record<string, number>> {
  await using etcd = await startEtcd(1, ["--enable-v2=true"]);
  await using ours = await startEmbedded(product);
  const peer = { name: "etcd, one member", port: portOf(etcd.endpoints[0] ?? ""), pids: etcd.pids };
  const mine = { name: "argosy, embedded", port: portOf(ours.origin), pids: [ours.pid] };
  say("\nOne etcd member, and argosy etcd with the embedded store");
  for (const subject of [peer, mine]) await fill(load, subject);
  const gets = await compare(load, "get", peer, mine);
  const puts = await compare(load, "put", peer, mine);
  const fanOut = await compareFanOut(load, peer, mine);
  const waitBytes = await measureWaits(load, ours, mine);
  return {
    ...ratios("getRatio", gets),
    ...ratios("putEmbeddedRatio", puts),
    ...timesOf("get", gets),
    ...timesOf("putEmbedded", puts),
    fanoutRatio: fanOut,
    waitBytes,
  };
}

async function measureGateway(load: Load): Promise<Record<string, number>> {
  await using etcd = await startEtcd(3, ["--enable-v2=true", ...memberFlags]);
  // The leader: its clients spare themselves the way from another member to it. The gateway is one of them, too.
  const leader = etcd.endpoints[await etcd.leader()] ?? "";
  const others = etcd.endpoints.filter((endpoint) => endpoint !== leader);
  await using ours = await startOver([leader, ...others], product);
  const peer = { name: "etcd, three members", port: portOf(leader), pids: etcd.pids };
  const mine = { name: "argosy, gateway", port: portOf(ours.origin), pids: [ours.pid, ...etcd.pids] };
  say("\nThree etcd members, and a gateway over the same three");
  for (const subject of [peer, mine]) await fill(load, subject);
  const gets = await compare(load, "get", peer, mine);
  const puts = await compare(load, "put", peer, mine);
  const gatewayRssMb = rounded(residentBytes(ours.pid) / 2 ** 20);
  say(`the gateway's memory after the run, with ${keys} keys: ${gatewayRssMb} MB`);
  return {
    ...ratios("getGatewayRatio", gets),
    ...ratios("putGatewayRatio", puts),
    ...timesOf("getGateway", gets),
    ...timesOf("putGateway", puts),
    gatewayRssMb,
  };
}

/** Writes every key once, so that reads find them. */
async function fill(load: Load, { port }: Subject): Promise<void> {
  await load.run({ kind: "fill", port, keys });
}

function ratios(name: string, compared: ReadonlyMap<number, Compared>): Record<string, number> {
  return Object.fromEntries(Array.from(compared, ([clients, { ratio }]) => [`${name}${clients}`, ratio]));
}

/** Processor time with 64 clients. */
function timesOf(name: string, compared: ReadonlyMap<number, Compared>): Record<string, number> {
  const { ownUs = Number.NaN, theirUs = Number.NaN } = compared.get(64) ?? {};
  return { [`${name}CpuUs64`]: ownUs, [`${name}EtcdCpuUs64`]: theirUs };
}

/** Ours beside etcd's by number of clients. */
async function compare(
  load: Load,
  kind: "get" | "put",
  peer: Subject,
  mine: Subject,
): Promise<ReadonlyMap<number, Compared>> {
  const all = new Map<number, Compared>();
  for (const clients of clientCounts) {
    const [theirRates, ownRates]: [number[], number[]] = [[], []];
    const [theirTimes, ownTimes]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round += 1) {
      for (const [{ port, pids }, rates, each] of [
        [peer, theirRates, theirTimes],
        [mine, ownRates, ownTimes],
      ] as const) {
        const before = processorMs(pids);
        const { count, ms } = await load.run({ kind, port, clients, keys, ms: roundMs });
        rates.push((count / ms) * 1_000);
        each.push((1_000 * (processorMs(pids) - before)) / count);
      }
    }
    const [theirs, own] = [median(theirRates), median(ownRates)];
    const [theirUs, ownUs] = [Math.round(median(theirTimes)), Math.round(median(ownTimes))];
    all.set(clients, { ratio: rounded(own / theirs, 2), ownUs, theirUs });
    const label = `${kind.toUpperCase()}, ${clients} client${clients === 1 ? "" : "s"}`;
    say(
      `${label.padEnd(18)} ${peer.name} ${Math.round(theirs)}/s, ${mine.name} ${Math.round(own)}/s: ${rounded(own / theirs, 2)}; ` +
        `processor time of each ${theirUs} and ${ownUs} µs`,
    );
  }
  return all;
}

/** etcd's time over ours until every wait of a key is answered. */
async function compareFanOut(load: Load, peer: Subject, mine: Subject): Promise<number> {
  const times = new Map<Subject, number[]>([
    [peer, []],
    [mine, []],
  ]);
  for (let round = 0; round < rounds; round += 1) {
    for (const [subject, measured] of times) {
      const job = { kind: "fanOut", port: subject.port, waits: fanOutWaits, rounds: fanOutRounds } as const;
      measured.push(...(await load.run(job)).roundsMs);
    }
  }
  const [theirs, own] = [median(times.get(peer) ?? []), median(times.get(mine) ?? [])];
  say(
    `one write to ${fanOutWaits} waits: ${peer.name} ${rounded(theirs)} ms, ${mine.name} ${rounded(own)} ms: ${rounded(theirs / own, 2)}`,
  );
  return rounded(theirs / own, 2);
}

async function measureWaits(load: Load, server: ServerProcess, mine: Subject): Promise<number> {
  const before = residentBytes(server.pid);
  await load.run({ kind: "hold", port: mine.port, waits: heldWaits });
  const bytes = Math.round((residentBytes(server.pid) - before) / heldWaits);
  say(`${heldWaits} open waits: ${bytes} bytes of the server's memory each`);
  await load.run({ kind: "hold", port: mine.port, waits: 0 });
  return bytes;
}

/** The process that makes the load. */
class Load {
  readonly #child: ChildProcess = fork(fileURLToPath(new URL("keys-load.ts", import.meta.url)));
  readonly #ended: Promise<never> = once(this.#child, "exit").then(() => {
    throw new Error("the process that makes the load has ended");
  });

  constructor() {
    // It is heard of by the job under way, and after the last one nobody asks.
    this.#ended.catch(() => undefined);
  }

  async run(job: Job): Promise<Counted> {
    const answered = once(this.#child, "message") as Promise<[Counted]>;
    this.#child.send(job);
    const [counted] = await Promise.race([answered, this.#ended]);
    return counted;
  }

  end(): void {
    this.#child.kill();
  }
}

function settingsIn(text: string): Record<string, string> {
  return Object.fromEntries(text.split(" ").map((setting) => setting.split("=", 2)));
}

function portOf(origin: string): number {
  return Number(new URL(origin).port);
}

/** What of a process is in memory (proc(5), statm). */
function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}
