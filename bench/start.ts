import { stderrLog, realEnv } from "../src/daemon/real-env.ts";
import { builtProduct } from "../src/lab/product.ts";
import { type Lab, labDown, labUp } from "../src/lab/lab.ts";
import { median, percentile, rounded, say, sayLoad, withheldPercent } from "./figures.ts";
import { FleetLoad, type UnitReport } from "./fleet-load.ts";
import { MachineSystemd } from "./machine-systemd.ts";

const labName = "bench-start";
const singles = 20;
/** Rounds of each measurement at once; ours and the limit take turns, and medians are told. */
const rounds = 3;
const command = "/bin/sleep 86400";
const unitOptions = [
  { section: "Unit", name: "Description", value: "benchmark" },
  { section: "Service", name: "ExecStart", value: command },
];
const unitText = `[Unit]\nDescription=benchmark\n\n[Service]\nExecStart=${command}\n`;

/**
 * How long it takes from a PUT to the moment at which systemd says that the unit is active, one unit at a time and many at once,
 * how long to destroy many; and, in the same run on the same machines, the limit: the same unit files straight over D-Bus.
 */
export async function benchStart(): Promise<void> {
  const env = realEnv(stderrLog({ ARGOSY_LOG_LEVEL: "error" }));
  const product = await builtProduct(say);
  const lab = await labUp({ name: labName, machines: 3, product, progress: say });
  try {
    const machines = new Map<string, MachineSystemd>();
    for (const machine of (await lab.status()).machines) {
      const systemd = new MachineSystemd(env, machine.pid ?? 0);
      await systemd.connect();
      machines.set(machine.id, systemd);
    }
    await measure(lab, machines);
    for (const systemd of machines.values()) await systemd.close();
  } finally {
    await labDown(labName);
  }
}

async function measure(lab: Lab, machines: ReadonlyMap<string, MachineSystemd>): Promise<void> {
  const api = new FleetLoad(lab.machines[0]?.fleetApi ?? "");
  // The first of everything pays for code that was never run; it is not counted.
  await startMany(api, machines, "warm", 20);
  await destroyMany(api, machines, "warm", 20);

  const singleMs: number[] = [];
  for (let number = 1; number <= singles; number++) {
    singleMs.push((await startMany(api, machines, `single-${number}`, 1)).lastMs);
    await destroyMany(api, machines, `single-${number}`, 1);
  }
  singleMs.sort((a, b) => a - b);
  const singleP50Ms = percentile(singleMs, 0.5);
  const singleP95Ms = percentile(singleMs, 0.95);
  say(
    `${singles} single starts, PUT to active: p50 ${singleP50Ms.toFixed(1)} ms, p95 ${singleP95Ms.toFixed(1)} ms`,
  );

  const rates: Record<"direct" | "100" | "300", number[]> = { direct: [], "100": [], "300": [] };
  const destroyMs: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const direct = await startDirectly(machines, 300);
    rates.direct.push(direct);
    const hundred = await startMany(api, machines, "hundred", 100);
    rates["100"].push((100 / hundred.lastMs) * 1000);
    await destroyMany(api, machines, "hundred", 100);
    const many = await startMany(api, machines, "many", 300);
    rates["300"].push((300 / many.lastMs) * 1000);
    destroyMs.push(await destroyMany(api, machines, "many", 300));
    say(
      `round ${round}: limit ${direct.toFixed(0)} units/s; 100 at once ${rates["100"].at(-1)?.toFixed(0)} units/s; ` +
        `300 at once ${rates["300"].at(-1)?.toFixed(0)} units/s (p50 ${many.p50Ms.toFixed(0)} ms, p95 ${many.p95Ms.toFixed(0)} ms); ` +
        `destroy of 300 ${((destroyMs.at(-1) ?? 0) / 1000).toFixed(2)} s`,
    );
  }
  api.close();
  const units300PerSec = median(rates["300"]);
  const directUnitsPerSec = median(rates.direct);
  const result = {
    singleP50Ms: rounded(singleP50Ms),
    singleP95Ms: rounded(singleP95Ms),
    units100PerSec: rounded(median(rates["100"])),
    units300PerSec: rounded(units300PerSec),
    directUnitsPerSec: rounded(directUnitsPerSec),
    ratio300: rounded(units300PerSec / directUnitsPerSec, 3),
    destroy300Sec: rounded(median(destroyMs) / 1000, 3),
    withheldPercent: withheldPercent(),
  };
  sayLoad();
  say(JSON.stringify(result));
}

function unitNames(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index + 1}.service`);
}

interface Started {
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** Until the last unit was active. */
  readonly lastMs: number;
}

/** Starts units through the API; times are from just before the first PUT to systemd's own ActiveEnterTimestamp. */
async function startMany(
  api: FleetLoad,
  machines: ReadonlyMap<string, MachineSystemd>,
  prefix: string,
  count: number,
): Promise<Started> {
  const names = unitNames(prefix, count);
  const begunMs = Date.now();
  await Promise.all(names.map((name) => api.launch(name, unitOptions)));
  const reports = await api.until(
    names,
    (report) => report?.states.some(({ active }) => active === "active") ?? false,
  );
  const times = (await Promise.all(reports.map((report) => activeSince(machines, report)))).map(
    (ms) => ms - begunMs,
  );
  times.sort((a, b) => a - b);
  return { p50Ms: percentile(times, 0.5), p95Ms: percentile(times, 0.95), lastMs: times.at(-1) ?? 0 };
}

async function activeSince(
  machines: ReadonlyMap<string, MachineSystemd>,
  report: UnitReport,
): Promise<number> {
  const machine = report.states[0]?.machine.id ?? "";
  const ms = await machines.get(machine)?.activeSinceMs(report.name);
  if (ms === undefined) throw new Error(`${report.name} never was active on machine ${machine}`);
  return ms;
}

/** Destroys units through the API; the time until no machine's systemd runs any of them, in ms. */
async function destroyMany(
  api: FleetLoad,
  machines: ReadonlyMap<string, MachineSystemd>,
  prefix: string,
  count: number,
): Promise<number> {
  const names = unitNames(prefix, count);
  const begunMs = Date.now();
  await Promise.all(names.map((name) => api.destroy(name)));
  await api.until(names, (report) => report !== undefined && report.states.length === 0);
  const tookMs = Date.now() - begunMs;
  for (const systemd of machines.values()) {
    const left = await systemd.running(`${prefix}-*.service`);
    if (left > 0) throw new Error(`${left} destroyed units still run`);
  }
  return tookMs;
}

/** The limit: the same files, spread evenly, straight over D-Bus on every machine at once. Units a second. */
async function startDirectly(machines: ReadonlyMap<string, MachineSystemd>, count: number): Promise<number> {
  const names = unitNames("direct", count);
  const shares = Array.from(machines.values(), (systemd, index) => ({
    systemd,
    names: names.filter((_, position) => position % machines.size === index),
  }));
  const begunMs = Date.now();
  await Promise.all(
    shares.map((share) => share.systemd.startDirectly(share.names.map((name) => ({ name, text: unitText })))),
  );
  const times = await Promise.all(
    shares.flatMap((share) =>
      share.names.map(async (name) => (await share.systemd.activeSinceMs(name)) ?? 0),
    ),
  );
  await Promise.all(shares.map((share) => share.systemd.stopDirectly(share.names)));
  return (count / (Math.max(...times) - begunMs)) * 1000;
}
