import { type Call, type Choice, type Command, exitCodes } from "../cli/command.ts";
import type { FleetClient } from "../fleet/api-client.ts";
import type { MachineEntity } from "../fleet/api-entities.ts";
import { Fault, isFault } from "../lib/fault.ts";
import { withServiceSuffix } from "../unit/name.ts";
import { knownUnits, presentMachines } from "./choices.ts";
import { fail } from "./columns.ts";
import type { Connect, Outside } from "./connect.ts";
import { isGlobal } from "./deactivate.ts";
import { runOnMachine } from "./remote.ts";

/** `fleetctl ssh`: a shell or a command on a machine, by OpenSSH. */
export function ssh(connect: Connect, outside: Outside): Command {
  const machines = presentMachines(connect);
  const units = knownUnits(connect);
  return {
    name: "ssh",
    summary: "Open a shell on a machine, or run a command there",
    usage: "[TARGET] [--] [COMMAND...]",
    description:
      "Opens a shell on a machine of the cluster, or runs a command there, with the system's ssh. TARGET is the beginning of a machine's ID, or a unit, which means the machine it is on. The exit code is the command's; 255 when there is no connection. A shell ends with 0.",
    flags: [
      {
        name: "machine",
        short: "m",
        kind: "text",
        placeholder: "ID",
        summary: "the machine, by the beginning of its ID",
        choices: machines,
      },
      {
        name: "unit",
        short: "u",
        kind: "text",
        placeholder: "UNIT",
        summary: "the machine of a unit",
        choices: units,
      },
      {
        name: "forward-agent",
        short: "A",
        kind: "switch",
        summary: "let the machine use this one's ssh agent",
      },
      sshPortFlag,
    ],
    passesFlagsOn: true,
    choices: {
      ask: async (call): Promise<readonly Choice[]> => {
        if (call.arguments.length > 0 || call.flags.given("machine") || call.flags.given("unit")) return [];
        return (await Promise.all([machines.ask?.(call) ?? [], units.ask?.(call) ?? []])).flat();
      },
    },
    examples: [
      { line: "fleetctl ssh 5ebed85d", meaning: "a shell on a machine" },
      {
        line: "fleetctl ssh hello.service cat /etc/os-release",
        meaning: "a command on the machine of a unit",
      },
      {
        line: "fleetctl --tunnel=198.51.100.7 ssh -A hello.service",
        meaning: "through a host that can be reached",
      },
    ],
    run: async (call) => {
      try {
        return await run(call, connect, outside);
      } catch (error) {
        if (!isFault(error, "no-target")) throw error;
        return fail(call, `Unable to proceed: ${error.message}`);
      }
    },
  };
}

/** The port of ssh on the machines, for every command that may need it. */
export const sshPortFlag = {
  name: "ssh-port",
  kind: "number",
  summary: "the port of ssh on the machine",
  otherwise: "22",
} as const;

async function run(call: Call, connect: Connect, outside: Outside): Promise<number> {
  const { flags } = call;
  if (isNamed(call, "machine") && isNamed(call, "unit")) {
    return fail(call, "Both machine and unit flags provided, please specify only one.");
  }
  const client = connect(call);
  const named = isNamed(call, "machine") || isNamed(call, "unit");
  const target = named ? undefined : call.arguments[0];
  const others = named ? call.arguments : call.arguments.slice(1);
  const machine = await findMachine(call, client, target);
  const command = others[0] === "--" ? others.slice(1) : others;
  if ((machine.primaryIP ?? "") === "") return fail(call, "Could not determine address of machine.");
  const code = await runOnMachine(call, outside, machine.primaryIP ?? "", command, flags.on("forward-agent"));
  if (command.length > 0) return code;
  // Whatever a shell ends with is no matter of ours (fleetctl v1.0.0), only that there was one.
  return code === sshFailed ? exitCodes.failed : exitCodes.done;
}

/** Whether a flag names something; a script's empty variable does not. */
function isNamed(call: Call, flag: "machine" | "unit"): boolean {
  return (call.flags.text(flag) ?? "") !== "";
}

/** ssh's exit code when it is at fault itself (ssh(1)). */
const sshFailed = 255;

async function findMachine(
  call: Call,
  client: FleetClient,
  target: string | undefined,
): Promise<MachineEntity> {
  const machine = call.flags.text("machine") ?? "";
  if (machine !== "") {
    return (await machineByPrefix(client, machine)) ?? noTarget("machine does not exist");
  }
  const unit = call.flags.text("unit") ?? "";
  if (unit !== "") return (await machineOfUnit(client, unit)) ?? noTarget("unit does not exist");
  if (target === undefined || target === "") return noTarget("one machine or unit must be provided");
  // What is wrong with one reading of the target counts only where the other one finds nothing.
  const byUnit = await orFault(machineOfUnit(client, target));
  const byId = await orFault(machineByPrefix(client, target));
  if (byId instanceof Fault) {
    if (byUnit === undefined || byUnit instanceof Fault) throw byId;
    return byUnit;
  }
  if (byUnit instanceof Fault) {
    if (byId === undefined) throw byUnit;
    return byId;
  }
  if (byId !== undefined && byUnit !== undefined) {
    return noTarget(
      `ambiguous argument, both machine and unit found for \`${target}\`.\nPlease use flag \`-m\` or \`-u\` to refine the search`,
    );
  }
  return byId ?? byUnit ?? noTarget("could not find matching unit or machine");
}

async function machineByPrefix(client: FleetClient, prefix: string): Promise<MachineEntity | undefined> {
  const found = (await client.machines()).filter(({ id }) => id.startsWith(prefix));
  if (found.length > 1) return noTarget("found more than one machine");
  return found[0];
}

async function machineOfUnit(client: FleetClient, argument: string): Promise<MachineEntity | undefined> {
  const name = withServiceSuffix(argument);
  const unit = await client.unit(name);
  if (unit === undefined) return undefined;
  if (isGlobal(unit)) return noTarget("global units unsupported");
  const machines = await client.machines();
  return machines.find(({ id }) => id === unit.machineID) ?? { id: unit.machineID ?? "" };
}

async function orFault(
  found: Promise<MachineEntity | undefined>,
): Promise<MachineEntity | Fault | undefined> {
  try {
    return await found;
  } catch (error) {
    if (isFault(error, "no-target")) return error;
    throw error;
  }
}

function noTarget(why: string): never {
  throw new Fault("no-target", why);
}
