import { Fault, isFault } from "../lib/fault.ts";
import { untilWorking } from "./cluster.ts";
import type { Machine } from "./machine.ts";

/** Longest wait for a machine to start everything its cloud-config starts, for members of a store also to find each other. */
const startLimitMs = 90_000;

/**
 * Waits until machines that were handed a cloud-config have started what it says, and until those that run fleet know
 * each other. What failed on them is told as progress, since a machine with a failure in it is still a machine.
 * @param joins whether the cloud-config makes them one cluster; otherwise each is one of its own
 * Throws Fault `still-starting`, and what `untilWorking` throws.
 */
export async function untilConfigured(
  machines: readonly Machine[],
  joins: boolean,
  { progress, signal }: { readonly progress: (line: string) => void; readonly signal?: AbortSignal },
): Promise<void> {
  await Promise.all(
    machines.map(async (machine) => {
      await untilStarted(machine);
      for (const unit of await failedUnits(machine))
        progress(
          `${machine.name}: ${unit} failed; why is in: argosy lab logs ${machine.name} --name ${machine.lab} -u ${unit}`,
        );
    }),
  );
  const fleets = (
    await Promise.all(machines.map(async (machine) => ((await runsFleet(machine)) ? [machine] : [])))
  ).flat();
  if (joins) await untilJoined(fleets, signal);
  else await Promise.all(fleets.map(async (machine) => await untilWorking([machine], signal)));
}

/** As `untilWorking`; what etcd last complained of on a machine that found no cluster belongs to the reason. */
async function untilJoined(machines: readonly Machine[], signal: AbortSignal | undefined): Promise<void> {
  try {
    await untilWorking(machines, signal);
  } catch (error) {
    if (!isFault(error, "wait-too-long")) throw error;
    const complaints = await Promise.all(machines.map(lastComplaint));
    throw new Fault("wait-too-long", [error.message, ...complaints.flat()].join("\n"), { cause: error });
  }
}

async function lastComplaint(machine: Machine): Promise<readonly string[]> {
  const words = [
    "journalctl",
    "--boot",
    "--unit=etcd.service",
    "--priority=warning",
    "--output=cat",
    "--lines=1",
  ];
  const { stdout } = await machine.exec(words);
  return stdout.trim() === "" ? [] : [`${machine.name}: ${stdout.trim()}`];
}

async function untilStarted(machine: Machine): Promise<void> {
  try {
    await machine.untilStarted(startLimitMs);
  } catch (error) {
    if (!isFault(error, "program-too-slow")) throw error;
    const { stdout } = await machine.exec(["systemctl", "list-jobs", "--plain", "--no-legend"]);
    const jobs = stdout.split("\n").flatMap((line) => /^\d+ (\S+) .* running$/.exec(line.trim())?.[1] ?? []);
    const unit = jobs[0] ?? "";
    throw new Fault(
      "still-starting",
      `${machine.name} still starts ${jobs.join(", ") || "its units"} after ${startLimitMs / 1000} s; what it waits for ` +
        `is in: argosy lab logs ${machine.name} --name ${machine.lab}${unit === "" ? "" : ` -u ${unit}`}`,
      { cause: error },
    );
  }
}

async function failedUnits(machine: Machine): Promise<readonly string[]> {
  const { stdout } = await machine.exec(["systemctl", "--failed", "--plain", "--no-legend"]);
  return stdout.split("\n").flatMap((line) => /^(\S+)/.exec(line)?.[1] ?? []);
}

async function runsFleet(machine: Machine): Promise<boolean> {
  const { stdout } = await machine.exec(["systemctl", "is-active", "fleet.service"]);
  return stdout.trim() === "active";
}
