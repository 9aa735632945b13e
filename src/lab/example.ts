import { cp, mkdir } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Fault } from "../lib/fault.ts";
import type { Lab } from "./lab.ts";
import type { Machine } from "./machine.ts";
import { waitUntil } from "./waiting.ts";

/** The unit files of the example, in the checkout and on the machine it is started from. */
const source = fileURLToPath(new URL("../../examples/service-discovery", import.meta.url));
const folder = "/root/service-discovery";

/** Docker starts for the first time on each machine meanwhile. */
const answerLimitMs = 180_000;
const requestLimitMs = 3_000;
const mostPageBytes = 64 * 1024;

/**
 * Starts the service-discovery example: as many web servers as there are machines, their announcements, and a balancer on every
 * machine. Does it as a user would, with fleetctl on the first machine, and returns when a balancer shows every server.
 * Starting it again changes nothing. Throws Fault `example` with the words of the command that failed.
 */
export async function runExample(lab: Lab, progress: (line: string) => void): Promise<void> {
  const first = lab.machines[0];
  if (first === undefined) throw new Fault("example", "cannot run the example: the lab has no machine");
  await mkdir(join(first.rootDirectory, folder), { recursive: true });
  await cp(source, join(first.rootDirectory, folder), { recursive: true });
  const numbers = lab.machines.map((_, index) => index + 1);
  await fleetctl(first, progress, ["submit", "web@.service", "web-announce@.service"]);
  await fleetctl(first, progress, [
    "start",
    "web-image.service",
    "balancer.service",
    "balancer-list.service",
  ]);
  await fleetctl(first, progress, ["start", ...numbers.map((number) => `web@${number}.service`)]);
  await fleetctl(first, progress, ["start", ...numbers.map((number) => `web-announce@${number}.service`)]);
  progress(`waiting until the balancer of ${first.name} shows ${numbers.length} web servers`);
  const pages = await pagesOf(first, numbers.length);
  for (const page of pages) progress(`http://${first.address}/ answers: ${page}`);
}

/** Asks a machine's balancer until it has shown `count` different pages; returns them in order. */
export async function pagesOf(machine: Machine, count: number): Promise<readonly string[]> {
  const pages = new Set<string>();
  await waitUntil(
    async () => {
      const page = await askBalancer(machine);
      if (page !== undefined) pages.add(page);
      return pages.size >= count;
    },
    answerLimitMs,
    `the balancer at http://${machine.address}/ shows ${count} web servers`,
  );
  return [...pages].sort();
}

/** One page of a machine's balancer, or undefined when it has none to give. */
export async function askBalancer(machine: Machine): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const request = get(`http://${machine.address}/`, { timeout: requestLimitMs, agent: false }, (answer) => {
      let page = "";
      answer.setEncoding("utf8");
      answer.on("data", (piece: string) => {
        if (page.length < mostPageBytes) page += piece;
      });
      answer.once("end", () => resolve(answer.statusCode === 200 ? page.trim() : undefined));
      answer.once("error", () => resolve(undefined));
    });
    request.once("timeout", () => request.destroy());
    request.once("error", () => resolve(undefined));
  });
}

async function fleetctl(
  machine: Machine,
  progress: (line: string) => void,
  words: readonly string[],
): Promise<void> {
  progress(`${machine.name}: fleetctl ${words.join(" ")}`);
  const { code, stdout, stderr } = await machine.exec([
    "sh",
    "-c",
    `cd ${folder} && exec fleetctl "$@"`,
    "sh",
    ...words,
  ]);
  if (code === 0) return;
  throw new Fault(
    "example",
    `cannot run the example: fleetctl ${words.join(" ")}: ${(stderr + stdout).trim()}`,
  );
}
