import { mkdir, readdir, readFile, copyFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Lab, labDown, labUp } from "../../src/lab/lab.ts";
import type { Machine } from "../../src/lab/machine.ts";
import { builtProduct } from "../../src/lab/product.ts";
import { waitUntil } from "../../src/lab/waiting.ts";
import { collect, type History } from "./collect.ts";
import { type Fault, faults } from "./faults.ts";
import type { Operation } from "./history.ts";
import { checkKey } from "./linearizable.ts";
import { findStepBack } from "./monotonic.ts";

const machines = 5;
const members = 3;
const settleLimitMs = 120_000;
const historyFolder = "/root/history";

/** What one trial saw. */
export interface Trial {
  readonly operations: number;
  /** Changes of which nobody knows whether they happened. */
  readonly unknown: number;
  readonly localReads: number;
  readonly faults: number;
  /** One sentence for each violation; none is what a trial is for. */
  readonly violations: readonly string[];
}

/** A lab of three members and two machines without, all with the product. */
export async function openTrialLab(name: string, say: (line: string) => void): Promise<Lab> {
  await labDown(name);
  return await labUp({ name, machines, members, product: await builtProduct(say), progress: say });
}

/**
 * Clients on every machine ask for few keys while machines are killed, paused and cut off; then everything they saw is
 * checked.
 * @param ms how long faults are made; healing and checking come on top
 */
export async function runTrial(lab: Lab, ms: number, say: (line: string) => void): Promise<Trial> {
  // A history begins with absent keys.
  await fetch(`${lab.machine("m1").keysApi}/v2/keys/register?recursive=true`, { method: "DELETE" });
  const end = performance.now() + ms;
  for (const machine of lab.machines) await startClients(machine);
  let made = 0;
  while (performance.now() < end) {
    await sleep(500 + Math.random() * 2_500);
    const fault = faults[made % faults.length] as Fault;
    const machine = lab.machines[Math.floor(Math.random() * lab.machines.length)] as Machine;
    const back = await fault.make(lab, machine);
    say(`  ${fault.what.replace("MACHINE", machine.name)}`);
    await sleep(1_000 + Math.random() * 5_000);
    await back();
    if (!(await hasClients(machine))) await startClients(machine);
    made += 1;
  }
  await untilWell(lab);
  for (const machine of lab.machines) await machine.exec(["systemctl", "stop", "history-clients"]);
  const history = collect(await logsOf(lab));
  for (const machine of lab.machines) await machine.exec(["rm", "-rf", historyFolder]);
  return { ...check(history), faults: made };
}

/** Every check of a whole history. */
export function check({ operations, localReads }: History): Omit<Trial, "faults"> {
  const violations: string[] = [];
  for (const [key, own] of Map.groupBy(operations, (operation) => operation.key)) {
    const verdict = checkKey(own);
    if (verdict.linearizable) continue;
    const furthest = verdict.furthest.map((operation) => inWords(operation)).join("; ");
    violations.push(`${key}: no order explains all ${own.length} answers; stuck at: ${furthest}`);
  }
  const back = findStepBack(localReads);
  if (back !== undefined) {
    const { earlier, later } = back;
    violations.push(
      `${later.machine}: a read that ended at ${earlier.endedAt} had index ${earlier.index}, a later one, begun at ${later.calledAt}, ${later.index}`,
    );
  }
  const unknown = operations.filter(({ result }) => result.kind === "unknown").length;
  return { operations: operations.length, unknown, localReads: localReads.length, violations };
}

function inWords({ request, result, calledAt, endedAt }: Operation): string {
  return `${JSON.stringify(request)} -> ${JSON.stringify(result)} [${calledAt}, ${endedAt}]`;
}

async function startClients(machine: Machine): Promise<void> {
  await mkdir(`${machine.rootDirectory}${historyFolder}`, { recursive: true });
  for (const file of ["client.ts", "history.ts"]) {
    const source = fileURLToPath(new URL(file, import.meta.url));
    await copyFile(source, `${machine.rootDirectory}${historyFolder}/${file}`);
  }
  const seed = `${Date.now()}`;
  const log = `${historyFolder}/${seed}.log`;
  const node = ["/usr/lib/argosy/node", `${historyFolder}/client.ts`, machine.name, log, seed];
  await machine.exec(["systemd-run", "--quiet", "--collect", "--unit=history-clients", ...node]);
}

async function hasClients(machine: Machine): Promise<boolean> {
  const { stdout } = await machine.exec(["systemctl", "is-active", "history-clients"]);
  return stdout.trim() === "active";
}

/** Until every machine answers a linearizable read. */
async function untilWell(lab: Lab): Promise<void> {
  for (const machine of lab.machines) {
    const ask = async (): Promise<boolean> => {
      const answer = await fetch(`${machine.keysApi}/v2/keys/?quorum=true`, {
        headers: { Connection: "close" },
        signal: AbortSignal.timeout(5_000),
      }).catch(() => undefined);
      await answer?.body?.cancel();
      return answer?.status === 200;
    };
    await waitUntil(ask, settleLimitMs, `${machine.name}'s keys API answers again`);
  }
}

async function logsOf(lab: Lab): Promise<readonly string[]> {
  const texts: string[] = [];
  for (const machine of lab.machines) {
    const folder = `${machine.rootDirectory}${historyFolder}`;
    for (const file of await readdir(folder))
      if (file.endsWith(".log")) texts.push(await readFile(`${folder}/${file}`, "utf8"));
  }
  return texts;
}
