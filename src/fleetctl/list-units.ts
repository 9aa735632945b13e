import type { Call, Command } from "../cli/command.ts";
import type { MachineLegend, StateEntity } from "../fleet/api-entities.ts";
import { isFault } from "../lib/fault.ts";
import { type Columns, fail, listFlags, printRows, shownHash } from "./columns.ts";
import { knownUnits } from "./choices.ts";
import type { Connect } from "./connect.ts";
import { legends, machineLegend } from "./legend.ts";
import { isListed } from "./names.ts";

interface Row {
  readonly state: StateEntity;
  readonly machine: MachineLegend;
}

const columns: Columns<Row> = {
  active: ({ state }) => state.systemdActiveState,
  hash: ({ state }, full) => shownHash(state.hash, full),
  load: ({ state }) => state.systemdLoadState,
  machine: ({ state, machine }, full) => (state.machineID === "" ? "" : machineLegend(machine, full)),
  sub: ({ state }) => state.systemdSubState,
  unit: ({ state }) => state.name,
};

/** `fleetctl list-units`: what systemd says about each unit on each machine. */
export function listUnits(connect: Connect): Command {
  return {
    name: "list-units",
    summary: "Show what systemd says about each unit on each machine",
    usage: "[UNIT...]",
    description:
      "Lists each unit on each machine it is loaded on, with the state that systemd gives it there. Names and patterns as arguments list only those.",
    flags: listFlags("unit,machine,active,sub", Object.keys(columns)),
    choices: knownUnits(connect),
    examples: [
      { line: "fleetctl list-units 'web@*'", meaning: "some of them" },
      { line: "fleetctl list-units", meaning: "all units with their machines" },
      { line: "fleetctl list-units --json", meaning: "the same for programs" },
    ],
    run: async (call) => await run(call, connect),
  };
}

async function run(call: Call, connect: Connect): Promise<number> {
  const client = connect(call);
  try {
    return await printRows(call, columns, async () => {
      const [all, machines] = await Promise.all([client.states(), client.machines()]);
      const states = all.filter(({ name }) => isListed(call, name));
      const legendOf = legends(machines);
      return { rows: states.map((state) => ({ state, machine: legendOf(state.machineID) })), raw: states };
    });
  } catch (error) {
    if (call.signal.aborted || !isFault(error)) throw error;
    return fail(call, `Error retrieving list of units from repository: ${error.message}`);
  }
}
