import type { Call } from "../cli/command.ts";
import type { FleetClient } from "../fleet/api-client.ts";
import type { UnitName } from "../fleet/model.ts";
import { Fault, isFault } from "../lib/fault.ts";
import { type Outside, sshSettings, tunnelOf } from "./connect.ts";
import { isGlobal } from "./deactivate.ts";
import { machineWords, quoteWord } from "./ssh-words.ts";

/** Whether the API cannot answer for a machine: it does not reach it, or is one of fleet v1.0.0. */
export function isUnanswered(error: unknown): boolean {
  if (isFault(error, "api-502")) return true;
  return isFault(error, "api-404") && !error.message.includes("unit does not exist");
}

/**
 * Runs a command on each machine that a unit is on, one after the other, by ssh. Gives the first exit code that is not 0;
 * `missing` when there is no such unit, and `nowhere` when it is on no machine.
 */
export async function runWhereUnitIs(
  call: Call,
  outside: Outside,
  client: FleetClient,
  name: UnitName,
  command: readonly string[],
): Promise<number | "missing" | "nowhere"> {
  const unit = await client.unit(name);
  if (unit === undefined) return "missing";
  const ids = isGlobal(unit)
    ? (await client.statesOf(name)).map(({ machineID }) => machineID)
    : [unit.machineID];
  const machines = (await client.machines()).filter(({ id }) => ids.includes(id));
  if (machines.length === 0) return "nowhere";
  for (const { id, primaryIP = "" } of machines) {
    if (primaryIP === "") throw new Fault("no-address", `Could not determine address of machine ${id}.`);
    const code = await runOnMachine(call, outside, primaryIP, command.map(quoteWord));
    if (code !== 0) return code;
  }
  return 0;
}

/**
 * Runs a command, or without one a shell, on a machine by ssh, on the terminal of this process. The exit code is the
 * command's, or 255 when there was no connection.
 */
export async function runOnMachine(
  call: Call,
  outside: Outside,
  address: string,
  command: readonly string[],
  forwardAgent = false,
): Promise<number> {
  const settings = sshSettings(call);
  const to = { host: address, port: call.flags.number("ssh-port") ?? 22 };
  const tunnel = await tunnelOf(call, outside);
  const through = tunnel?.wordsTo(to);
  const words = machineWords(settings, to, command, {
    forwardAgent,
    ...(through === undefined ? {} : { through }),
  });
  return await (await outside.ssh()).run(words, settings, call.signal);
}
