import type { Call, Flag } from "../cli/command.ts";
import { millisecondsOf } from "../cli/flags.ts";
import { Fault } from "../lib/fault.ts";
import { leastLeaseMs } from "../locksmith/reboot-lock.ts";

/** Every holder has a lease unless somebody says otherwise, so that none blocks the others for ever; the same as locksmithd's. */
const usualLease = "1h";

/** `--lease` of the commands that take a slot. */
export function leaseFlag(): Flag {
  return {
    name: "lease",
    kind: "text",
    placeholder: "TIME",
    summary: "the slot is free for the next one after this time, unless it was locked again; off: never",
    otherwise: usualLease,
    variable: "LOCKSMITHCTL_LEASE",
  };
}

/** Milliseconds of the lease; undefined for none. Throws Fault `bad-lease`. */
export function leaseMsOf(call: Call): number | undefined {
  const text = call.flags.text("lease") ?? usualLease;
  if (text === "off") return undefined;
  const ms = millisecondsOf(text);
  if (ms === undefined || ms < leastLeaseMs) {
    throw new Fault("bad-lease", `--lease "${text}" is neither off nor a time of 2s at least, such as 30m`);
  }
  return ms;
}

/** Names the machines that lost their slots because their leases had ended. */
export function tellReleased(call: Call, released: readonly string[]): void {
  for (const id of released) {
    call.stderr.write(`The lease of ${id} had ended: its slot was given back.\n`);
  }
}
