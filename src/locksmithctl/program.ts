import { type CommandGroup, exitCodes } from "../cli/command.ts";
import { withCompletion } from "../cli/completion.ts";
import { connectWith, globalFlags, type Outside } from "./connect.ts";
import { lock } from "./lock.ts";
import { reboot } from "./reboot.ts";
import { sendNeedReboot } from "./send-need-reboot.ts";
import { setMax } from "./set-max.ts";
import { status } from "./status.ts";
import { unlock } from "./unlock.ts";

/** The release of locksmith whose locksmithctl this one follows. */
const followed = "0.6.2";

/**
 * locksmithctl as a value.
 * @param version of the product, told in help
 */
export function locksmithctlProgram(outside: Outside, version: string): CommandGroup {
  const connect = connectWith(outside);
  return withCompletion({
    name: "locksmithctl",
    summary: "Look at and change who may reboot",
    description:
      "Machines that share a reboot lock reboot one at a time, or as many at once as there are slots. The lock is " +
      "locksmith's own key of the etcd v2 API, so machines with CoreOS can share it. Without flags the commands ask 127.0.0.1.",
    version: `${followed} (Argosy ${version})`,
    versionText: `locksmithctl version ${followed}\n`,
    refusal: {
      usageCode: exitCodes.usage,
      unknownCommand: (name, isTopic) =>
        isTopic
          ? { text: `Unrecognized command: ${name}\n`, code: exitCodes.failed }
          : {
              text: `locksmithctl: unknown subcommand: ${JSON.stringify(name)}\nRun 'locksmithctl help' for usage.\n`,
              code: exitCodes.usage,
              onStandardOutput: true,
            },
    },
    flags: globalFlags,
    commands: [
      lock(connect),
      reboot(connect, outside),
      sendNeedReboot(outside),
      setMax(connect),
      status(connect),
      unlock(connect),
    ],
  });
}
