import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { realEnv, stderrLog } from "../src/daemon/real-env.ts";
import { labDown, labUp } from "../src/lab/lab.ts";
import type { Machine } from "../src/lab/machine.ts";
import { builtProduct } from "../src/lab/product.ts";
import { FleetLab } from "../test/nspawn/fleet-lab.ts";
import { testLab } from "../test/nspawn/lab-name.ts";
import { median, rounded, say, sayLoad } from "./figures.ts";
import { MachineSystemd } from "./machine-systemd.ts";

const labName = testLab("bench-failover");
const unitCount = 90;
const usualRounds = 10;
const usualSaturationMinutes = 10;
const names = Array.from({ length: unitCount }, (_, at) => `failover-${at + 1}.service`);
const text = "[Service]\nExecStart=/bin/sleep infinity\n";

/**
 * Power loss: 90 units on three machines, one of which loses its power, every machine in turn, also the one whose engine leads;
 * how long until systemd elsewhere says that the last of its units is active. The limit in the same run is the time to live:
 * before it is over, nobody may take the machine for dead. Then every processor is kept busy by others, and no unit may be
 * disturbed. `--saturate-minutes` says for how long, `--rounds` how often power is lost with each time to live.
 */
export async function benchFailover(words: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      "saturate-minutes": { type: "string", default: String(usualSaturationMinutes) },
      rounds: { type: "string", default: String(usualRounds) },
    },
  });
  const minutes = Number(values["saturate-minutes"]);
  if (!(minutes >= 0)) throw new Error("--saturate-minutes is a number of minutes");
  const rounds = Number(values.rounds);
  if (!(rounds >= 1)) throw new Error("--rounds is a number of losses of power");
  const product = await builtProduct(say);
  const cluster = new FleetLab(await labUp({ name: labName, machines: 3, product, progress: say }));
  try {
    await cluster.untilWhole();
    for (const name of names) await cluster.put(name, text);
    await cluster.untilRunning(names);
    const { falseFailovers, elections } = await saturate(cluster, minutes);
    const ttl10 = await losePower(cluster, rounds, 10);
    await cluster.setTimeToLive("3s");
    await cluster.untilRunning(names);
    const ttl3 = await losePower(cluster, rounds, 3);
    sayLoad();
    const result = {
      ttl10MaxSec: rounded(Math.max(...ttl10), 2),
      ttl3MaxSec: rounded(Math.max(...ttl3), 2),
      falseFailovers,
      ttl10MedianSec: rounded(median(ttl10), 2),
      ttl3MedianSec: rounded(median(ttl3), 2),
      overTtl10: rounded(Math.max(...ttl10) / 10, 2),
      saturatedMinutes: minutes,
      electionsWhileSaturated: elections,
    };
    say(JSON.stringify(result));
  } finally {
    await labDown(labName);
  }
}

/** One machine after the other loses its power and comes back; seconds from each loss until its last unit runs elsewhere. */
async function losePower(cluster: FleetLab, rounds: number, ttlSec: number): Promise<number[]> {
  const took: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = await cluster.until(names, "all units run", (unit) => unit.machine !== undefined);
    const unitsOf = (id: string): string[] => names.filter((name) => before.get(name)?.machine?.id === id);
    // In turn, but not one that is back and has got no unit since.
    const turns = [2, 1, 0].map((at) => cluster.machines[(at + 3 - (round % 3)) % 3]);
    const victim = turns.find((machine) => machine !== undefined && unitsOf(machine.id).length > 0);
    const through = cluster.machines.find((machine) => machine !== victim);
    if (victim === undefined || through === undefined) throw new Error("no machine has units to lose");
    const lost = unitsOf(victim.id);
    const what = (await electionOf(victim)).leads ? `${victim.name}, whose etcd led,` : victim.name;
    const killedMs = Date.now();
    await cluster.lab.kill(victim.name);
    const reports = await cluster.until(
      lost,
      `${victim.name}'s units run elsewhere`,
      (unit) => unit.states.some(({ machine, active }) => machine.id !== victim.id && active === "active"),
      through.name,
    );
    const where = new Map(lost.map((name) => [name, reports.get(name)?.machine?.id ?? ""]));
    const lastMs = await lastActiveMs(cluster, where);
    took.push((lastMs - killedMs) / 1000);
    say(
      `time to live ${ttlSec} s, ${what} lost its power and ${lost.length} units: all active elsewhere after ${took.at(-1)?.toFixed(2)} s`,
    );
    await cluster.lab.revive(victim.name);
    await cluster.untilWhole();
    await cluster.untilRunning(names);
    sayLoad();
  }
  return took;
}

/** When systemd says that the last of these units became active, in ms since 1970. */
async function lastActiveMs(cluster: FleetLab, where: ReadonlyMap<string, string>): Promise<number> {
  const env = realEnv(stderrLog({ ARGOSY_LOG_LEVEL: "error" }));
  let lastMs = 0;
  for (const machine of cluster.machines) {
    const here = [...where].filter(([, id]) => id === machine.id).map(([name]) => name);
    const { pid } = await machine.status();
    if (here.length === 0 || pid === undefined) continue;
    const systemd = new MachineSystemd(env, pid);
    await systemd.connect();
    for (const name of here) lastMs = Math.max(lastMs, (await systemd.activeSinceMs(name)) ?? 0);
    await systemd.close();
  }
  return lastMs;
}

/** What a machine's etcd says of its cluster: the number of elections that there were, and whether it won the last one. */
async function electionOf(machine: Machine): Promise<{ readonly term: number; readonly leads: boolean }> {
  const answer = await fetch(`http://${machine.address}:2379/v3/maintenance/status`, {
    method: "POST",
    // A connection that is kept may lead to a machine that has lost its power since.
    headers: { Connection: "close" },
    body: "{}",
  });
  const { header, leader, raftTerm } = (await answer.json()) as {
    header: { member_id: string };
    leader: string;
    raftTerm: string;
  };
  return { term: Number(raftTerm), leads: leader === header.member_id };
}

/** Keeps every processor busy; how many units were placed elsewhere or started again meanwhile, and how often etcd's leader changed. */
async function saturate(
  cluster: FleetLab,
  minutes: number,
): Promise<{ readonly falseFailovers: number; readonly elections: number }> {
  const [first] = cluster.machines;
  if (minutes === 0 || first === undefined) return { falseFailovers: 0, elections: 0 };
  const before = await cluster.snapshot(names);
  const { term } = await electionOf(first);
  const burners = Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" }),
  );
  say(`${burners.length} processes keep the processors busy for ${minutes} minutes`);
  try {
    for (let minute = 1; minute <= minutes; minute++) {
      await sleep(60_000);
      sayLoad();
    }
  } finally {
    for (const burner of burners) burner.kill("SIGKILL");
  }
  const after = await cluster.snapshot(names);
  const disturbed = Object.entries(before).filter(
    ([what, unit]) => after[what]?.invocation !== unit.invocation,
  );
  for (const [what] of disturbed) say(`${what} was disturbed`);
  return { falseFailovers: disturbed.length, elections: (await electionOf(first)).term - term };
}
