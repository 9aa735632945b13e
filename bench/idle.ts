import { setTimeout as sleep } from "node:timers/promises";
import { type Lab, labDown, labUp } from "../src/lab/lab.ts";
import type { Machine } from "../src/lab/machine.ts";
import { builtProduct } from "../src/lab/product.ts";
import { testLab } from "../test/nspawn/lab-name.ts";
import { rounded, say, sayLoad } from "./figures.ts";
import { FleetLoad } from "./fleet-load.ts";

const labName = testLab("bench-idle");
const unitCounts = [0, 300, 900] as const;
const windowMs = 60_000;
/** Longer than the API keeps its copy of the registry after the last request, and than systemd takes to come to rest. */
const settleMs = 75_000;
const unitOptions = [{ section: "Service", name: "ExecStart", value: "/bin/sleep infinity" }];

/**
 * What three machines cost while nothing happens, with 0, 300 and 900 units that run: requests to the store, the processor time
 * and the memory of fleet's daemon. The worst machine is told. The limit measured in the same run is the cluster without
 * units: nothing may grow with them but memory, a little.
 */
export async function benchIdle(): Promise<void> {
  const product = await builtProduct(say);
  const lab = await labUp({ name: labName, machines: 3, product, progress: say });
  try {
    const figures = new Map<number, Idle>();
    let running = 0;
    for (const count of unitCounts) {
      await launch(lab, running, count);
      running = count;
      await sleep(settleMs);
      figures.set(count, await watch(lab, count));
    }
    const [none, some, many] = unitCounts.map((count) => figures.get(count));
    sayLoad();
    say(
      JSON.stringify({
        ...told(some, ""),
        ...told(many, "900"),
        ...told(none, "0"),
        requestsRatio900To0: rounded((many?.requestsPerSec ?? 0) / (none?.requestsPerSec ?? 0), 2),
      }),
    );
  } finally {
    await labDown(labName);
  }
}

/** Of the machine where each is worst. */
interface Idle {
  readonly requestsPerSec: number;
  readonly cpuSecPerMin: number;
  readonly rssMb: number;
}

function told(idle: Idle | undefined, suffix: string): Record<string, number | undefined> {
  return {
    [`requestsPerSecPerMachine${suffix}`]: idle?.requestsPerSec,
    [`daemonCpuSecPerMin${suffix}`]: idle?.cpuSecPerMin,
    [`daemonRssMb${suffix}`]: idle?.rssMb,
  };
}

async function launch(lab: Lab, from: number, to: number): Promise<void> {
  const api = new FleetLoad(lab.machines[0]?.fleetApi ?? "");
  const names = Array.from({ length: to - from }, (_, at) => `idle-${from + at + 1}.service`);
  await Promise.all(names.map((name) => api.launch(name, unitOptions)));
  // As many as fit into one request's line.
  for (let first = 0; first < names.length; first += 200) {
    await api.until(
      names.slice(first, first + 200),
      (report) => report?.states.some(({ active }) => active === "active") ?? false,
    );
  }
  api.close();
}

async function watch(lab: Lab, count: number): Promise<Idle> {
  const before = await Promise.all(lab.machines.map(look));
  const begunMs = performance.now();
  await sleep(windowMs);
  const after = await Promise.all(lab.machines.map(look));
  const tookSec = (performance.now() - begunMs) / 1000;
  const rows = after.map((now, at) => {
    const then = before[at] ?? now;
    return {
      requestsPerSec: (now.requests - then.requests) / tookSec,
      cpuSecPerMin: ((now.cpuSec - then.cpuSec) / tookSec) * 60,
      rssMb: now.rssMb,
    };
  });
  const words = rows.map(
    (row) =>
      `${row.requestsPerSec.toFixed(2)} requests/s, ${row.cpuSecPerMin.toFixed(2)} s/min, ${row.rssMb.toFixed(1)} MB`,
  );
  say(`${count} units: ${words.join("; ")}`);
  sayLoad();
  return {
    requestsPerSec: rounded(Math.max(...rows.map((row) => row.requestsPerSec)), 2),
    cpuSecPerMin: rounded(Math.max(...rows.map((row) => row.cpuSecPerMin)), 2),
    rssMb: rounded(Math.max(...rows.map((row) => row.rssMb))),
  };
}

interface Look {
  readonly requests: number;
  readonly cpuSec: number;
  readonly rssMb: number;
}

/** What a machine's etcd has been asked so far, by everything on the machine, and what its fleet daemon has used. */
async function look(machine: Machine): Promise<Look> {
  const metrics = await (await fetch(`http://${machine.address}:2379/metrics`)).text();
  let requests = 0;
  for (const line of metrics.split("\n")) {
    // Answered calls, and what came on streams: renewals of leases are such.
    if (line.startsWith("grpc_server_msg_received_total{"))
      requests += Number(line.slice(line.lastIndexOf(" ")));
  }
  const script =
    "pid=$(systemctl show -P MainPID fleet.service) && cat /proc/$pid/task/*/schedstat && grep VmRSS: /proc/$pid/status";
  const { stdout } = await machine.exec(["sh", "-c", script]);
  const lines = stdout.trim().split("\n");
  const rss = lines.pop() ?? "";
  const nanoseconds = lines.reduce((sum, line) => sum + Number(line.split(" ")[0]), 0);
  return { requests, cpuSec: nanoseconds / 1e9, rssMb: Number(/\d+/.exec(rss)?.[0]) / 1024 };
}
