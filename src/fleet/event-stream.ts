import { pauseMs } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { Fault, isFault } from "../lib/fault.ts";
import { isRecord, readJson } from "./api-unit-rules.ts";
import type { Answer } from "./client-answer.ts";
import { eventShape, listOf, notFleet } from "./client-shapes.ts";
import type { EventId, FleetEvent } from "./events.ts";

/** What a client wants to see of the history. */
export interface EventQuestion {
  readonly units: readonly string[];
  readonly machines: readonly string[];
  readonly kinds: readonly string[];
  /** Go on with events as they happen. */
  readonly follow: boolean;
  /** Only what comes after this event. */
  readonly after?: EventId;
  /** Only so many of the events there are. */
  readonly last?: number;
}

/** The part of a `Transport` that reading needs. */
export type Ask = (method: "GET", path: string, body: undefined, signal: AbortSignal) => Promise<Answer>;

const streamType = "text/event-stream";
const retry = { firstMs: 250, mostMs: 10_000 };
/** Characters of one line of a stream; an event is far smaller. */
const mostLineCharacters = 1_000_000;

/**
 * Asks a fleet API for events; `gap` stands where some are forgotten. With `follow` it goes on for ever, over connections
 * that break: only the first one may fail. Ends when `signal` is aborted.
 * Throws Fault `endpoint-unreachable`, or `api-STATUS` with the server's message.
 */
export async function* readEvents(
  ask: Ask,
  question: EventQuestion,
  env: Env,
  signal: AbortSignal,
): AsyncGenerator<FleetEvent | "gap"> {
  let after = question.after;
  let failures = 0;
  let connected = false;
  for (;;) {
    try {
      for await (const item of oneStream(ask, question, after, signal)) {
        connected = true;
        failures = 0;
        if (item === "connected") continue;
        if (item !== "gap") after = item.id;
        yield item;
      }
      if (!question.follow) return;
    } catch (error) {
      if (signal.aborted) return;
      if (!question.follow || !connected || !mayPass(error)) throw error;
    }
    failures += 1;
    try {
      await env.clock.sleep(pauseMs(retry, failures, env.random()), signal);
    } catch {
      return;
    }
  }
}

/** A daemon that is restarted is away for a moment, and then says that it has not read the store yet. */
function mayPass(error: unknown): boolean {
  return isFault(error, "endpoint-unreachable", "api-502", "api-503");
}

async function* oneStream(
  ask: Ask,
  question: EventQuestion,
  after: EventId | undefined,
  signal: AbortSignal,
): AsyncGenerator<FleetEvent | "gap" | "connected"> {
  const query = new URLSearchParams();
  for (const unit of question.units) query.append("unit", unit);
  for (const machine of question.machines) query.append("machine", machine);
  for (const kind of question.kinds) query.append("kind", kind);
  query.set("follow", String(question.follow));
  if (after !== undefined) query.set("after", after);
  else if (question.last !== undefined) query.set("last", String(question.last));
  const response = await ask("GET", `/argosy/v1/events?${query.toString()}`, undefined, signal);
  if (response.status !== 200) {
    const text = await response.text();
    throw new Fault(`api-${response.status}`, messageIn(text, response.status));
  }
  if (!question.follow) {
    const page = readJson(await response.text());
    const answer = "json" in page && isRecord(page.json) ? page.json : {};
    const events = listOf(answer.events, eventShape);
    if (events === undefined) throw notFleet();
    if (answer.gap === true) yield "gap";
    yield* events;
    return;
  }
  if (!(response.headers.get("Content-Type") ?? streamType).startsWith(streamType)) throw notFleet();
  yield "connected";
  for await (const data of dataOf(response)) {
    const message = readJson(data);
    const json = "json" in message ? message.json : undefined;
    const isGap = isRecord(json) && json.kind === "gap";
    const event = isGap ? "gap" : eventShape(json);
    if (event === undefined) throw notFleet();
    yield event;
  }
}

/** The data of each message of a stream of server-sent events, as this API writes them: one line of data each. */
async function* dataOf(response: Answer): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of response.body ?? []) {
    rest += decoder.decode(piece, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > mostLineCharacters) throw notFleet();
    for (const line of lines) if (line.startsWith("data: ")) yield line.slice("data: ".length);
  }
}

function messageIn(text: string, status: number): string {
  try {
    const body = JSON.parse(text) as { error?: { message?: string } } | null;
    const message = body?.error?.message ?? "";
    if (message !== "") return `The fleet API refuses: ${message}`;
  } catch {
    // A server of another kind answers in its own words; the status says enough.
  }
  if (status === 404) return "This fleet API has no events: it is older than this program, or another one";
  return `The fleet API answers with status ${status}`;
}
