import type { RunDaemon } from "./daemon-command.ts";
import { productVersion } from "../lib/version.ts";

/**
 * `fleetd` with the arguments of fleet v1.0.0: none to run, `-version`, `--version` or `version`.
 * Settings come from /etc/fleet/fleet.conf and the environment.
 */
export async function fleetd(words: readonly string[], run: RunDaemon): Promise<number> {
  const [word, ...more] = words;
  if (word === undefined) process.exit(await run());
  if (more.length === 0 && ["version", "-version", "--version"].includes(word)) {
    process.stdout.write(`fleetd version ${productVersion}\n`);
    return 0;
  }
  process.stderr.write("fleetd takes no arguments. Did you mean to invoke fleetctl instead?\n");
  return 1;
}
