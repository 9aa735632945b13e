import { get } from "node:http";
import { Fault } from "../lib/fault.ts";
import type { Machine } from "./machine.ts";
import { waitUntil } from "./waiting.ts";

/** Longest wait for the machines to find each other, and for one answer of one machine. */
const clusterLimitMs = 90_000;
const answerLimitMs = 2_000;
/** One page of machines is far shorter. */
const mostAnswerCharacters = 1024 * 1024;

/**
 * Waits until each of these machines' own fleet API lists all of them, each once.
 * Throws Fault `wait-too-long` that names the machine which did not.
 */
export async function untilWorking(machines: readonly Machine[], signal?: AbortSignal): Promise<void> {
  const ids = machines.map((machine) => machine.id);
  await Promise.all(
    machines.map(async (machine) => {
      await waitUntil(
        async () => {
          const listed = await listedMachines(machine);
          return ids.every((id) => listed.has(id));
        },
        clusterLimitMs,
        `${machine.name}'s fleet lists all ${ids.length} machines (see argosy lab logs ${machine.name})`,
        signal,
      );
    }),
  );
}

/** The ids of the machines that a machine's fleet API lists now; none while it does not answer. */
export async function listedMachines(machine: Machine): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  let page = "";
  try {
    do {
      const body: unknown = JSON.parse(await answerOf(machine, `/fleet/v1/machines${page}`));
      for (const id of machineIds(body)) ids.add(id);
      page = nextPage(body);
    } while (page !== "");
  } catch {
    // Not listening yet, or not answering: seen as listing nobody, and asked again by the caller.
    return new Set();
  }
  return ids;
}

/** What a machine's fleet answers on its own socket, which it has whatever else it listens on. */
async function answerOf(machine: Machine, path: string): Promise<string> {
  const socketPath = await machine.fleetSocket();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  if (socketPath === undefined) throw new Fault("machine-off", `${machine.name} is off.`);
  const signal = AbortSignal.timeout(answerLimitMs);
  const asked = get({ socketPath, path, agent: false, signal }, (answer) => {
    let body = "";
    answer.setEncoding("utf8");
    answer.on("data", (piece: string) => {
      if (body.length < mostAnswerCharacters) body += piece;
    });
    answer.once("end", () => resolve(answer.statusCode === 200 ? body : ""));
    answer.once("error", reject);
  });
  asked.once("error", reject);
  return await promise;
}

/** fleet v1.0.0 API, GET /machines: `{"machines": [{"id": ..., "primaryIP": ..., "metadata": {...}}], "nextPageToken": ...}`. */
function machineIds(body: unknown): readonly string[] {
  if (typeof body !== "object" || body === null || !("machines" in body) || !Array.isArray(body.machines))
    return [];
  return body.machines.map((machine: { id?: unknown }) => String(machine.id));
}

function nextPage(body: unknown): string {
  if (typeof body !== "object" || body === null || !("nextPageToken" in body)) return "";
  const token = body.nextPageToken;
  return typeof token === "string" && token !== "" ? `?nextPageToken=${encodeURIComponent(token)}` : "";
}
