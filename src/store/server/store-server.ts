import {
  Server,
  ServerCredentials,
  type handleBidiStreamingCall,
  type handleUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";
import type { Env } from "../../lib/env.ts";
import { Fault, sentenceOf } from "../../lib/fault.ts";
import { productVersion } from "../../lib/version.ts";
import type { EmbeddedStore } from "../embedded/embedded-store.ts";
import { maxTransactionBytes, type Revision } from "../store.ts";
import type { Table } from "../table.ts";
import { rangeResponseOf } from "./answers.ts";
import { rangeOf } from "./bytes.ts";
import { refusalOf, refusals } from "./failures.ts";
import type * as wire from "../wire/generated/etcd.ts";
import * as leases from "./lease-calls.ts";
import { services } from "./services.ts";
import { Plan } from "./transaction.ts";
import { serveWatches } from "./watch-calls.ts";

/** The largest request, in bytes: etcd's limit for a transaction, and what surrounds it. */
const mostRequestBytes = maxTransactionBytes + 512 * 1024;
/** Calls and watches of one connection at a time. */
const mostStreams = 10_000;
/** How long calls under way may take when the server closes, in ms. */
const lastCallsMs = 2_000;

export interface ServeOptions {
  /** HOST:PORT to listen on, without TLS: a loopback address. Port 0 takes any free one. */
  readonly address: string;
  /** This machine's name in the list of members. Default "embedded". */
  readonly name?: string;
}

/** An embedded store that clients of etcd's v3 API can use, ours and others. */
export interface StoreServer {
  /** Such as `http://127.0.0.1:2379`. */
  readonly endpoint: string;
  /** Ends watches, and calls that are not done soon. The store stays open. */
  close(): Promise<void>;
}

/**
 * Answers etcd's v3 gRPC API out of an embedded store, as a cluster of one member: KV, Watch, Lease, and of Cluster and
 * Maintenance what clients ask to see whether it is well. Rejects with Fault `cannot-listen`.
 */
export async function serveStore(
  store: EmbeddedStore,
  options: ServeOptions,
  env: Env,
): Promise<StoreServer> {
  const server = new Server({
    "grpc.max_receive_message_length": mostRequestBytes,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": mostStreams,
  });
  const port = await bind(server, options.address);
  const host = options.address.replace(/:[0-9]*$/, "");
  const endpoint = `http://${host}:${port}`;
  addCalls(server, store, { name: options.name ?? "embedded", endpoint });
  return { endpoint, close: () => close(server, env) };
}

interface MemberFacts {
  readonly name: string;
  readonly endpoint: string;
}

function addCalls(server: Server, store: EmbeddedStore, { name, endpoint }: MemberFacts): void {
  const { clusterId, memberId } = store.names;
  const [cluster, member] = [BigInt(clusterId), BigInt(memberId)];
  const headerAt = (revision: Revision): wire.ResponseHeader => ({
    clusterId: cluster,
    memberId: member,
    revision: BigInt(revision),
    raftTerm: 1n,
  });
  const header = (): wire.ResponseHeader => headerAt(store.revision);

  const change = async <Response extends object>(rule: (plan: Plan) => Response): Promise<Response> => {
    const { answer, revision } = await store.decide((table: Table) => {
      const plan = new Plan(table);
      return { answer: rule(plan), then: plan.operations };
    });
    return { ...answer, header: headerAt(revision) };
  };

  server.addService(services, {
    range: unary(async (request: wire.RangeRequest) => {
      const range = rangeOf(request.key, request.rangeEnd);
      const past = request.revision > 0n ? { atRevision: Number(request.revision) } : {};
      const { entries, revision } = await store.read(range, past);
      return { ...rangeResponseOf(request, entries), header: headerAt(revision) };
    }),
    put: unary((request: wire.PutRequest) => change((plan) => plan.put(request))),
    deleteRange: unary((request: wire.DeleteRangeRequest) => change((plan) => plan.delete(request))),
    transact: unary((request: wire.TxnRequest) => change((plan) => plan.transaction(request))),
    compact: unary(async ({ revision }: wire.CompactionRequest) => {
      // Unlike the store, etcd minds when that was done before.
      if (revision <= store.compacted) throw refusals.compacted();
      await store.compact(Number(revision));
      return { header: header() };
    }),
    watch: ((stream) => serveWatches(store, stream, headerAt)) satisfies handleBidiStreamingCall<
      wire.WatchRequest,
      wire.WatchResponse
    >,
    grantLease: unary((request: wire.LeaseGrantRequest) => leases.grant(store, request, header)),
    revokeLease: unary((request: wire.LeaseRevokeRequest) => leases.revoke(store, request, header)),
    keepLeaseAlive: answering((request: wire.LeaseKeepAliveRequest) =>
      leases.keepAlive(store, request, header),
    ),
    timeToLive: unary(async (request: wire.LeaseTimeToLiveRequest) =>
      leases.timeToLive(store, request, header),
    ),
    listLeases: unary(async () => leases.list(store, header)),
    listMembers: unary(async (): Promise<wire.MemberListResponse> => {
      const only = { ID: member, name, peerURLs: [], clientURLs: [endpoint], isLearner: false };
      return { header: header(), members: [only] };
    }),
    askStatus: unary(async (): Promise<wire.StatusResponse> => {
      const index = BigInt(store.revision);
      return {
        header: header(),
        version: `argosy-${productVersion}`,
        dbSize: 0n,
        dbSizeInUse: 0n,
        leader: member,
        raftIndex: index,
        raftTerm: 1n,
        raftAppliedIndex: index,
      };
    }),
    listAlarms: unary(async (): Promise<wire.AlarmResponse> => ({ header: header() })),
  });
}

/** A call with one question and one answer. */
function unary<Request, Response>(
  answer: (request: Request) => Promise<Response>,
): handleUnaryCall<Request, Response> {
  return ({ request }, callback) => void answerOnce(request, answer, callback);
}

async function answerOnce<Request, Response>(
  request: Request,
  answer: (request: Request) => Promise<Response>,
  callback: sendUnaryData<Response>,
): Promise<void> {
  try {
    callback(null, await answer(request));
  } catch (error) {
    callback(refusalOf(error));
  }
}

/** A stream of questions, each with one answer, in order. */
function answering<Request, Response>(
  answer: (request: Request) => Promise<Response>,
): handleBidiStreamingCall<Request, Response> {
  return (stream) => {
    // The client is gone; there is nobody to tell.
    stream.on("error", () => undefined);
    // Not `for await`, which destroys the stream before it could be ended with a status.
    let answered = Promise.resolve();
    const next = async (before: Promise<void>, request: Request): Promise<void> => {
      await before;
      stream.write(await answer(request));
    };
    stream.on("data", (request: Request) => {
      answered = next(answered, request);
      answered.catch((error: unknown) => stream.emit("error", refusalOf(error)));
    });
    stream.on("end", () => {
      answered.then(
        () => stream.end(),
        () => undefined,
      );
    });
  };
}

function bind(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else {
        const why = sentenceOf(error);
        reject(
          new Fault(
            "cannot-listen",
            `Cannot serve the store on ${address}, ${why}: see whether something else listens there.`,
            { cause: error },
          ),
        );
      }
    });
  });
}

/** Watches never end by themselves, so they are cut after the calls had their time. */
async function close(server: Server, env: Env): Promise<void> {
  const done = new AbortController();
  const ended = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  const cut = env.clock.sleep(lastCallsMs, done.signal).then(
    () => server.forceShutdown(),
    () => undefined,
  );
  await ended;
  done.abort();
  await cut;
}
