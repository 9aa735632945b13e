import type { Call } from "../cli/command.ts";
import { Fault } from "../lib/fault.ts";

const machineIdFile = "/etc/machine-id";

/** The machine that a command is about: the one it names, or this one. Throws Fault `no-machine-id`. */
export async function machineOf(call: Call): Promise<string> {
  const [named = ""] = call.arguments;
  if (named !== "") return named;
  const text = (await call.files.read(machineIdFile)) ?? "";
  if (text.trim() !== "") return text.trim();
  throw new Fault(
    "no-machine-id",
    `cannot read machine-id: there is none in ${machineIdFile}; name the machine instead`,
  );
}
