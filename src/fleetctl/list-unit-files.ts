import type { Call, Command } from "../cli/command.ts";
import type { MachineLegend, UnitEntity } from "../fleet/api-entities.ts";
import { requirementsOf } from "../fleet/options.ts";
import { isFault } from "../lib/fault.ts";
import { descriptionOf } from "../unit/description.ts";
import { hashUnitText } from "../unit/hash.ts";
import { printUnitFile } from "../unit/print.ts";
import type { UnitFile } from "../unit/unit-file.ts";
import { type Columns, fail, listFlags, printRows, shownHash } from "./columns.ts";
import { knownUnits } from "./choices.ts";
import type { Connect } from "./connect.ts";
import { legends, machineLegend } from "./legend.ts";
import { isListed } from "./names.ts";
import { fileOf } from "./unit-options.ts";

interface Row {
  readonly unit: UnitEntity;
  readonly file: UnitFile;
  readonly global: boolean;
  readonly machine: MachineLegend | undefined;
}

const columns: Columns<Row> = {
  desc: ({ file }) => descriptionOf(file),
  dstate: ({ unit }) => unit.desiredState,
  global: ({ global }) => String(global),
  hash: ({ file }, full) => shownHash(hashUnitText(printUnitFile(file)), full),
  state: ({ unit, global }) => (global ? "" : (unit.currentState ?? "")),
  target,
  tmachine: target,
  unit: ({ unit }) => unit.name,
};

function target({ global, machine }: Row, full: boolean): string {
  if (global) return "global";
  return machine === undefined ? "" : machineLegend(machine, full);
}

/** `fleetctl list-unit-files`: the units of the registry, and what is wanted of them. */
export function listUnitFiles(connect: Connect): Command {
  return {
    name: "list-unit-files",
    summary: "Show the units of the registry and what is wanted of them",
    usage: "[UNIT...]",
    description:
      "Lists every unit of the registry: what is wanted of it (DSTATE), how far that is carried out (STATE), and the machine it is on (TARGET). Names and patterns as arguments list only those.",
    flags: listFlags("unit,hash,dstate,state,target", Object.keys(columns)),
    choices: knownUnits(connect),
    examples: [
      { line: "fleetctl list-unit-files", meaning: "all units of the registry" },
      { line: "fleetctl list-unit-files --fields=unit,desc", meaning: "names and descriptions" },
    ],
    run: async (call) => await run(call, connect),
  };
}

async function run(call: Call, connect: Connect): Promise<number> {
  const client = connect(call);
  if ((call.flags.text("fields") ?? "").split(",").includes("tmachine")) {
    call.stderr.write('WARNING: The "tmachine" field is deprecated. Use "target" instead\n');
  }
  try {
    return await printRows(call, columns, async () => {
      const [all, machines] = await Promise.all([client.units(), client.machines()]);
      const units = all.filter(({ name }) => isListed(call, name));
      const legendOf = legends(machines);
      const rows = units.map((unit): Row => {
        const file = fileOf(unit);
        const machine = unit.machineID === undefined ? undefined : legendOf(unit.machineID);
        return { unit, file, global: requirementsOf(file, unit.name).global, machine };
      });
      return { rows, raw: units };
    });
  } catch (error) {
    if (call.signal.aborted || !isFault(error)) throw error;
    return fail(call, `Error retrieving list of units from repository: ${error.message}`);
  }
}
