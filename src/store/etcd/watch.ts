import type { ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import type { Env } from "../../lib/env.ts";
import { Fault } from "../../lib/fault.ts";
import type { ChangeBatch, KeyRange, Revision, StoreId } from "../store.ts";
import { faultOf, unavailable } from "./faults.ts";
import type { WatchRequest, WatchResponse } from "../wire/generated/etcd.ts";
import type { Member } from "./member.ts";
import { watch } from "./methods.ts";
import { changeOf, safeNumber, storeIdOf, watchRequest } from "./translate.ts";

type Stream = ClientDuplexStream<WatchRequest, WatchResponse>;

/** A watch that a member has confirmed. */
export interface OpenWatch {
  readonly member: Member;
  readonly batches: AsyncIterable<ChangeBatch>;
  /** The cluster that confirmed it. */
  readonly storeId: StoreId;
  /** Must be called in the end, whatever happened. */
  close(): void;
}

/**
 * Opens a watch on one member: one stream for each watch, so that a slow reader holds up nobody else; what it has not
 * taken waits in etcd, by gRPC's flow control. Throws the Fault that the watch would end with.
 */
export async function openWatch(
  env: Env,
  member: Member,
  range: KeyRange,
  after: Revision,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<OpenWatch> {
  const stream = await member.stream(watch, timeoutMs);
  if (stream === undefined) throw unavailable("watch", member.endpoint, "there is no connection");
  const { signal: alive, release } = member.attend();
  // A cancelled stream reports an error even when nobody reads it any more.
  stream.on("error", () => undefined);
  const late = new AbortController();
  const ended = AbortSignal.any([signal, alive, late.signal]);
  const cancel = (): void => stream.cancel();
  ended.addEventListener("abort", cancel, { once: true });
  const close = (): void => {
    ended.removeEventListener("abort", cancel);
    release();
    stream.cancel();
  };
  const responses = responsesOf(stream, member, ended);
  const opened = new AbortController();
  let storeId: StoreId;
  try {
    stream.write(watchRequest(range, after));
    void failAfter(env, timeoutMs, opened.signal, late, member);
    const first = await responses.next();
    if (first.done === true || !first.value.created) throw notConfirmed(member);
    storeId = storeIdOf(first.value.header);
  } catch (error) {
    close();
    throw error;
  } finally {
    opened.abort();
  }
  return { member, batches: batchesOf(responses, after), storeId, close };
}

async function failAfter(
  env: Env,
  timeoutMs: number,
  opened: AbortSignal,
  late: AbortController,
  member: Member,
): Promise<void> {
  try {
    await env.clock.sleep(timeoutMs, opened);
  } catch {
    // The watch was opened, or given up, in time.
    return;
  }
  member.doubt();
  late.abort(notConfirmed(member));
}

/** What the member says, until it cancels the watch or the stream breaks: both become the fault to throw. */
async function* responsesOf(
  stream: Stream,
  member: Member,
  ended: AbortSignal,
): AsyncGenerator<WatchResponse, void> {
  try {
    for await (const response of stream as AsyncIterable<WatchResponse>) {
      ended.throwIfAborted();
      if (response.canceled) throw canceled(response, member);
      yield response;
    }
  } catch (error) {
    ended.throwIfAborted();
    if (error instanceof Fault || !isServiceError(error)) throw error;
    member.doubt();
    throw faultOf("watch", member.endpoint, error);
  }
  ended.throwIfAborted();
  throw unavailable("watch", member.endpoint, "it ended the watch");
}

/** etcd never splits a revision over two responses unless it is asked to, and may put many into one. */
async function* batchesOf(
  responses: AsyncIterable<WatchResponse>,
  after: Revision,
): AsyncGenerator<ChangeBatch, void> {
  let last = after;
  for await (const response of responses) {
    const changes = response.events.map(changeOf);
    const newest = changes.at(-1);
    if (newest === undefined) continue;
    last = Math.max(last, newest.kind === "put" ? newest.entry.modRevision : newest.modRevision);
    yield { revision: last, changes };
  }
}

function canceled(response: WatchResponse, member: Member): Fault {
  if (response.compactRevision > 0n) {
    const oldest = safeNumber(response.compactRevision);
    return new Fault(
      "store-compacted",
      `Cannot watch etcd at ${member.endpoint} from so far back, history begins at ${oldest}: read the present and go on from there.`,
    );
  }
  return unavailable("watch", member.endpoint, response.cancelReason || "it cancelled the watch");
}

function notConfirmed(member: Member): Fault {
  return unavailable("watch", member.endpoint, "it did not confirm the watch in time");
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "details" in error && "code" in error;
}
