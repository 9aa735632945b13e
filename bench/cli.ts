import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { realEnv, stderrLog } from "../src/daemon/real-env.ts";
import { serveFleetApi } from "../src/fleet/api-listener.ts";
import { fleetApi } from "../src/fleet/api-server.ts";
import { mostPageLimit, pageLimitHeader } from "../src/fleet/api-paging.ts";
import { FakeRegistry } from "../src/fleet/fake-registry.ts";
import { builtProduct } from "../src/lab/product.ts";
import { median, rounded, say, sayLoad, withheldPercent } from "./figures.ts";

const units = 300;
const machines = 3;
/** Each program runs so often, taking turns; medians are told. */
const rounds = 35;

/**
 * How long `fleetctl list-units` of 300 units takes, as a whole process from the bundle; and, in the same run, what of it nobody
 * could save: a Node that does nothing, and curl with the same pages from the same socket.
 */
export async function benchCli(): Promise<void> {
  await builtProduct(say);
  const build = fileURLToPath(new URL("../build", import.meta.url));
  const folder = await mkdtemp(join(tmpdir(), "bench-cli-"));
  const end = new AbortController();
  try {
    const env = realEnv(stderrLog({ ARGOSY_LOG_LEVEL: "error" }));
    const path = join(folder, "fleet.sock");
    const api = fleetApi(crowdedRegistry(), {
      version: "0.0.0",
      clock: env.clock,
      machines: { local: undefined, fetchMachine: undefined },
    });
    const serving = await serveFleetApi(api, [{ path }], env.log, end.signal);
    const list = [`${build}/fleetctl`, "--endpoint", `unix://${path}`, "list-units"];
    const pages = await pagesOf(path);
    const curl = [...asking, path, ...pages.map((page) => `http://fleet${page}`)];
    const programs = { list, node: [`${build}/node`, "-e", "0"], curl };
    const times: Record<keyof typeof programs, number[]> = { list: [], node: [], curl: [] };
    const lines = (await run(list)).split("\n").length;
    if (lines !== units + 2) throw new Error(`list-units printed ${lines} lines`);
    for (let round = 0; round < rounds; round++) {
      for (const name of ["list", "node", "curl"] as const) {
        const begun = performance.now();
        await run(programs[name]);
        times[name].push(performance.now() - begun);
      }
    }
    end.abort();
    await serving.ended;
    const listUnits300Ms = rounded(median(times.list));
    const bareNodeMs = rounded(median(times.node));
    const curlMs = rounded(median(times.curl));
    const ratio = rounded(listUnits300Ms / (bareNodeMs + curlMs), 2);
    const listUnits300LeastMs = rounded(Math.min(...times.list));
    sayLoad();
    say(
      `fleetctl list-units, ${units} units, ${pages.length} requests: ${listUnits300Ms} ms, at least ${listUnits300LeastMs} ms`,
    );
    say(
      `a Node that does nothing: ${bareNodeMs} ms, at least ${rounded(Math.min(...times.node))} ms; curl with the same pages: ${curlMs} ms; ratio to both ${ratio}`,
    );
    say(
      JSON.stringify({
        listUnits300Ms,
        listUnits300LeastMs,
        bareNodeMs,
        curlMs,
        ratio,
        withheldPercent: withheldPercent(),
      }),
    );
  } finally {
    end.abort();
    await rm(folder, { recursive: true, force: true });
  }
}

/** A registry in which each unit runs on one of the machines. */
function crowdedRegistry(): FakeRegistry {
  const registry = new FakeRegistry();
  const ids = Array.from({ length: machines }, (_, number) => String(number + 1).repeat(32));
  for (const [number, id] of ids.entries()) registry.setMachine({ id, address: `10.0.0.${number + 1}` });
  for (let number = 0; number < units; number++) {
    registry.setState({ unit: `web@${number}.service`, machine: ids[number % machines] ?? "" });
  }
  return registry;
}

/** curl as fleetctl asks, up to the socket. */
const asking = ["curl", "--silent", "--header", `${pageLimitHeader}: ${mostPageLimit}`, "--unix-socket"];

/** The paths that fleetctl asks for. */
async function pagesOf(socket: string): Promise<readonly string[]> {
  const pages = ["/fleet/v1/machines"];
  for (let page: string | undefined = "/fleet/v1/state"; page !== undefined; ) {
    pages.push(page);
    const answer = JSON.parse(await run([...asking, socket, `http://fleet${page}`])) as {
      nextPageToken?: string;
    };
    const token = answer.nextPageToken;
    page = token === undefined ? undefined : `/fleet/v1/state?nextPageToken=${encodeURIComponent(token)}`;
  }
  return pages;
}

async function run([program = "", ...words]: readonly string[]): Promise<string> {
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  child.stdout.on("data", (piece: Buffer) => {
    printed += piece.toString();
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${program} ended with ${code}`);
  return printed;
}
