import type { Call, Command } from "../cli/command.ts";
import type { MachineEntity } from "../fleet/api-entities.ts";
import { isFault } from "../lib/fault.ts";
import { matchesGlob } from "../lib/glob.ts";
import { compareText } from "../lib/text.ts";
import { type Columns, fail, listFlags, printRows } from "./columns.ts";
import { presentMachines } from "./choices.ts";
import type { Connect } from "./connect.ts";
import { machineLegend } from "./legend.ts";
import { isPattern } from "./names.ts";

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
    usage: "[MACHINE...]",
    description:
      "Lists all machines that are present in the cluster, with their addresses and metadata. Beginnings of IDs and patterns as arguments list only those.",
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

function isListedMachine({ arguments: args }: Call, id: string): boolean {
  const fits = (argument: string): boolean =>
    isPattern(argument) ? matchesGlob(argument, id) : id.startsWith(argument);
  return args.length === 0 || args.some(fits);
}

async function run(call: Call, connect: Connect): Promise<number> {
  const client = connect(call);
  try {
    return await printRows(call, columns, async () => {
      const all = await client.machines();
      const machines = all.filter(({ id }) => isListedMachine(call, id));
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
