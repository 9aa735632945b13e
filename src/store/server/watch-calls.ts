import type { ServerDuplexStream } from "@grpc/grpc-js";
import { once } from "node:events";
import { isFault } from "../../lib/fault.ts";
import type { EmbeddedStore } from "../embedded/embedded-store.ts";
import { exactly } from "../range.ts";
import type { Change, KeyRange, Revision } from "../store.ts";
import { keyOf } from "../table.ts";
import { keyValueOf } from "./answers.ts";
import { bytesOf, rangeOf } from "./bytes.ts";
import { refusalOf } from "./failures.ts";
import {
  type Event,
  Event_EventType as EventType,
  type KeyValue,
  type ResponseHeader,
  WatchCreateRequest_FilterType as Filter,
  type WatchCreateRequest,
  type WatchRequest,
  type WatchResponse,
} from "../wire/generated/etcd.ts";

/** Watches that one stream may carry; a stream that asks for more is told that the watch is cancelled. */
const mostWatches = 10_000;

type Stream = ServerDuplexStream<WatchRequest, WatchResponse>;

/** Serves one stream of etcd's Watch service: any number of watches, until the client ends it. */
export function serveWatches(
  store: EmbeddedStore,
  stream: Stream,
  headerAt: (revision: Revision) => ResponseHeader,
): void {
  const watches = new Map<bigint, AbortController>();
  let lastId = -1n;
  const endAll = (): void => {
    for (const watch of watches.values()) watch.abort();
    watches.clear();
  };
  const answer = (fields: Partial<WatchResponse>): Promise<void> =>
    write(stream, { ...nothing, header: headerAt(store.revision), ...fields });

  const create = async (request: WatchCreateRequest): Promise<void> => {
    const watchId = request.watchId === 0n ? ++lastId : request.watchId;
    const cancel = (cancelReason: string): Promise<void> =>
      answer({ watchId, created: true, canceled: true, cancelReason });
    if (watches.has(watchId))
      return cancel("etcdserver: mvcc: duplicate watch ID provided on the WatchStream");
    if (watches.size >= mostWatches) return cancel("argosy: too many watches on one stream");
    const stop = new AbortController();
    try {
      const range = rangeOf(request.key, request.rangeEnd);
      const after = request.startRevision > 0n ? Number(request.startRevision) - 1 : store.revision;
      watches.set(watchId, stop);
      await answer({ watchId, created: true });
      await follow(store, request, range, after, stop.signal, (events, revision) =>
        answer({ watchId, events, header: headerAt(revision) }),
      );
    } catch (error) {
      if (stop.signal.aborted) return;
      watches.delete(watchId);
      const compactRevision = isFault(error, "store-compacted") ? BigInt(store.watchableFrom) : 0n;
      await answer({ watchId, canceled: true, compactRevision, cancelReason: refusalOf(error).details });
    }
  };

  stream.on("data", ({ requestUnion }: WatchRequest) => {
    if (requestUnion?.$case === "createRequest") void create(requestUnion.createRequest);
    else if (requestUnion?.$case === "cancelRequest") {
      const { watchId } = requestUnion.cancelRequest;
      watches.get(watchId)?.abort();
      if (watches.delete(watchId)) void answer({ watchId, canceled: true });
    } else if (requestUnion !== undefined) void answer({ watchId: -1n });
  });
  stream.on("end", () => {
    endAll();
    stream.end();
  });
  stream.on("cancelled", endAll);
  // The client is gone; there is nobody to tell.
  stream.on("error", endAll);
}

/** Sends what happens in the range, one response for each revision, as fast as the client takes it. */
async function follow(
  store: EmbeddedStore,
  request: WatchCreateRequest,
  range: KeyRange,
  after: Revision,
  signal: AbortSignal,
  send: (events: Event[], revision: Revision) => Promise<void>,
): Promise<void> {
  for await (const { changes, revision } of store.watch(range, after, signal)) {
    const wanted = changes.filter((change) => !isFiltered(request, change));
    if (wanted.length === 0) continue;
    const events = await Promise.all(
      wanted.map(async (change) => ({
        ...eventOf(change),
        prevKv: request.prevKv ? await entryBefore(store, change, revision) : undefined,
      })),
    );
    await send(events, revision);
  }
}

function isFiltered({ filters }: WatchCreateRequest, { kind }: Change): boolean {
  return filters.includes(kind === "put" ? Filter.NOPUT : Filter.NODELETE);
}

function eventOf(change: Change): Omit<Event, "prevKv"> {
  if (change.kind === "put") return { type: EventType.PUT, kv: keyValueOf(change.entry) };
  const kv: KeyValue = {
    key: bytesOf(change.key),
    modRevision: BigInt(change.modRevision),
    createRevision: 0n,
    version: 0n,
    value: bytesOf(""),
    lease: 0n,
  };
  return { type: EventType.DELETE, kv };
}

/** What a key was before the revision; not known when that is compacted, as in etcd. */
async function entryBefore(
  store: EmbeddedStore,
  change: Change,
  revision: Revision,
): Promise<KeyValue | undefined> {
  try {
    const [entry] = (await store.read(exactly(keyOf(change)), { atRevision: revision - 1 })).entries;
    return entry === undefined ? undefined : keyValueOf(entry);
  } catch (error) {
    if (isFault(error, "store-compacted")) return undefined;
    throw error;
  }
}

const nothing: WatchResponse = {
  header: undefined,
  watchId: 0n,
  created: false,
  canceled: false,
  compactRevision: 0n,
  cancelReason: "",
  events: [],
};

/** Resolves when the stream can take more, or is gone. */
async function write(stream: Stream, response: WatchResponse): Promise<void> {
  if (stream.destroyed || stream.cancelled || stream.write(response)) return;
  const gone = new AbortController();
  const end = (): void => gone.abort();
  stream.once("cancelled", end).once("close", end);
  await once(stream, "drain", { signal: gone.signal }).catch(() => undefined);
  stream.off("cancelled", end).off("close", end);
}
