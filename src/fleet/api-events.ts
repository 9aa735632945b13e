import type { Clock } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import { answer, refuse } from "./api-answers.ts";
import type { EventFeed, EventPage } from "./event-feed.ts";
import {
  type Cursor,
  type EventFilter,
  type FleetEvent,
  fromTheStart,
  readCursor,
  readFilter,
} from "./events.ts";

/** Streams of one API at a time; each holds a connection. */
const mostStreams = 256;
/** How long a stream is silent before it says that it is still there. */
const silenceMs = 15_000;
/** How long the first read of the history may take. */
const readLimitMs = 5000;
/** Events that are written to a stream at once. */
const mostInPiece = 100;

/** `GET /argosy/v1/events`, as a stream of server-sent events or, with `follow=false`, as one JSON document. */
export class EventsEndpoint {
  readonly #feed: EventFeed;
  readonly #clock: Clock;
  #streams = 0;

  constructor(feed: EventFeed, clock: Clock) {
    this.#feed = feed;
    this.#clock = clock;
  }

  async get(url: URL, lastEventId: string | null, signal: AbortSignal): Promise<Response> {
    const asked = readQuestion(url.searchParams, lastEventId);
    if ("problem" in asked) return refuse(400, asked.problem);
    if (this.#streams >= mostStreams)
      return refuse(
        503,
        `${mostStreams} streams of events are open already; close one or ask another machine`,
      );
    this.#streams += 1;
    let release: (() => void) | undefined;
    const end = (): void => {
      if (release === undefined) return;
      this.#streams -= 1;
      release();
      release = undefined;
    };
    try {
      release = await this.#held(asked.after, signal);
    } catch {
      this.#streams -= 1;
      return refuse(503, "the history cannot be read: the store does not answer; try again in a moment");
    }
    const first = lastOf(this.#feed.page(asked.after, asked.filter), asked.last);
    if (!asked.follow) {
      end();
      return answer({
        cursor: textOf(first.cursor),
        ...(first.gap ? { gap: true } : {}),
        events: first.events,
      });
    }
    return this.#stream(first, asked.filter, signal, end);
  }

  async #held(after: Cursor, signal: AbortSignal): Promise<() => void> {
    const limit = new AbortController();
    const over = new AbortController();
    this.#clock.sleep(readLimitMs, over.signal).then(
      () => limit.abort(new Fault("too-late", "the history was not read in time")),
      () => undefined,
    );
    try {
      return await this.#feed.hold(AbortSignal.any([signal, limit.signal]), after);
    } finally {
      over.abort(isFinished);
    }
  }

  #stream(first: EventPage, filter: EventFilter, signal: AbortSignal, end: () => void): Response {
    const stop = new AbortController();
    const finish = (): void => {
      signal.removeEventListener("abort", finish);
      stop.abort(isFinished);
      end();
    };
    signal.addEventListener("abort", finish, { once: true });
    if (signal.aborted) finish();
    const encoder = new TextEncoder();
    let cursor = first.cursor;
    let pieces: Iterator<string, undefined> = piecesOf(first, ": connected\n\n");
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        let piece = pieces.next();
        while (piece.done) {
          const page = await this.#nextOrSilence(cursor, filter, stop.signal);
          if (stop.signal.aborted) {
            controller.close();
            return;
          }
          cursor = page?.cursor ?? cursor;
          pieces = page === undefined ? [": still here\n\n"].values() : piecesOf(page);
          piece = pieces.next();
        }
        controller.enqueue(encoder.encode(piece.value));
      },
      cancel: finish,
    });
    return new Response(body, {
      status: 200,
      headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store" },
    });
  }

  /** The next events; undefined when there were none for a while. */
  async #nextOrSilence(
    cursor: Cursor,
    filter: EventFilter,
    signal: AbortSignal,
  ): Promise<EventPage | undefined> {
    const limit = new AbortController();
    const abort = (): void => limit.abort(isFinished);
    signal.addEventListener("abort", abort, { once: true });
    this.#clock.sleep(silenceMs, limit.signal).then(abort, () => undefined);
    try {
      const page = await this.#feed.next(cursor, filter, limit.signal);
      return page.events.length === 0 && !page.gap ? undefined : page;
    } finally {
      signal.removeEventListener("abort", abort);
      abort();
    }
  }
}

/** Why a wait ends that is not needed any more; made once, because every event has one. */
const isFinished = new Fault("finished", "finished in time");

interface Question {
  readonly after: Cursor;
  readonly filter: EventFilter;
  readonly follow: boolean;
  /** Only so many of the events there are; undefined for all. */
  readonly last: number | undefined;
}

function readQuestion(
  query: URLSearchParams,
  lastEventId: string | null,
): Question | { readonly problem: string } {
  const filter = readFilter(query);
  if ("problem" in filter) return filter;
  const given = lastEventId ?? query.get("after");
  const after = given === null ? fromTheStart : readCursor(given);
  if (after === undefined)
    return { problem: `${JSON.stringify(given)} is not the id of an event, such as 4711-0` };
  const last = query.get("last");
  if (last !== null && !/^\d{1,6}$/.test(last)) return { problem: "last must be a number of events" };
  const follow = query.get("follow");
  return {
    after,
    filter,
    follow: follow !== "false" && follow !== "0",
    last: last === null ? undefined : Number(last),
  };
}

function lastOf(page: EventPage, last: number | undefined): EventPage {
  if (last === undefined || page.events.length <= last) return page;
  return { ...page, events: last === 0 ? [] : page.events.slice(-last) };
}

/**
 * A page as text of the stream, behind a greeting, if any, that shows the client that it is connected. Made piece by piece as the
 * client takes them: one that reads slowly costs no more than its place.
 */
function* piecesOf(page: EventPage, greeting?: string): Generator<string, undefined> {
  if (greeting !== undefined) yield greeting;
  if (page.gap) yield `event: gap\ndata: ${JSON.stringify({ kind: "gap", because: gapText })}\n\n`;
  for (let start = 0; start < page.events.length; start += mostInPiece)
    yield page.events
      .slice(start, start + mostInPiece)
      .map(eventText)
      .join("");
}

/** What a reader hears who has been away for longer than the history reaches back. */
export const gapText = "some events after the one that was asked for are forgotten already";

/** Texts of events that some stream has been sent, made once for all streams and kept for as long as the history keeps the event. */
const texts = new WeakMap<FleetEvent, string>();

function eventText(event: FleetEvent): string {
  const made = texts.get(event);
  if (made !== undefined) return made;
  const text = `id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
  texts.set(event, text);
  return text;
}

/** A cursor as clients send it back; everything of its revision has been seen. */
function textOf({ revision }: Cursor): string {
  return String(revision);
}
