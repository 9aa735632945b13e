import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import type { Revision } from "../store/store.ts";
import type { UnitFile } from "../unit/unit-file.ts";
import type { Answer } from "./client-answer.ts";
import type { MachineEntity, StateEntity, UnitEntity, UnitReport } from "./api-entities.ts";
import type { WhyEntity } from "./api-why.ts";
import type { VersionedReport } from "./api-machines.ts";
import type { RestartEntity } from "./api-restart.ts";
import { exitCodeHeader, journalEndHeader, windowQuery } from "./api-local.ts";
import { isRecord, readJson } from "./api-unit-rules.ts";
import {
  listOf,
  machineShape,
  notFleet,
  reportShape,
  type Shape,
  stateShape,
  unitShape,
  withField,
} from "./client-shapes.ts";
import { type EventQuestion, readEvents } from "./event-stream.ts";
import type { FleetEvent } from "./events.ts";
import type { JournalOptions, JournalWindow } from "./local-machine.ts";
import type { MachineReport } from "./machine-report.ts";
import type { MachineId, TargetState, UnitName } from "./model.ts";

/**
 * Carries one request to a fleet API. Throws Fault `endpoint-unreachable`; a status that tells of a failure is an answer.
 * @param path with its query, beginning with `/`
 * @param body JSON
 */
export type Transport = (
  method: "GET" | "PUT" | "POST" | "DELETE",
  path: string,
  body?: string,
  signal?: AbortSignal,
) => Promise<Answer>;

/** Units that changed, as `/argosy/v1/changes` tells them. */
export interface UnitChanges {
  /** Ask for what comes after this next. */
  readonly revision: Revision;
  readonly units: readonly UnitReport[];
}

/**
 * A client of the fleet API v1. Every call throws Fault `endpoint-unreachable` when there is no answer and `api-STATUS`
 * (`api-400`) with the server's message when it refuses.
 */
export class FleetClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async units(): Promise<readonly UnitEntity[]> {
    return await this.#all("/fleet/v1/units", "units", unitShape);
  }

  async states(): Promise<readonly StateEntity[]> {
    return await this.#all("/fleet/v1/state", "states", stateShape);
  }

  async machines(): Promise<readonly MachineEntity[]> {
    return await this.#all("/fleet/v1/machines", "machines", machineShape);
  }

  /** One unit, or undefined when the registry does not have it. */
  async unit(name: UnitName): Promise<UnitEntity | undefined> {
    const response = await this.#transport("GET", unitPath(name));
    return (await isAbsent(response)) ? undefined : await read(response, unitShape);
  }

  /** Every state of one unit; one machine's unless it is global or moving. */
  async statesOf(name: UnitName): Promise<readonly StateEntity[]> {
    return await this.#all(`/fleet/v1/state?unitName=${encodeURIComponent(name)}`, "states", stateShape);
  }

  /** Writes a unit's options together with what is wanted of it. */
  async putUnit(name: UnitName, options: UnitFile, desiredState: TargetState): Promise<void> {
    await this.#put(name, { desiredState, name, options });
  }

  async setTarget(name: UnitName, desiredState: TargetState): Promise<void> {
    await this.#put(name, { desiredState, name });
  }

  /** Removes a unit; false when the registry did not have it. */
  async destroy(name: UnitName): Promise<boolean> {
    const response = await this.#transport("DELETE", unitPath(name));
    if (await isAbsent(response)) return false;
    await refused(response);
    await discard(response);
    return true;
  }

  /**
   * The units out of `names` that changed after a revision (0: all of them, at once), as soon as there are any; none
   * when the server's patience ends first. Undefined from a server that does not have this request.
   */
  async changes(
    names: readonly UnitName[],
    after: Revision,
    signal?: AbortSignal,
  ): Promise<UnitChanges | undefined> {
    const response = await this.#transport(
      "POST",
      "/argosy/v1/changes",
      JSON.stringify({ after, units: names }),
      signal,
    );
    if (response.status === 404) return await discard(response);
    return await read(response, changesShape);
  }

  /**
   * Asks for a restart of a launched unit wherever it runs; gives the number that the states show once it is carried out
   * there. Undefined from a server that does not have this request or the unit.
   */
  async restart(name: UnitName): Promise<Revision | undefined> {
    const response = await this.#transport(
      "POST",
      `/argosy/v1/units/${encodeURIComponent(name)}/restart`,
      "",
    );
    if (response.status === 404) return await discard(response);
    return (await read(response, withField<RestartEntity>("restart", "number"))).restart;
  }

  /** Why a unit is where it is, or nowhere; undefined when the registry does not have it. */
  async why(name: UnitName): Promise<WhyEntity | undefined> {
    const response = await this.#transport("GET", `/argosy/v1/units/${encodeURIComponent(name)}/why`);
    if (response.status === 404) return await discard(response);
    return await read(response, withField<WhyEntity>("summary", "string"));
  }

  /** What happened in the cluster and, with `follow`, what happens; see `readEvents`. */
  events(question: EventQuestion, env: Env, signal: AbortSignal): AsyncGenerator<FleetEvent | "gap"> {
    return readEvents(this.#transport, question, env, signal);
  }

  /** How every machine takes part in the cluster; undefined from a server that does not have this request. */
  async machineReports(): Promise<readonly MachineReport[] | undefined> {
    const response = await this.#transport("GET", "/argosy/v1/machines");
    if (response.status === 404) return await discard(response);
    const shape = withField<{ machines: readonly MachineReport[] }>("machines", "list");
    return (await read(response, shape)).machines;
  }

  /**
   * The report on one machine; with the version of one that is known, as soon as there is another one, or the server's
   * patience ends. Undefined when the cluster does not know the machine.
   */
  async machineReport(
    id: MachineId,
    known?: string,
    signal?: AbortSignal,
  ): Promise<VersionedReport | undefined> {
    const query = known === undefined ? "" : `?known=${known}`;
    const response = await this.#transport("GET", `${machinePath(id)}${query}`, undefined, signal);
    if (response.status === 404) return await discard(response);
    return await read(response, versionedShape);
  }

  /** Cordons a machine, ends that, or drains it with so many units on the move at a time. */
  async changeMachine(id: MachineId, verb: "cordon" | "uncordon"): Promise<VersionedReport>;
  async changeMachine(id: MachineId, verb: "drain", maxUnavailable: number): Promise<VersionedReport>;
  async changeMachine(id: MachineId, verb: string, maxUnavailable?: number): Promise<VersionedReport> {
    const body = maxUnavailable === undefined ? "" : JSON.stringify({ maxUnavailable });
    return await read(await this.#transport("POST", `${machinePath(id)}/${verb}`, body), versionedShape);
  }

  /** What `systemctl status` prints on the unit's machine, and its exit code. */
  async status(name: UnitName): Promise<{ readonly text: string; readonly exitCode: number }> {
    const response = await this.#transport("GET", `/argosy/v1/units/${encodeURIComponent(name)}/status`);
    await refused(response);
    const exitCode = response.headers.get(exitCodeHeader);
    if (exitCode === null) throw notFleet();
    return { text: await response.text(), exitCode: Number(exitCode) };
  }

  /**
   * What `journalctl` prints on the unit's machine, piece by piece.
   * @param machine undefined for the machine it is on, or all of them for a global unit
   * @param answered called once the answer begins, with the instant that it names for `olderMs`
   */
  async *journal(
    name: UnitName,
    options: JournalOptions & JournalWindow,
    signal: AbortSignal,
    machine?: MachineId,
    answered: (endMs: number | undefined) => void = () => {},
  ): AsyncGenerator<string> {
    const query = new URLSearchParams({
      lines: String(options.lines),
      follow: String(options.follow),
      output: options.output,
      ...windowQuery(options),
      ...(machine === undefined ? {} : { machine }),
    });
    const path = `/argosy/v1/units/${encodeURIComponent(name)}/journal?${query.toString()}`;
    const response = await this.#transport("GET", path, undefined, signal);
    await refused(response);
    if (!(response.headers.get("Content-Type") ?? "text/plain").startsWith("text/plain")) throw notFleet();
    const end = response.headers.get(journalEndHeader);
    answered(end === null ? undefined : Number(end));
    const decoder = new TextDecoder();
    for await (const piece of response.body ?? []) yield decoder.decode(piece, { stream: true });
  }

  async #put(name: UnitName, unit: object): Promise<void> {
    const response = await this.#transport("PUT", unitPath(name), JSON.stringify(unit));
    await refused(response);
    await discard(response);
  }

  async #all<Item>(path: string, field: string, shape: Shape<Item>): Promise<readonly Item[]> {
    const items: Item[] = [];
    let token = "";
    do {
      const next =
        token === "" ? "" : `${path.includes("?") ? "&" : "?"}nextPageToken=${encodeURIComponent(token)}`;
      const page = await json(await this.#transport("GET", path + next));
      const listed = isRecord(page) ? listOf(page[field] ?? [], shape) : undefined;
      if (!isRecord(page) || listed === undefined) throw notFleet();
      for (const item of listed) items.push(item);
      const before = token;
      token = typeof page.nextPageToken === "string" ? page.nextPageToken : "";
      // The page that was asked for again leads nowhere.
      if (token !== "" && token === before) throw notFleet();
    } while (token !== "");
    return items;
  }
}

function unitPath(name: UnitName): string {
  return `/fleet/v1/units/${encodeURIComponent(name)}`;
}

function machinePath(id: MachineId): string {
  return `/argosy/v1/machines/${encodeURIComponent(id)}`;
}

const versionedShape = withField<VersionedReport>("machine", "object");

const changesShape: Shape<UnitChanges> = (value) => {
  if (!isRecord(value) || typeof value.revision !== "number") return undefined;
  const units = listOf(value.units, reportShape);
  return units === undefined ? undefined : { revision: value.revision, units };
};

/** The body of an answer, where it is what is expected. Throws Fault `bad-answer`. */
async function read<Value>(response: Answer, shape: Shape<Value>): Promise<Value> {
  const value = shape(await json(response));
  if (value === undefined) throw notFleet();
  return value;
}

async function json(response: Answer): Promise<unknown> {
  await refused(response);
  const body = readJson(await response.text());
  if ("problem" in body) throw notFleet();
  return body.json;
}

/** Whether fleet says that there is no such unit. Throws Fault `bad-answer` when it is not fleet that says so. */
async function isAbsent(response: Answer): Promise<boolean> {
  if (response.status !== 404) return false;
  if (refusalIn(await response.text()) === undefined) throw notFleet();
  return true;
}

/** Reads a body that says nothing to its end, so that the connection can carry the next request. */
async function discard(response: Answer): Promise<undefined> {
  await response.text();
  return undefined;
}

/** Throws what a refusal says, in the words fleetctl v1.0.0 had for it (Google's API client for Go). */
async function refused(response: Answer): Promise<void> {
  if (response.ok) return;
  const text = await response.text();
  const message = messageOf(text);
  const { status } = response;
  const sentence =
    message === ""
      ? `googleapi: got HTTP response code ${status} with body: ${shownPart(text)}`
      : `googleapi: Error ${status}: ${message}`;
  throw new Fault(`api-${status}`, sentence.trimEnd());
}

/** So many characters of a body that is no refusal of fleet's are shown. */
const shownBodyLength = 200;

function shownPart(text: string): string {
  const [line = ""] = text.trim().split("\n");
  return line.slice(0, shownBodyLength);
}

function messageOf(text: string): string {
  const message = refusalIn(text)?.message;
  return typeof message === "string" ? message : "";
}

/** What fleet sends with a refusal; undefined for a body of somebody else. */
function refusalIn(text: string): Readonly<Record<string, unknown>> | undefined {
  const body = readJson(text);
  if ("problem" in body || !isRecord(body.json)) return undefined;
  return isRecord(body.json.error) ? body.json.error : undefined;
}
