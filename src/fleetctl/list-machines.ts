import type { Call, Command } from "../cli/command.ts";
import type { MachineEntity } from "../fleet/api-entities.ts";
import { isFault } from "../lib/fault.ts";
import { compareText } from "../lib/text.ts";
import { type Columns, fail, listFlags, printRows } from "./columns.ts";
import type { Connect } from "./connect.ts";
import { machineLegend } from "./legend.ts";

const columns: Columns<MachineEntity> = {
  machine: ({ id }, full) => machineLegend({ id, address: "" }, full),
  ip: ({ primaryIP }) => primaryIP ?? "",
  metadata: ({ metadata }) =>
    Object.entries(metadata ?? {})
      .sort(([a], [b]) => compareText(a, b))
      .map(([key, value]) => `${key}=${value}`)
      .join(","),
};

/** `fleetctl list-machines`: the machines that are present. */
export function listMachines(connect: Connect): Command {
  return {
    name: "list-machines",
    summary: "List the machines of the cluster",
    usage: "",
    description: "Lists all machines that are present in the cluster, with their addresses and metadata.",
    flags: listFlags("machine,ip,metadata", Object.keys(columns)),
    arity: { least: 0, most: 0 },
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

async function run(call: Call, connect: Connect): Promise<number> {
  const client = connect(call);
  try {
    return await printRows(call, columns, async () => {
      const machines = await client.machines();
      return { rows: machines, raw: machines };
    });
  } catch (error) {
    if (!isFault(error)) throw error;
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
