import { setTimeout as sleep } from "node:timers/promises";
import { labDown, labUp } from "../src/lab/lab.ts";
import { builtProduct } from "../src/lab/product.ts";
import { FleetLab } from "../test/nspawn/fleet-lab.ts";
import { testLab } from "../test/nspawn/lab-name.ts";
import {
  bootsOf,
  bootsSeen,
  momentsOf,
  RequestStream,
  rebootsSeen,
  startLocksmith,
  untilSteady,
  webServer,
} from "../test/nspawn/reboot-lab.ts";
import { median, rounded, say, sayLoad } from "./figures.ts";

const labName = testLab("bench-reboots");
const machines = 10;
const web = ["web-1.service", "web-2.service"];
const roaming = Array.from({ length: 20 }, (_, at) => `roaming-${at + 1}.service`);
const sleeper = "[Service]\nExecStart=/bin/sleep infinity\n";
/** Plain reboots of a machine without work, of which the median counts. */
const bareBoots = 3;
const lookAgainMs = 50;
/** So long that only a machine that is stuck reaches it. */
const turnLimitMs = 30 * 60_000;

/**
 * Ten machines that all want to reboot at once, under 22 units and a steady stream of requests to a service with two instances:
 * seconds for each, from the first wish until the last machine is well. The yardstick is the plain reboot of a machine in the
 * same run, from the command until its systemd has nothing left to start.
 */
export async function benchReboots(): Promise<void> {
  const product = await builtProduct(say);
  const cluster = new FleetLab(await labUp({ name: labName, machines, product, progress: say }));
  try {
    await cluster.untilWhole();
    await startLocksmith(cluster);
    const bare: number[] = [];
    for (let round = 0; round < bareBoots; round++) bare.push(await bareBoot(cluster));
    await untilSteady(cluster);
    for (const unit of web) await cluster.put(unit, webServer);
    for (const unit of roaming) await cluster.put(unit, sleeper);
    await cluster.untilRunning([...web, ...roaming]);
    const result = await rebootAll(cluster);
    sayLoad();
    const bareBootSec = rounded(median(bare), 2);
    say(
      JSON.stringify({
        maxDown: result.maxDown,
        failedRequests: result.failed,
        secPerMachine: rounded(result.seconds / machines, 2),
        bareBootSec,
        overBareBoot: rounded(result.seconds / machines / bareBootSec, 2),
        brokenInFlight: result.broken,
        answeredRequests: result.answered,
        totalSec: rounded(result.seconds),
        machines,
      }),
    );
  } finally {
    await labDown(labName);
  }
}

/** Seconds that a machine takes from `systemctl reboot` until it has started everything. */
async function bareBoot(cluster: FleetLab): Promise<number> {
  const machine = cluster.machine(`m${machines}`);
  const { pid } = await machine.status();
  const begin = performance.now();
  await machine.exec(["systemctl", "reboot"]);
  for (;;) {
    const now = (await machine.status()).pid;
    if (now !== undefined && now !== pid) {
      const state = await machine.untilStarted().catch(() => "");
      if (state === "running" || state === "degraded") return (performance.now() - begin) / 1000;
    }
    await sleep(lookAgainMs);
  }
}

interface Result {
  readonly seconds: number;
  readonly maxDown: number;
  readonly failed: number;
  readonly broken: number;
  readonly answered: number;
}

async function rebootAll(cluster: FleetLab): Promise<Result> {
  const names = cluster.machines.map(({ name }) => name);
  const earlier = new Map<string, number>();
  for (const name of names) earlier.set(name, await bootsOf(cluster, name));
  const stream = new RequestStream(
    cluster.machines.map(({ address }) => address),
    8080,
  );
  const before = await bootsSeen(cluster);
  const beginMs = Date.now();
  await Promise.all(names.map((name) => cluster.shell(name, "touch /run/reboot-required")));
  for (const name of names) {
    const limit = performance.now() + turnLimitMs;
    while (
      ((await rebootsSeen(cluster, "m1"))?.records.get(name)?.boot ?? before.get(name)) === before.get(name)
    ) {
      if (performance.now() > limit)
        throw new Error(`${name} has not rebooted within ${turnLimitMs / 60_000} min`);
      await sleep(lookAgainMs * 10);
    }
  }
  await untilSteady(cluster);
  const endMs = Date.now();
  await stream.end();
  const times: { readonly down: number; readonly up: number }[] = [];
  for (const name of names) {
    const after = (moments: readonly number[]): number =>
      moments.find((moment) => moment >= beginMs) ?? Number.NaN;
    const down = after(await momentsOf(cluster, name, "reboots: "));
    const up = after(await momentsOf(cluster, name, "is well after its boot"));
    say(
      `${name}: down after ${rounded((down - beginMs) / 1000)} s, well ${rounded((up - down) / 1000)} s later`,
    );
    times.push({ down, up });
    const boots = (await bootsOf(cluster, name)) - (earlier.get(name) ?? 0);
    if (boots !== 1) say(`${name} booted ${boots} times`);
  }
  // Whoever goes down is counted with all that are down at that moment.
  const maxDown = Math.max(
    ...times.map(({ down }) => times.filter((other) => other.down <= down && down < other.up).length),
  );
  const { failed, broken, answered } = stream;
  return { seconds: (endMs - beginMs) / 1000, maxDown, failed, broken, answered };
}
