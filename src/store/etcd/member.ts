import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import {
  Client,
  connectivityState,
  credentials,
  Metadata,
  type ChannelCredentials,
  type ClientDuplexStream,
  type ServiceError,
} from "@grpc/grpc-js";
import { pauseMs, type Backoff } from "../../lib/backoff.ts";
import type { Env } from "../../lib/env.ts";
import { Fault } from "../../lib/fault.ts";
import { isAlive, storeClosed, unavailable, wasRefused } from "./faults.ts";
import { range, type Method } from "./methods.ts";
import { rangeRequest } from "./translate.ts";

/** PEM texts; without `ca` the system's certificate authorities are trusted. */
export interface EtcdTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/**
 * How long a watched member may go without a proof that it is well before it is asked for one. Longer than a machine's pause
 * between two renewals of its presence, each of which is such a proof: a machine that has nothing else to say asks for none.
 */
const heartbeatMs = 4_000;
/** A member that proves nothing for this long, twice in a row, is dead. */
const heartbeatTimeoutMs = 1_000;
/** How often a member in doubt is asked whether it is well again. */
const probeBackoff: Backoff = { firstMs: 200, mostMs: 5_000 };

/** etcd answers at once, instead of waiting, when the member that was asked knows no leader. */
const onlyWithLeader = new Metadata();
onlyWithLeader.set("hasleader", "true");
const anyway = new Metadata();

/** How a call ended that did not succeed; gRPC's own error is the cause. */
export type CallResult<Response> =
  | { readonly ok: true; readonly response: Response }
  /** `sent` is false when it is certain that the member did nothing. */
  | { readonly ok: false; readonly sent: boolean; readonly error: ServiceError | undefined };

/** One member of the etcd cluster: its connection, and what we think of it. */
export class Member {
  readonly endpoint: string;
  readonly #env: Env;
  readonly #client: Client;
  readonly #closing = new AbortController();
  #inDoubt = false;
  #recovery = Promise.resolve();
  #watches = 0;
  #beating = false;
  /** On the monotonic clock: when it answered last and knew a leader. */
  #wellAtMs = Number.NEGATIVE_INFINITY;
  /** Aborted, and replaced, when the connection that watches are on is found dead. */
  #connection = new AbortController();

  constructor(env: Env, endpoint: string, tls: EtcdTls | undefined) {
    this.endpoint = endpoint;
    this.#env = env;
    this.#client = new Client(addressOf(endpoint), credentialsFor(endpoint, tls), {
      "grpc.enable_http_proxy": 0,
      "grpc.enable_retries": 0,
      "grpc.service_config_disable_resolution": 1,
      "grpc.use_local_subchannel_pool": 1,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1_000,
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      // etcd ends connections that ping more often than its --grpc-keepalive-min-time (5 s); heartbeats are faster.
      "grpc.keepalive_time_ms": 6_000,
      "grpc.keepalive_timeout_ms": 2_000,
      ...(isIP(hostOf(endpoint)) === 0 ? {} : { "grpc.ssl_target_name_override": nameOfAddresses }),
    });
  }

  /** Whether a call failed since the member last proved to be well. */
  get inDoubt(): boolean {
    return this.#inDoubt;
  }

  /** Resolves when the member is not in doubt, or is closed. */
  get recovery(): Promise<void> {
    return this.#recovery;
  }

  /** One call with one answer, within `timeoutMs`. Never rejects. */
  async call<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    timeoutMs: number,
    needsLeader = true,
  ): Promise<CallResult<Response>> {
    const deadline = Date.now() + timeoutMs;
    if (!this.#isConnected() && !(await this.#connect(deadline))) {
      this.doubt();
      return { ok: false, sent: false, error: undefined };
    }
    const result = await this.#send(method, request, deadline, needsLeader);
    if (result.ok && needsLeader) this.#wellAtMs = this.#env.clock.monotonic();
    if (!result.ok && (result.error === undefined || !isAlive(result.error) || wasRefused(result.error)))
      this.doubt();
    return result;
  }

  /** Opens a stream in both directions; undefined when the member cannot be reached within `timeoutMs`. */
  async stream<Request, Response>(
    method: Method<Request, Response>,
    timeoutMs: number,
  ): Promise<ClientDuplexStream<Request, Response> | undefined> {
    if (!(await this.#connect(Date.now() + timeoutMs))) {
      this.doubt();
      return undefined;
    }
    const { path, encode, decode } = method;
    return this.#client.makeBidiStreamRequest(path, encode, decode, onlyWithLeader.clone());
  }

  /**
   * Proves again and again that the member is alive, until the returned function is called; the signal is aborted with
   * a Fault `store-unavailable` when it is not. Watches need this: without it a silent peer and a quiet one look the same.
   */
  attend(): { readonly signal: AbortSignal; readonly release: () => void } {
    this.#watches += 1;
    if (!this.#beating) void this.#beat();
    return { signal: this.#connection.signal, release: () => void (this.#watches -= 1) };
  }

  /** Others are preferred from now on, until the member proves to be well. */
  doubt(): void {
    if (this.#inDoubt || this.#closing.signal.aborted) return;
    this.#inDoubt = true;
    this.#recovery = this.#probeUntilWell();
  }

  /** As `close`, for a member that is not asked any more while the store goes on. */
  retire(): void {
    const reason = unavailable("use", this.endpoint, "it is no longer one of the members to ask");
    this.#closing.abort(reason);
    this.#connection.abort(reason);
    this.#client.close();
  }

  close(): void {
    this.#closing.abort(storeClosed());
    this.#connection.abort(storeClosed());
    this.#client.close();
  }

  #send<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    deadline: number,
    needsLeader: boolean,
  ): Promise<CallResult<Response>> {
    return new Promise((resolve) => {
      const { path, encode, decode } = method;
      const metadata = (needsLeader ? onlyWithLeader : anyway).clone();
      this.#client.makeUnaryRequest(
        path,
        encode,
        decode,
        request,
        metadata,
        { deadline },
        (error, response) => {
          if (error !== null) resolve({ ok: false, sent: !wasRefused(error), error });
          else if (response === undefined) resolve({ ok: false, sent: true, error: undefined });
          else resolve({ ok: true, response });
        },
      );
    });
  }

  #isConnected(): boolean {
    if (this.#closing.signal.aborted) return false;
    return this.#client.getChannel().getConnectivityState(true) === connectivityState.READY;
  }

  /** Whether there is a connection before the deadline; false at once when the member refuses one. */
  async #connect(deadline: number): Promise<boolean> {
    while (!this.#closing.signal.aborted) {
      const channel = this.#client.getChannel();
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) return true;
      if (state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN) return false;
      const { promise, resolve } = Promise.withResolvers<boolean>();
      channel.watchConnectivityState(state, deadline, (error) => resolve(error === undefined));
      if (!(await promise)) return false;
    }
    return false;
  }

  async #beat(): Promise<void> {
    this.#beating = true;
    while (this.#watches > 0) {
      const provenForMs = this.#wellAtMs + heartbeatMs - this.#env.clock.monotonic();
      if (!(await this.#sleep(provenForMs > 0 ? provenForMs : heartbeatMs))) return;
      if (this.#env.clock.monotonic() - this.#wellAtMs < heartbeatMs) continue;
      // A second chance follows in the doubt: this process may have slept through the first answer.
      if (this.#watches > 0 && !this.#inDoubt && (await this.#probe()) !== "well") this.doubt();
    }
    this.#beating = false;
  }

  async #probeUntilWell(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const health = await this.#probe();
      if (this.#closing.signal.aborted) return;
      if (health === "well") break;
      if (health === "dead") this.#loseConnection();
      if (!(await this.#sleep(pauseMs(probeBackoff, attempt, this.#env.random())))) return;
    }
    this.#inDoubt = false;
  }

  /** Asks for next to nothing; any answer at all proves life. */
  async #probe(): Promise<"well" | "leaderless" | "dead"> {
    const deadline = Date.now() + heartbeatTimeoutMs;
    if (!(await this.#connect(deadline))) return "dead";
    const request = rangeRequest({ from: "\0" }, { limit: 1, consistency: "local" });
    const result = await this.#send(range, request, deadline, true);
    if (result.ok) return "well";
    return result.error !== undefined && isAlive(result.error) ? "leaderless" : "dead";
  }

  #loseConnection(): void {
    this.#connection.abort(unavailable("watch", this.endpoint, "it does not answer any more"));
    this.#connection = new AbortController();
  }

  /** Whether the member was still open after the sleep. */
  async #sleep(ms: number): Promise<boolean> {
    const { signal } = this.#closing;
    try {
      await this.#env.clock.sleep(ms, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    return !signal.aborted;
  }
}

function addressOf(endpoint: string): string {
  const address = endpoint.replace(/^https?:\/\//, "").replace(/\/+$/, "");
  if (!/^(\[[0-9a-fA-F:.]+\]|[^:/\s]+):[0-9]{1,5}$/.test(address)) {
    throw new Fault(
      "store-endpoint",
      `Cannot use ${JSON.stringify(endpoint)} as an etcd endpoint: write it like http://127.0.0.1:2379.`,
    );
  }
  return address;
}

function credentialsFor(endpoint: string, tls: EtcdTls | undefined): ChannelCredentials {
  if (!endpoint.startsWith("https://")) return credentials.createInsecure();
  const host = hostOf(endpoint);
  // The library asks about the name above; who has been dialled by an address has to prove that address.
  const proof = isIP(host) === 0 ? {} : { checkServerIdentity: provesAddress(host) };
  return credentials.createSsl(bytesOf(tls?.ca), bytesOf(tls?.key), bytesOf(tls?.cert), proof);
}

/** TLS names servers (RFC 6066, 3), and Node refuses to send an address as a name; etcd has one certificate for every name. */
const nameOfAddresses = "etcd";

function provesAddress(host: string) {
  return (_: string, certificate: PeerCertificate): Error | undefined =>
    checkServerIdentity(host, certificate);
}

function hostOf(endpoint: string): string {
  return (URL.parse(endpoint)?.hostname ?? "").replace(/^\[(.*)\]$/, "$1");
}

function bytesOf(pem: string | undefined): Buffer | null {
  return pem === undefined ? null : Buffer.from(pem);
}
