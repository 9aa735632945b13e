import type { Call, Command } from "../cli/command.ts";
import type { FleetClient } from "../fleet/api-client.ts";
import type { MachineEntity } from "../fleet/api-entities.ts";
import type { MachineReport } from "../fleet/machine-report.ts";
import { isFault } from "../lib/fault.ts";
import { matchesGlob } from "../lib/glob.ts";
import { compareText } from "../lib/text.ts";
import { type Columns, fail, listFlags, printRows } from "./columns.ts";
import { presentMachines } from "./choices.ts";
import type { Connect } from "./connect.ts";
import { machineLegend } from "./legend.ts";
import { isPattern } from "./names.ts";

interface Row extends MachineEntity {
  /** How the machine takes part in the cluster; absent when the API does not tell. */
  readonly state?: MachineReport["state"];
}

const columns: Columns<Row> = {
  machine: ({ id }, full) => machineLegend({ id, address: "" }, full),
  ip: ({ primaryIP }) => primaryIP ?? "",
  metadata: ({ metadata }) =>
    Object.entries(metadata ?? {})
      .sort(([a], [b]) => compareText(a, b))
      .map(([key, value]) => `${key}=${value}`)
      .join(","),
  state: ({ state }) => state ?? "",
};

/** `fleetctl list-machines`: the machines that are present. */
export function listMachines(connect: Connect): Command {
  return {
    name: "list-machines",
    summary: "List the machines of the cluster",
    usage: "[MACHINE...]",
    description:
      "Lists all machines that are present in the cluster, with their addresses and metadata; when one of them is cordoned or drained, with their states as well. Beginnings of IDs and patterns as arguments list only those.",
    flags: listFlags("machine,ip,metadata", Object.keys(columns)),
    choices: presentMachines(connect),
    examples: [
      { line: "fleetctl list-machines", meaning: "all machines" },
      {
        line: "fleetctl list-machines --full --fields=machine --no-legend",
        meaning: "only the whole IDs, for scripts",
      },
    ],
    run: async (call) => await run(call, connect),
  };
}

/** How each machine takes part; nothing from an API of fleet v1.0.0. */
async function statesOf(client: FleetClient): Promise<ReadonlyMap<string, MachineReport["state"]>> {
  const reports = (await client.machineReports()) ?? [];
  return new Map(reports.map(({ id, state }) => [id, state]));
}

function isListedMachine({ arguments: args }: Call, id: string): boolean {
  const fits = (argument: string): boolean =>
    isPattern(argument) ? matchesGlob(argument, id) : id.startsWith(argument);
  return args.length === 0 || args.some(fits);
}

async function run(call: Call, connect: Connect): Promise<number> {
  const client = connect(call);
  try {
    return await printRows(call, columns, async () => {
      const [all, states] = await Promise.all([client.machines(), statesOf(client)]);
      const rows = all
        .filter(({ id }) => isListedMachine(call, id))
        .map((machine): Row => {
          const state = states.get(machine.id);
          return state === undefined ? machine : { ...machine, state };
        });
      // Scripts know this table without the column; it comes when it has something to say.
      const more = rows.some(({ state }) => state !== undefined && state !== "ready") ? ["state"] : [];
      return { rows, raw: rows, more };
    });
  } catch (error) {
    if (call.signal.aborted || !isFault(error)) throw error;
    return fail(
      call,
      [
        `Error retrieving list of active machines from fleet API (${error.message})`,
        "Possible issues:",
        "  etcd is unhealthy and/or lost quorum",
        "  connection cannot be established to any etcd servers",
      ].join("\n"),
    );
  }
}
