import type { CommandGroup } from "../cli/command.ts";
import { withCompletion } from "../cli/completion.ts";
import { cat } from "./cat.ts";
import { connectWith, globalFlags, type Outside, tellingOfClient } from "./connect.ts";
import { destroy } from "./destroy.ts";
import { fdForward } from "./fd-forward.ts";
import { journal } from "./journal.ts";
import { listMachines } from "./list-machines.ts";
import { listUnitFiles } from "./list-unit-files.ts";
import { listUnits } from "./list-units.ts";
import { load } from "./load.ts";
import { restart } from "./restart.ts";
import { ssh } from "./ssh.ts";
import { start } from "./start.ts";
import { status } from "./status.ts";
import { stop } from "./stop.ts";
import { submit } from "./submit.ts";
import { unload } from "./unload.ts";
import { verify } from "./verify.ts";

/**
 * fleetctl as a value: its commands over any ways to APIs and machines.
 * @param version printed by `fleetctl version`
 */
export function fleetctlProgram(outside: Outside, version: string): CommandGroup {
  const connect = connectWith(outside);
  const verbs = [
    cat,
    destroy,
    listMachines,
    listUnitFiles,
    listUnits,
    load,
    restart,
    start,
    stop,
    submit,
    unload,
  ];
  return withCompletion({
    name: "fleetctl",
    summary: "Run units on a cluster of machines as if it were one",
    description:
      "Speaks to the fleet API of any machine of the cluster. Commands may be shortened to a unique prefix. Each global flag can be set by an environment variable instead, such as FLEETCTL_ENDPOINT.",
    version,
    prefixes: true,
    flags: globalFlags,
    commands: [
      ...verbs.map((verb) => verb(connect)),
      journal(connect, outside),
      status(connect, outside),
      ssh(connect, outside),
    ]
      .map((command) => tellingOfClient(command, outside))
      .concat(fdForward(outside.ssh), verify),
  });
}
