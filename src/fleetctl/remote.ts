import type { Call } from "../cli/command.ts";
import { type Outside, sshSettings, tunnelOf } from "./connect.ts";
import { machineWords } from "./ssh-words.ts";

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
