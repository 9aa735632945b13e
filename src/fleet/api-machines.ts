import type { Clock } from "../lib/env.ts";
import { hashUnitText } from "../unit/hash.ts";
import { answer, bodyText, refuse } from "./api-answers.ts";
import { isRecord, readJson } from "./api-unit-rules.ts";
import { shown, within } from "./api-waits.ts";
import type { Caller } from "./events.ts";
import { machineReport, type MachineReport, machineReports } from "./machine-report.ts";
import type { Cordon, MachineId } from "./model.ts";
import type { Registry } from "./registry.ts";

/** How long a request for a report that differs stays open when none does. */
const changeLimitMs = 30_000;
/** A drain of more units at a time is no drain any more. */
const mostMovingLimit = 1000;

/** A report together with its version: whoever knows that one can wait for another. */
export interface VersionedReport {
  readonly version: string;
  readonly machine: MachineReport;
}

export interface MachinesServer {
  readonly registry: Registry;
  readonly clock: Clock;
}

/** `GET /argosy/v1/machines`: how every machine takes part in the cluster. */
export function listReports({ registry }: MachinesServer): Response {
  return answer({ machines: machineReports(registry.view()) });
}

/**
 * `GET /argosy/v1/machines/{id}`: the report on one machine. With `known` it is answered when the report's version is another
 * one, or after half a minute.
 */
export async function getReport(
  { registry, clock }: MachinesServer,
  id: MachineId,
  url: URL,
  signal: AbortSignal,
): Promise<Response> {
  const known = url.searchParams.get("known");
  const read = (): VersionedReport | undefined => {
    const machine = machineReport(registry.view(), id);
    return machine === undefined ? undefined : versioned(machine);
  };
  const found = await within(clock, changeLimitMs, signal, async (limit) => {
    const { promise, resolve } = Promise.withResolvers<VersionedReport | undefined>();
    const check = (): void => {
      const report = read();
      if (report?.version !== known || limit.aborted) resolve(report);
    };
    const unsubscribe = registry.subscribe(check);
    limit.addEventListener("abort", check, { once: true });
    check();
    return await promise.finally(unsubscribe);
  });
  return found === undefined ? refuse(404, noMachine) : answer(found);
}

function versioned(machine: MachineReport): VersionedReport {
  return { version: hashUnitText(JSON.stringify(machine)), machine };
}

/**
 * `POST /argosy/v1/machines/{id}/cordon`, `/uncordon` and `/drain`: whether a machine takes new units, and whether those it
 * has leave it. A drain takes `{"maxUnavailable": N}`, 1 when it is absent. Answers 200 with the report.
 */
export async function changeMachine(
  server: MachinesServer,
  { id, verb, by }: { readonly id: MachineId; readonly verb: string; readonly by: Caller },
  request: Request,
): Promise<Response> {
  const { registry, clock } = server;
  if (!["cordon", "uncordon", "drain"].includes(verb)) return refuse(404, "");
  if (machineReport(registry.view(), id) === undefined) return refuse(404, noMachine);
  if (verb === "uncordon") {
    await shown(server, await registry.uncordon(id, by, request.signal), request.signal);
    // Only its cordon was left of a machine that is away.
    const isGone = machineReport(registry.view(), id) === undefined;
    if (isGone) return answer(versioned({ id, address: "", present: false, state: "ready", units: [] }));
  } else {
    const mostMoving = verb === "drain" ? readMostMoving(await bodyText(request)) : undefined;
    if (typeof mostMoving === "string") return refuse(400, mostMoving);
    const drain = mostMoving === undefined ? {} : { drain: { mostMoving } };
    const cordon: Cordon = { machine: id, sinceMs: clock.now(), ...drain };
    await shown(server, await registry.cordon(cordon, by, request.signal), request.signal);
  }
  return await getReport(server, id, new URL(request.url), request.signal);
}

const noMachine = "machine does not exist";

/** How many units a drain may move at a time; a sentence when that cannot be read. */
function readMostMoving(body: string): number | string {
  const limits = `maxUnavailable is a whole number from 1 to ${mostMovingLimit}`;
  if (body === "") return 1;
  const read = readJson(body);
  if ("problem" in read) return `unable to decode body: ${read.problem}`;
  if (!isRecord(read.json)) return limits;
  const { maxUnavailable = 1 } = read.json;
  const isNumber = typeof maxUnavailable === "number" && Number.isInteger(maxUnavailable);
  return isNumber && maxUnavailable >= 1 && maxUnavailable <= mostMovingLimit ? maxUnavailable : limits;
}
