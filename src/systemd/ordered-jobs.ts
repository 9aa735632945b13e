import { orAborted } from "../lib/aborted.ts";
import { isFault, sentenceOf } from "../lib/fault.ts";
import type { StopAfter, UnitTies } from "../locksmith/machine-control.ts";
import { isRefusal } from "./bus.ts";
import type { Jobs } from "./jobs.ts";
import { isDown, type Manager } from "./manager.ts";

const noSuchUnit = "org.freedesktop.systemd1.NoSuchUnit";
/** What a unit can need (systemd.unit(5)); Wants= asks for less. */
const needs = ["Requires", "Requisite", "BindsTo"];

const nothingToWaitFor = Promise.resolve(undefined);

/** The units among `names` of which anything runs, and what they are tied to. */
export async function runningUnits(manager: Manager, names: readonly string[]): Promise<readonly UnitTies[]> {
  const held = (await manager.unitsHeld(names)).filter((unit) => !isDown(unit));
  const ties = await Promise.all(held.map(async ({ name }) => await tiesOf(manager, name)));
  return ties.filter((unit) => unit !== undefined);
}

async function tiesOf(manager: Manager, name: string): Promise<UnitTies | undefined> {
  try {
    const after = await manager.related(name, "After");
    const requires = await Promise.all(needs.map(async (need) => await manager.related(name, need)));
    return { name, after, requires: requires.flat() };
  } catch (error) {
    // systemd has let go of it in this moment.
    if (isFault(error, "bus-refused")) return undefined;
    throw error;
  }
}

/** Carries out `MachineControl.stopUnits`. A job whose end was missed counts as over: what still runs is told. */
export async function stopInOrder(
  manager: Manager,
  jobs: Jobs,
  order: readonly StopAfter[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const ends = new Map<string, Promise<string | undefined>>();
  for (const { name, waitsFor } of order) {
    const earlier = waitsFor.map((other) => ends.get(other) ?? nothingToWaitFor);
    await orAborted(Promise.all(earlier), signal);
    const end = endOfStop(manager, jobs, name, await askToStop(manager, name));
    // When this ends before, whether it fails is nobody's business any more.
    end.catch(() => undefined);
    ends.set(name, end);
  }
  const problems = await orAborted(Promise.all(ends.values()), signal);
  return problems.filter((problem) => problem !== undefined);
}

interface Asked {
  /** The object path of the job; undefined when there is nothing to wait for. */
  readonly job?: string;
  readonly problem?: string;
}

async function askToStop(manager: Manager, name: string): Promise<Asked> {
  try {
    return { job: await manager.stop(name) };
  } catch (error) {
    if (isRefusal(error, noSuchUnit)) return {};
    if (!isFault(error, "bus-refused")) throw error;
    return { problem: `cannot stop ${name}: systemd says: ${sentenceOf(error)}` };
  }
}

async function endOfStop(
  manager: Manager,
  jobs: Jobs,
  name: string,
  { job, problem }: Asked,
): Promise<string | undefined> {
  if (job === undefined) return problem;
  await jobs.wait(job);
  try {
    const [held] = await manager.unitsHeld([name]);
    if (held === undefined || isDown(held)) return undefined;
    return `${name} was to stop and is ${held.active}; see systemctl status ${name}`;
  } catch (error) {
    if (!isFault(error)) throw error;
    return `nobody knows whether ${name} has stopped: ${sentenceOf(error)}`;
  }
}

/** Carries out `MachineControl.startUnits`. */
export async function startInOrder(manager: Manager, names: readonly string[]): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const name of names) {
    try {
      await manager.start(name);
    } catch (error) {
      if (!isFault(error, "bus-refused")) throw error;
      problems.push(`cannot start ${name} again: systemd says: ${sentenceOf(error)}`);
    }
  }
  return problems;
}
