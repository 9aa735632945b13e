import { productVersion } from "../lib/version.ts";
import type { RunDaemon } from "./daemon-command.ts";

const usage = `Usage: locksmithd [-version]

Reboots this machine when an update waits, it is allowed and its turn, until it gets SIGTERM or SIGINT. systemd runs it
as locksmithd.service, with its settings in the environment: REBOOT_STRATEGY is etcd-lock, reboot, best-effort or off.

  -version   print the version and end

Example:
  REBOOT_STRATEGY=etcd-lock locksmithd
`;

/** `locksmithd`, the daemon under the name that it has in locksmith 0.6.2. */
export async function locksmithd(words: readonly string[], run: RunDaemon): Promise<number> {
  const [word, ...more] = words;
  if (word === undefined) process.exit(await run());
  const flag = /^--?([a-z]+)$/.exec(word)?.[1];
  if (more.length === 0 && (flag === "help" || flag === "h")) process.stdout.write(usage);
  else if (more.length === 0 && flag === "version")
    process.stdout.write(`locksmithd version 0.6.2 (Argosy ${productVersion})\n`);
  else {
    process.stderr.write(`locksmithd does not know ${words.join(" ")}; see locksmithd --help\n`);
    return 2;
  }
  return 0;
}
