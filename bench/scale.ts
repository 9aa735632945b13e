import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { fleetNodeFlags } from "../src/argosy/systemd-units.ts";
import type { Machine } from "../src/fleet/model.ts";
import { parseUnitFile } from "../src/unit/parse.ts";
import { type EtcdCluster, startEtcd } from "../test/etcd/etcd-process.ts";
import { countOf, kvOf, othersOf, perSecond, requestsWithin } from "./etcd-requests.ts";
import { percentile, rounded, say, sayLoad } from "./figures.ts";
import { FleetLoad } from "./fleet-load.ts";
import type { ScaleJob, ScaleReport } from "./scale-process.ts";
import { type SyntheticUnit, syntheticMachines, syntheticUnits } from "./synthetic-cluster.ts";

const usualSizes = [10, 300, 1_000] as const;
const usualUnits = 10_000;
/** Machines that one process of the benchmark holds. */
const mostPerProcess = 250;
const startsPerSec = 20;
const starts = 600;
/** Starts one after another, and the pause behind each, in which its machine tells all that it has to tell. */
const singles = 40;
const singleGapMs = 150;
/** How long the idle cluster is watched, to tell what it asks the store for when nothing happens. */
const idleMs = 10_000;
/** Starts are measured again when a machine was too busy to keep all leases alive meanwhile, so often at most. */
const mostRounds = 3;
/** After the last start is active, what it caused still comes: the event keeper, the last words of agents. */
const afterglowMs = 2_000;
/** So long that only what never comes true reaches it. */
const patienceMs = 300_000;
const lookAgainMs = 500;
const sayEveryMs = 15_000;
const mostAttempts = 20;
const plainText = "[Service]\nExecStart=/usr/bin/sleep infinity\n";

/**
 * A cluster of simulated machines (real agents with connections of their own to a real etcd, systemd faked), the real engine
 * and the real API in a process of their own: what a start costs the store with 10, 300 and 1,000 machines that hold 10,000 units,
 * what 20 starts a second cost the engine, and how long everything takes to be well again after etcd, engine and API are killed.
 * @param words other numbers of machines, and `--units` for another number of units
 */
export async function benchScale(words: readonly string[] = []): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...words],
    options: { units: { type: "string" } },
    allowPositionals: true,
  });
  const sizes = positionals.length === 0 ? usualSizes : positionals.map(Number);
  const unitCount = Number(values.units ?? usualUnits);
  const opsPerStart: number[] = [];
  const pacedOps: number[] = [];
  const cpu: number[] = [];
  const converge: number[] = [];
  const p95: number[] = [];
  for (const size of sizes) {
    say(`${size} machines, ${unitCount} units`);
    sayLoad();
    await using etcd = await startEtcd(1);
    using cluster = new ScaleCluster(etcd, size);
    const figures = await measure(cluster, etcd, size, unitCount);
    opsPerStart.push(figures.opsPerStart);
    pacedOps.push(figures.pacedOps);
    cpu.push(figures.cpu);
    converge.push(figures.convergeSec);
    p95.push(figures.p95Ms);
  }
  sayLoad();
  const result = {
    ...Object.fromEntries(sizes.map((size, at) => [`opsPerStart${size}`, opsPerStart[at]])),
    ...Object.fromEntries(sizes.map((size, at) => [`pacedOpsPerStart${size}`, pacedOps[at]])),
    engineCpu: Math.max(...cpu),
    convergeSec: Math.max(...converge),
    ...Object.fromEntries(sizes.map((size, at) => [`startP95Ms${size}`, p95[at]])),
  };
  say(JSON.stringify(result));
}

async function measure(
  cluster: ScaleCluster,
  etcd: EtcdCluster,
  size: number,
  unitCount: number,
): Promise<{ opsPerStart: number; pacedOps: number; cpu: number; convergeSec: number; p95Ms: number }> {
  const machines = syntheticMachines(size);
  await cluster.start(machines);
  const begunMs = performance.now();
  const units = syntheticUnits(unitCount, machines);
  const wanted = await cluster.fill(units);
  say(`  ${wanted} units run after ${seconds(performance.now() - begunMs)} s`);

  await settle(etcd);
  const idle = await requestsWithin(etcd, () => sleep(idleMs));
  say(`  idle: ${perSecond(idle, idleMs)}`);
  const opsPerStart = await measureSingles(cluster, etcd);
  let figures = await measureStarts(cluster, etcd, 1);
  for (let round = 2; figures.lapsed > 0 && round <= mostRounds; round++) {
    say(
      `  ${figures.lapsed} leases were lost meanwhile, which costs the store more than starts do; once more`,
    );
    await settle(etcd);
    figures = await measureStarts(cluster, etcd, round);
  }
  const { pacedOps, cpu, p95Ms } = figures;
  const convergeSec = await cluster.restartControl(etcd, wanted + cluster.started);
  const { rssMb } = await cluster.control();
  say(
    `  control plane killed and started again: well after ${convergeSec} s (its memory: ${rssMb.toFixed(0)} MB)`,
  );
  return { opsPerStart, pacedOps, cpu, convergeSec, p95Ms };
}

/**
 * What one start costs the store when no other one shares its transactions: units are started one after another, and everything
 * that is read or written meanwhile is counted, also by machines that have nothing to do with it.
 */
async function measureSingles(cluster: ScaleCluster, etcd: EtcdCluster): Promise<number> {
  const requests = kvOf(
    await requestsWithin(etcd, async () => {
      await cluster.startInTurn();
      await sleep(afterglowMs);
    }),
  );
  const opsPerStart = rounded(countOf(requests) / singles, 2);
  const split = Array.from(requests, ([method, count]) => `${method} ${(count / singles).toFixed(2)}`);
  say(`  one start at a time: ${opsPerStart} requests to the store for each (${split.join(", ")})`);
  return opsPerStart;
}

/**
 * Starts units at an even pace and counts what that costs. Every call that reads or writes is counted; the renewals of leases, which
 * come as often when nothing happens, are not among them.
 */
async function measureStarts(
  cluster: ScaleCluster,
  etcd: EtcdCluster,
  round: number,
): Promise<{ pacedOps: number; cpu: number; p95Ms: number; lapsed: number }> {
  const cpuBefore = await cluster.controlCpuMs();
  const startedMs = performance.now();
  const times: number[] = [];
  let cpu = 0;
  let tookMs = 0;
  const busy = await requestsWithin(etcd, async () => {
    times.push(...(await cluster.startPaced(round)));
    tookMs = performance.now() - startedMs;
    cpu = rounded(((await cluster.controlCpuMs()) - cpuBefore) / tookMs, 2);
    await sleep(afterglowMs);
  });
  const kv = kvOf(busy);
  const pacedOps = rounded(countOf(kv) / starts, 2);
  times.sort((left, right) => left - right);
  const p95Ms = Math.round(percentile(times, 0.95));
  const split = Array.from(kv, ([method, count]) => `${method} ${(count / starts).toFixed(2)}`).join(", ");
  say(
    `  ${startsPerSec} starts/s: ${pacedOps} requests to the store for a start (${split}), ` +
      `engine and API ${cpu} of a core, PUT to active p50 ${percentile(times, 0.5).toFixed(0)} ms, p95 ${p95Ms} ms`,
  );
  say(`    meanwhile, not counted: ${perSecond(othersOf(busy), tookMs + afterglowMs)}`);
  return { pacedOps, cpu, p95Ms, lapsed: busy.get("LeaseGrant") ?? 0 };
}

/** One cluster: a process that controls it and processes that hold the other machines. */
class ScaleCluster implements Disposable {
  readonly #etcd: EtcdCluster;
  readonly #size: number;
  readonly #agents: Process[] = [];
  #control!: Process;
  #api!: FleetLoad;
  #base = "";
  #machines: readonly Machine[] = [];
  /** Units that were started at a pace. */
  started = 0;

  constructor(etcd: EtcdCluster, size: number) {
    this.#etcd = etcd;
    this.#size = size;
  }

  async start(machines: readonly Machine[]): Promise<void> {
    this.#machines = machines;
    await this.#startControl();
    const others = machines.slice(1);
    for (let first = 0; first < others.length; first += mostPerProcess) {
      const agents = new Process();
      this.#agents.push(agents);
      await agents.begin(this.#job(others.slice(first, first + mostPerProcess), false));
    }
    await until(async () => (await this.#present()) === this.#size, "all machines are present");
  }

  #job(machines: readonly Machine[], controls: boolean, again = false): ScaleJob {
    return { endpoints: this.#etcd.endpoints, machines, controls, again };
  }

  async #startControl(again = false): Promise<void> {
    // As fleet.service runs it.
    this.#control = new Process(fleetNodeFlags);
    const { api } = await this.#control.begin(this.#job(this.#machines.slice(0, 1), true, again));
    this.#base = api ?? "";
    this.#api = new FleetLoad(this.#base);
  }

  /** Launches units and waits until all run that fit somewhere; how many do. */
  async fill(units: readonly SyntheticUnit[]): Promise<number> {
    let written = 0;
    let saidMs = performance.now();
    const progress = async (): Promise<number> => {
      const active = await this.#active();
      if (performance.now() - saidMs > sayEveryMs) {
        saidMs = performance.now();
        say(`  ${written} units are written, ${active} run`);
      }
      return active;
    };
    await Promise.all([
      ...units.map(async (unit) => {
        await this.#launch(unit);
        written += 1;
      }),
      until(async () => (await progress()) === units.length, "all units run"),
    ]);
    return units.length;
  }

  /** As fleetctl does, asks again when the store was away for a moment: on a busy machine etcd may be late. */
  async #launch({ name, text }: SyntheticUnit): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#api.launch(name, parseUnitFile(text).file);
        return;
      } catch (error) {
        // 204: it was written before its answer was lost.
        const why = String(error);
        if (why.includes(": 204")) return;
        if (attempt === mostAttempts || !why.includes(": 503")) throw error;
        say(`  asked again for ${name}: ${why}`);
        await sleep(lookAgainMs);
      }
    }
  }

  /** Starts units one after another, each when the one before is active and told. */
  async startInTurn(): Promise<void> {
    for (let at = 0; at < singles; at++) {
      await this.#startOne({ name: `single-${at}.service`, text: plainText });
      await sleep(singleGapMs);
    }
    this.started += singles;
  }

  /** Starts units one by one at an even pace, each as fleetctl does; how long each took until it was active, in ms. */
  async startPaced(round: number): Promise<number[]> {
    this.started += starts;
    const begunMs = performance.now();
    return await Promise.all(
      Array.from({ length: starts }, async (_, at) => {
        await sleep(Math.max(0, begunMs + (at * 1000) / startsPerSec - performance.now()));
        const putMs = performance.now();
        await this.#startOne({ name: `paced-${round}-${at}.service`, text: plainText });
        return performance.now() - putMs;
      }),
    );
  }

  async #startOne(unit: SyntheticUnit): Promise<void> {
    await this.#launch(unit);
    await this.#api.until([unit.name], (report) =>
      Boolean(report?.states.some(({ active }) => active === "active")),
    );
  }

  /**
   * Kills etcd, engine and API, starts them again, and waits until the API knows every machine and every unit's state, and
   * a new unit runs; how long that took, in seconds.
   */
  async restartControl(etcd: EtcdCluster, units: number): Promise<number> {
    this.#api.close();
    await Promise.all([this.#control.kill(), etcd.kill(0)]);
    const begunMs = performance.now();
    await etcd.restart(0);
    await this.#startControl(true);
    await until(async () => {
      await this.#startOne({ name: "after.service", text: plainText });
      return true;
    }, "a new unit runs");
    await until(async () => (await this.#present()) === this.#size, "all machines are present again");
    await until(async () => (await this.#states()) === units + 1, "the states of all units are known");
    if ((await this.#active()) !== units + 1) throw new Error("a unit does not run any more");
    return rounded((performance.now() - begunMs) / 1000);
  }

  async control(): Promise<ScaleReport> {
    return await this.#control.report();
  }

  async controlCpuMs(): Promise<number> {
    return (await this.#control.report()).cpuMs;
  }

  async #active(): Promise<number> {
    const reports = await Promise.all([this.#control, ...this.#agents].map((each) => each.report()));
    return reports.reduce((sum, { active }) => sum + active, 0);
  }

  async #present(): Promise<number> {
    return (await this.#all("machines")).length;
  }

  async #states(): Promise<number> {
    const states = (await this.#all("state")) as readonly { systemdActiveState: string }[];
    return states.filter(({ systemdActiveState }) => systemdActiveState === "active").length;
  }

  /** Every page of a list of the API. */
  async #all(list: "machines" | "state"): Promise<readonly unknown[]> {
    const found: unknown[] = [];
    let token = "";
    do {
      const query = token === "" ? "" : `?nextPageToken=${encodeURIComponent(token)}`;
      const answer = await fetch(`${this.#base}/fleet/v1/${list}${query}`);
      if (!answer.ok) return [];
      const page = (await answer.json()) as Record<string, unknown> & { nextPageToken?: string };
      const rows = page[list === "state" ? "states" : list];
      if (Array.isArray(rows)) found.push(...(rows as readonly unknown[]));
      token = page.nextPageToken ?? "";
    } while (token !== "");
    return found;
  }

  [Symbol.dispose](): void {
    this.#api?.close();
    for (const child of [this.#control, ...this.#agents]) child?.end();
  }
}

class Process {
  readonly #child: ChildProcess;

  constructor(execArgv: readonly string[] = []) {
    this.#child = fork(fileURLToPath(new URL("scale-process.ts", import.meta.url)), {
      execArgv: [...execArgv],
    });
  }

  async begin(job: ScaleJob): Promise<ScaleReport> {
    return await this.#ask(job);
  }

  async report(): Promise<ScaleReport> {
    return await this.#ask("report");
  }

  async #ask(message: ScaleJob | "report"): Promise<ScaleReport> {
    const answer = once(this.#child, "message");
    this.#child.send(message);
    return ((await answer) as [ScaleReport])[0];
  }

  async kill(): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }
}

/** Waits until the cluster asks for no more than its machines' renewals, as it does when it has come to rest. */
async function settle(etcd: EtcdCluster): Promise<void> {
  let last = Number.POSITIVE_INFINITY;
  await until(async () => {
    const now = countOf(await requestsWithin(etcd, () => sleep(3_000)));
    const rests = now > last * 0.9;
    last = now;
    return rests;
  }, "the cluster rests");
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const endMs = performance.now() + patienceMs;
  let problem: unknown;
  while (performance.now() < endMs) {
    try {
      if (await holds()) return;
    } catch (error) {
      problem = error;
    }
    await sleep(lookAgainMs);
  }
  throw new Error(`${what}: not within ${patienceMs / 1000} s`, { cause: problem });
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}
