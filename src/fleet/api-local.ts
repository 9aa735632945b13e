import { Fault } from "../lib/fault.ts";
import { refuse } from "./api-answers.ts";
import { machineOf, partsOf } from "./api-entities.ts";
import {
  journalOutputs,
  type FetchMachine,
  type JournalOptions,
  type JournalSpan,
  type JournalWindow,
  type LocalMachine,
  mostJournalLines,
} from "./local-machine.ts";
import type { MachineId, UnitName } from "./model.ts";
import type { FleetView } from "./registry.ts";

/** The header that tells the exit code of `systemctl status`. */
export const exitCodeHeader = "Argosy-Exit-Code";

/** The header that tells the instant before which all lines of a journal were asked for, in ms since 1970 by its machine's clock. */
export const journalEndHeader = "Argosy-Journal-End";

const textType = { "Content-Type": "text/plain; charset=utf-8" } as const;

/** The machines of the cluster as the API reaches them: its own directly, the others through their APIs. */
export interface Machines {
  readonly local: LocalMachine | undefined;
  readonly fetchMachine: FetchMachine | undefined;
}

/** `GET /argosy/v1/units/{name}/status`: systemctl's text of the unit, wherever it is; of all machines for a global unit. */
export async function unitStatus(
  view: FleetView,
  name: UnitName,
  url: URL,
  machines: Machines,
  signal: AbortSignal,
): Promise<Response> {
  const where = whereIs(view, name, url.searchParams.get("machine"));
  if ("problem" in where) return refuse(where.status, where.problem);
  const answers: { text: string; exitCode: number }[] = [];
  for (const machine of where.machines) {
    if (machine === machines.local?.id) {
      answers.push(await machines.local.status(name));
      continue;
    }
    const response = await askMachine(machines, machine, `${pathOf(name)}/status?machine=${machine}`, signal);
    if (where.machines.length === 1) return response;
    answers.push({
      text: await response.text(),
      exitCode: Number(response.headers.get(exitCodeHeader) ?? 1),
    });
  }
  const exitCode = answers.find((one) => one.exitCode !== 0)?.exitCode ?? 0;
  return new Response(answers.map((one) => one.text).join("\n"), {
    status: 200,
    headers: { ...textType, [exitCodeHeader]: String(exitCode) },
  });
}

/** `GET /argosy/v1/units/{name}/journal`: journalctl's text of the unit as a stream. */
export async function unitJournal(
  view: FleetView,
  name: UnitName,
  url: URL,
  machines: Machines,
  nowMs: number,
  signal: AbortSignal,
): Promise<Response> {
  const options = readJournalOptions(url.searchParams);
  if ("problem" in options) return refuse(400, options.problem);
  const where = whereIs(view, name, url.searchParams.get("machine"));
  if ("problem" in where) return refuse(where.status, where.problem);
  const query = new URLSearchParams({
    lines: String(options.lines),
    follow: String(options.follow),
    output: options.output,
    ...windowQuery(options),
  });
  const streams: ReadableStream<Uint8Array>[] = [];
  let end: string | null = null;
  for (const machine of where.machines) {
    if (machine === machines.local?.id) {
      const span = spanOf(options, nowMs);
      if (span.endMs !== undefined) end = String(span.endMs);
      streams.push(machines.local.journal(name, { ...options, ...span }, signal));
      continue;
    }
    query.set("machine", machine);
    const response = await askMachine(
      machines,
      machine,
      `${pathOf(name)}/journal?${query.toString()}`,
      signal,
    );
    if (response.status !== 200 || response.body === null) return response;
    streams.push(response.body);
    end = response.headers.get(journalEndHeader);
  }
  const [only] = streams;
  if (streams.length !== 1 || only === undefined)
    return new Response(merged(streams), { status: 200, headers: textType });
  const headers = end === null ? textType : { ...textType, [journalEndHeader]: end };
  return new Response(only, { status: 200, headers });
}

/** A window as the query of a journal has it. */
export function windowQuery({ withinMs, sinceMs, olderMs }: JournalWindow): Readonly<Record<string, string>> {
  return {
    ...(withinMs === undefined ? {} : { within: String(Math.ceil(withinMs)) }),
    ...(sinceMs === undefined ? {} : { since: String(sinceMs) }),
    ...(olderMs === undefined ? {} : { older: String(Math.ceil(olderMs)) }),
  };
}

function spanOf({ withinMs, sinceMs, olderMs }: JournalWindow, nowMs: number): JournalSpan {
  const fromMs = sinceMs ?? (withinMs === undefined ? undefined : nowMs - withinMs);
  return {
    ...(fromMs === undefined ? {} : { sinceMs: fromMs }),
    ...(olderMs === undefined ? {} : { endMs: nowMs - olderMs }),
  };
}

function pathOf(name: UnitName): string {
  return `/argosy/v1/units/${encodeURIComponent(name)}`;
}

async function askMachine(
  machines: Machines,
  machine: MachineId,
  path: string,
  signal: AbortSignal,
): Promise<Response> {
  if (machines.fetchMachine === undefined) {
    throw new Fault(
      "machine-unreachable",
      `cannot reach machine ${machine} from here; ask the API of that machine`,
    );
  }
  return await machines.fetchMachine(machine, path, signal);
}

type Where =
  | { readonly machines: readonly MachineId[] }
  | { readonly status: number; readonly problem: string };

/** Machines to ask about a unit: the one that is named, else the one it is placed on, else all that show a state of it. */
function whereIs(view: FleetView, name: UnitName, named: string | null): Where {
  const unit = view.units.get(name);
  const withState = Array.from(view.states.get(name)?.keys() ?? []);
  if (named !== null) return { machines: [named] };
  if (unit === undefined && withState.length === 0) return { status: 404, problem: "unit does not exist" };
  const placed = unit === undefined || partsOf(unit).global ? undefined : machineOf(view, name);
  if (placed !== undefined) return { machines: [placed] };
  if (withState.length === 0) return { status: 409, problem: `unit ${name} is not loaded on any machine` };
  return { machines: withState };
}

function readJournalOptions(
  query: URLSearchParams,
): (JournalOptions & JournalWindow) | { readonly problem: string } {
  const lines = query.get("lines") ?? "10";
  const output = query.get("output") ?? "short";
  if (!/^\d{1,6}$/.test(lines) || Number(lines) > mostJournalLines) {
    return { problem: `lines must be a number up to ${mostJournalLines}` };
  }
  if (!journalOutputs.includes(output))
    return { problem: `output must be one of ${journalOutputs.join(", ")}` };
  for (const time of ["within", "since", "older"]) {
    const text = query.get(time);
    if (text !== null && !/^\d{1,13}$/.test(text))
      return { problem: `${time} must be a number of milliseconds` };
  }
  const asked = query.get("follow");
  const follow = asked !== null && asked !== "false" && asked !== "0";
  if (follow && query.has("older")) return { problem: "older does not go with follow" };
  const [within, since, older] = [query.get("within"), query.get("since"), query.get("older")];
  return {
    lines: Number(lines),
    follow,
    output,
    ...(within === null ? {} : { withinMs: Number(within) }),
    ...(since === null ? {} : { sinceMs: Number(since) }),
    ...(older === null ? {} : { olderMs: Number(older) }),
  };
}

/** Several streams of lines as one: whole lines, in the order in which they come. */
function merged(streams: readonly ReadableStream<Uint8Array>[]): ReadableStream<Uint8Array> {
  const readers = streams.map((stream) => stream.getReader());
  return new ReadableStream<Uint8Array>({
    start: async (controller) => {
      const copyAll = readers.map(
        async (reader) => await copyLines(reader, (line) => controller.enqueue(line)),
      );
      const outcomes = await Promise.allSettled(copyAll);
      const failed = outcomes.find((outcome) => outcome.status === "rejected");
      if (failed === undefined) controller.close();
      else controller.error(failed.reason);
    },
    cancel: async (reason) => {
      await Promise.allSettled(readers.map((reader) => reader.cancel(reason)));
    },
  });
}

const newline = 10;

async function copyLines(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  write: (line: Uint8Array) => void,
): Promise<void> {
  let rest = new Uint8Array();
  for (;;) {
    const { value } = await reader.read();
    if (value === undefined) break;
    const end = value.lastIndexOf(newline) + 1;
    const whole = joined(rest, value.subarray(0, end));
    if (end > 0) write(whole);
    rest = end > 0 ? value.slice(end) : joined(rest, value);
  }
  if (rest.length > 0) write(rest);
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
