import { type Call, type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import type { MachineLegend } from "../fleet/api-entities.ts";
import type { WhyEntity } from "../fleet/api-why.ts";
import { Fault } from "../lib/fault.ts";
import { spacedTable } from "../lib/table.ts";
import { withServiceSuffix } from "../unit/name.ts";
import { type ConnectFleet, connectFleet, endpointFlag, unitChoices } from "./connect.ts";
import { eventLine } from "./event-line.ts";

/** `argosy why UNIT`: why a unit is where it is, or nowhere. */
export function whyCommand(connect: ConnectFleet = connectFleet): Command {
  return {
    name: "why",
    summary: "Show why a unit is where it is, or nowhere",
    usage: "UNIT",
    description:
      "Says for each machine whether the unit may be there and why not, what the engine decided last and when, and what " +
      "systemd says; where the unit failed also the last lines of its journal. A unit without type is a service.",
    flags: [endpointFlag, jsonFlag],
    arity: { least: 1, most: 1 },
    choices: unitChoices(connect),
    examples: [
      { line: "argosy why web.service", meaning: "why does it not run?" },
      { line: "argosy why web --json", meaning: "the same for programs" },
    ],
    run: async (call) => {
      const name = withServiceSuffix(call.arguments[0] ?? "");
      const why = await connect(call).why(name);
      if (why === undefined)
        throw new Fault(
          "unit-missing",
          `There is no unit ${name}; fleetctl list-unit-files shows those there are`,
        );
      if (call.flags.on("json")) printJson(call, why);
      else print(call, why);
      return exitCodes.done;
    },
  };
}

function print(call: Call, why: WhyEntity): void {
  const line = (text: string): void => call.stdout.write(`${text}\n`);
  line(`${why.summary}.`);
  line("");
  const target = why.desiredState ?? "unknown";
  line(`Target:    ${target}${why.global ? ", on every machine that fits" : ""}`);
  line(`Decision:  ${why.decision === undefined ? decisionGone : eventLine(why.decision, { unit: false })}`);
  line("");
  table(
    line,
    ["MACHINE", "UNITS", "MAY", "WHY"],
    why.machines.map(({ machine, here, may, why: reason, units }) => [
      shown(machine),
      String(units),
      may ? "yes" : "no",
      reason ?? (here ? "it is here" : ""),
    ]),
  );
  if (why.states.length > 0) {
    line("");
    table(
      line,
      ["MACHINE", "LOAD", "ACTIVE", "SUB", "RESULT", "PROBLEM"],
      why.states.map((state) => [
        shown(state.machine),
        state.load,
        state.active,
        state.sub,
        state.result ?? "-",
        state.problem ?? "-",
      ]),
    );
  }
  for (const { machine, lines, problem } of why.journal ?? []) {
    line("");
    line(`Journal on ${shown(machine)}:`);
    if (problem !== undefined) line(`  cannot be shown: ${problem}`);
    for (const text of lines ?? []) line(`  ${text}`);
  }
}

const decisionGone = "none that is still in the history";

function table(
  line: (text: string) => void,
  header: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  for (const text of spacedTable([header, ...rows])) line(text.trimEnd());
}

function shown({ id, address }: MachineLegend): string {
  return address === "" ? `${id.slice(0, 8)}...` : `${id.slice(0, 8)}.../${address}`;
}
