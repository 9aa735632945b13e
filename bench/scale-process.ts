import { readFileSync } from "node:fs";
import process from "node:process";
import { realEnv, stderrLog } from "../src/daemon/real-env.ts";
import type { Machine } from "../src/fleet/model.ts";
import { SimulatedMachine } from "./simulated-machine.ts";

/** What one process of the benchmark is told to be. */
export interface ScaleJob {
  readonly endpoints: readonly string[];
  readonly machines: readonly Machine[];
  /** The first machine leads the cluster and serves the API. */
  readonly controls: boolean;
  /** The machines ran before, and so did their units. */
  readonly again: boolean;
}

/** What it answers, first when it stands and then whenever it is asked anything. */
export interface ScaleReport {
  readonly api?: string;
  /** Units that run on its machines. */
  readonly active: number;
  /** Processor time so far, in ms. */
  readonly cpuMs: number;
  readonly rssMb: number;
}

/** Machines that join at the same moment; more would find the store busy for as long as their leases live. */
const joinAtOnce = 50;
const joinGapMs = 250;

const env = realEnv(stderrLog({ ARGOSY_LOG_LEVEL: process.env["ARGOSY_LOG_LEVEL"] ?? "error" }));
const machines: SimulatedMachine[] = [];

async function begin(job: ScaleJob): Promise<void> {
  let api: string | undefined;
  for (const [at, machine] of job.machines.entries()) {
    const simulated = new SimulatedMachine(env, machine, job.endpoints);
    machines.push(simulated);
    if (job.again) await simulated.recall();
    simulated.start();
    if (at === 0 && job.controls) api = await simulated.control();
    if (at % joinAtOnce === joinAtOnce - 1) await env.clock.sleep(joinGapMs);
  }
  report(api);
}

function report(api?: string): void {
  const { user, system } = process.cpuUsage();
  const pages = /VmRSS:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  const message: ScaleReport = {
    ...(api === undefined ? {} : { api }),
    active: machines.reduce((sum, { active }) => sum + active, 0),
    cpuMs: (user + system) / 1000,
    rssMb: Number(pages) / 1024,
  };
  process.send?.(message);
}

process.on("disconnect", () => process.exit(0));
process.on("message", (message: ScaleJob | "report") => {
  if (message === "report") report();
  else void begin(message);
});
