import type { Choices } from "../cli/command.ts";
import type { FleetClient } from "../fleet/api-client.ts";
import type { MachineReport } from "../fleet/machine-report.ts";
import { Fault } from "../lib/fault.ts";
import { type ConnectFleet } from "./connect.ts";

/**
 * The machine that a user means: by its ID or the beginning of it, as list-machines shows it, or by its address. Throws Fault
 * `machine-unknown`.
 */
export async function findMachine(client: FleetClient, word: string): Promise<MachineReport> {
  const machines = await client.machineReports();
  if (machines === undefined)
    throw new Fault(
      "api-too-old",
      "The fleet API at the endpoint cannot drain machines: its release is too old.",
    );
  const start = word.replace(/\.\.\.(\/.*)?$/, "");
  const found = machines.filter(
    ({ id, address }) => start !== "" && (id.startsWith(start) || (address !== "" && address === word)),
  );
  const [only] = found;
  if (only === undefined)
    throw new Fault(
      "machine-unknown",
      `There is no machine ${word}; fleetctl list-machines shows those there are.`,
    );
  if (found.length > 1)
    throw new Fault(
      "machine-unknown",
      `${word} begins the IDs of ${found.length} machines; give more of the ID.`,
    );
  return only;
}

/** A machine as list-machines shows it. */
export function shownMachine({ id, address }: { readonly id: string; readonly address: string }): string {
  return address === "" ? `${id.slice(0, 8)}...` : `${id.slice(0, 8)}.../${address}`;
}

/** Offers the cluster's machines to a shell. */
export function machineChoices(connect: ConnectFleet): Choices {
  return {
    ask: async (call) =>
      ((await connect(call).machineReports()) ?? []).map(({ id, address, state }) => ({
        word: id,
        meaning: `${address} ${state}`.trim(),
      })),
  };
}
