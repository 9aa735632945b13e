import type { Call, Flag } from "../cli/command.ts";
import { usualLab } from "../lab/layout.ts";
import type { MachineStatus } from "../lab/machine.ts";
import { spacedTable } from "../lib/table.ts";

/** Which lab a command is about. */
export const nameFlag: Flag = {
  name: "name",
  kind: "text",
  summary: "the lab",
  placeholder: "NAME",
  otherwise: usualLab,
  variable: "ARGOSY_LAB",
};

/** The lab that the call is about. */
export function labName(call: Call): string {
  return call.flags.text("name") ?? usualLab;
}

/** The first argument of a command whose arity says that there is one. */
export function machineName(call: Call): string {
  return call.arguments[0] ?? "";
}

/** The table that `up` and `status` print. */
export function machineTable(machines: readonly MachineStatus[]): string {
  const rows = machines.map((machine) => [machine.name, machine.id, machine.address, machine.state]);
  return spacedTable([["MACHINE", "ID", "ADDRESS", "STATE"], ...rows])
    .map((line) => `${line}\n`)
    .join("");
}

/** Tells how a long command gets on: beside the output, so that `--json` prints nothing but JSON. */
export function progressOf(call: Call): (line: string) => void {
  return (line) => call.stderr.write(`${line}\n`);
}
