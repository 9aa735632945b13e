import { fakeSurroundings } from "../cli/fake-surroundings.ts";
import { runProgram } from "../cli/program.ts";
import { fleetApi } from "../fleet/api-server.ts";
import { FakeRegistry } from "../fleet/fake-registry.ts";
import { fakeTransport } from "../fleet/fake-transport.ts";
import { Fault } from "../lib/fault.ts";
import type { OpenTransport } from "./connect.ts";
import type { Ssh } from "./open-ssh.ts";
import { fleetctlProgram } from "./program.ts";

export const one = "1".repeat(32);
export const two = "2".repeat(32);
export const three = "3".repeat(32);
export const hello = "[Service]\nExecStart=/bin/sleep 101\n";

let elapsedMs = 0;
const clock = {
  now: () => 0,
  monotonic: () => (elapsedMs += 1000),
  sleep: () => new Promise<void>(() => {}),
};

/** A cluster of the registry alone: a test plays engine and agents. */
export function cluster() {
  const registry = new FakeRegistry();
  registry.setMachine({ id: one, address: "10.0.0.1", metadata: { region: "us-west", az: "a" } });
  registry.setMachine({ id: two, address: "10.0.0.2" });
  registry.setMachine({ id: three, address: "10.0.0.3" });
  const handler = fleetApi(registry, {
    version: "1.0.0",
    clock,
    machines: {
      local: {
        id: one,
        status: async (unit) => ({
          text: `* ${unit}\n   Loaded: loaded\n`,
          exitCode: unit === "down.service" ? 3 : 0,
        }),
        journal: (unit, { lines, output }) => new Blob([`${unit} ${lines} ${output}\n`]).stream(),
      },
      fetchMachine: undefined,
    },
  });
  const transport = fakeTransport(handler);
  const run = async (line: string, files: Record<string, string> = {}) =>
    await fleetctl(() => transport, line, files);
  return { registry, transport, run };
}

/** Stands for OpenSSH: keeps the words it is called with, and ends with a code. */
export function fakeSsh(code = 0) {
  const called: (readonly string[])[] = [];
  const ssh: Ssh = {
    run: async (words) => {
      called.push(words);
      return code;
    },
    tunnel: (_settings, host) => ({
      ready: async () => {
        if (host.host === "nowhere") throw new Fault("no-tunnel", "ssh ended with exit code 255");
      },
      socketTo: (end) => `socket through ${host.host} to ${"socket" in end ? end.socket : end.host}`,
      wordsTo: ({ host: to, port }) => ["-W", `${to}:${port}`, host.host],
    }),
    forward: async () => {
      throw new Fault("dial", "nobody there");
    },
  };
  return { called, ssh };
}

/** Runs a command line over a transport; `line` is split at blanks. */
export async function fleetctl(
  open: OpenTransport,
  line: string,
  files: Readonly<Record<string, string>> = {},
  variables: Readonly<Record<string, string>> = {},
  { ssh } = fakeSsh(),
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const surroundings = fakeSurroundings({ files, variables });
  const outside = { open, ssh: async () => ssh };
  const code = await runProgram(fleetctlProgram(outside, "1.0.0"), line.split(" ").slice(1), surroundings);
  return { code, out: surroundings.stdout.text(), err: surroundings.stderr.text() };
}

/** Plays engine and agent: whatever is wanted becomes so on a machine, in the way that `become` tells. */
export function obedient(
  registry: FakeRegistry,
  machine: string,
  become: Parameters<FakeRegistry["setState"]>[0] | object = {},
) {
  let busy = false;
  registry.subscribe(() => {
    if (busy) return;
    busy = true;
    const view = registry.view();
    for (const unit of view.units.values()) {
      const place = view.placements.get(unit.name);
      const state = view.states.get(unit.name)?.get(machine);
      if (unit.target === "inactive") {
        if (state !== undefined) registry.clearState(unit.name, machine);
        continue;
      }
      if (place === undefined) registry.setPlacement(unit.name, machine);
      const restarted = unit.restart === undefined || state?.restart === unit.restart;
      if (state?.reached !== unit.target || state.hash !== unit.hash || !restarted) {
        const down = { active: "inactive", sub: "dead", reached: "loaded" as const };
        const carriedOut = unit.restart === undefined ? {} : { restart: unit.restart };
        const whatItIs = unit.target === "launched" ? become : down;
        registry.setState({ unit: unit.name, machine, ...carriedOut, ...whatItIs });
      }
    }
    for (const [name] of view.states) {
      if (!view.units.has(name)) registry.clearState(name, machine);
    }
    busy = false;
  });
}
