import type { CommandGroup } from "../cli/command.ts";
import { transportTo } from "../fleet/api-transport.ts";
import { productVersion } from "../lib/version.ts";
import { fleetctlProgram } from "./program.ts";

/** fleetctl over real sockets, ready for `main` of the cli. */
export const fleetctl: CommandGroup = fleetctlProgram(
  { open: transportTo, ssh: async () => (await import("./open-ssh.ts")).openSsh },
  productVersion,
);
