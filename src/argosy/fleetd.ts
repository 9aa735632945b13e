import { productVersion } from "../lib/version.ts";

/** Runs fleet's daemon to its end, and returns its exit code. @param settingsPath instead of /etc/fleet/fleet.conf */
export type RunFleet = (settingsPath?: string) => Promise<number>;

/** What `fleetd` is asked for: to run, to tell something, or what cannot be. */
export type FleetdWish =
  | { readonly kind: "run"; readonly settingsPath?: string }
  | { readonly kind: "tell"; readonly text: string }
  | { readonly kind: "refuse"; readonly sentence: string };

const usage = `Usage: fleetd [-config PATH] [-version]

Runs this machine's agent, with the engine and the API, until it gets SIGTERM or SIGINT. systemd runs it as fleet.service.

  -config PATH   the settings file; it has to exist (default: /etc/fleet/fleet.conf, if it is there)
  -version       print the version and end

Example:
  fleetd -config ./fleet.conf
`;

/** Reads the arguments of fleetd v1.0.0: `-config PATH`, `-version` or `version`; flags with one dash or two, as Go takes them. */
export function fleetdWish(words: readonly string[]): FleetdWish {
  const version = `fleetd version ${productVersion}\n`;
  if (words.length === 1 && words[0] === "version") return { kind: "tell", text: version };
  let settingsPath: string | undefined;
  let tellsVersion = false;
  for (let at = 0; at < words.length; at++) {
    const [, flag, value] = /^--?([a-z]+)(?:=(.*))?$/.exec(words[at] ?? "") ?? [];
    if (flag === "help" || flag === "h") return { kind: "tell", text: usage };
    if (flag === "version") tellsVersion = value === undefined || value === "true";
    else if (flag === "config") {
      settingsPath = value ?? words[++at];
      if (settingsPath === undefined)
        return { kind: "refuse", sentence: "flag needs an argument: -config; see fleetd --help" };
    } else if (flag !== undefined) {
      return { kind: "refuse", sentence: `flag provided but not defined: -${flag}; see fleetd --help` };
    } else {
      const sentence = "fleetd takes no arguments. Did you mean to invoke fleetctl instead?";
      return { kind: "refuse", sentence };
    }
  }
  if (tellsVersion) return { kind: "tell", text: version };
  return settingsPath === undefined || settingsPath === "" ? { kind: "run" } : { kind: "run", settingsPath };
}

/** `fleetd`, whose settings come from a file and the environment. */
export async function fleetd(words: readonly string[], run: RunFleet): Promise<number> {
  const wish = fleetdWish(words);
  if (wish.kind === "run") process.exit(await run(wish.settingsPath));
  if (wish.kind === "tell") {
    process.stdout.write(wish.text);
    return 0;
  }
  process.stderr.write(`${wish.sentence}\n`);
  return 1;
}
