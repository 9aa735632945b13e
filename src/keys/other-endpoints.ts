import type { Env } from "../lib/env.ts";
import { isFault } from "../lib/fault.ts";
import { decideAuth, insufficient, invalidPath, isTooDeep, passwordIn, type AuthDecision } from "./auth.ts";
import type { Cluster, MemberChanges } from "./cluster.ts";
import { isKeysError, type KeysError } from "./errors.ts";
import { Gate, type PasswordCheck } from "./gate.ts";
import type { Keyspace } from "./keyspace.ts";
import { answerLogLevel, type KeysLogLevel } from "./log-level.ts";
import {
  decideMembers,
  indicesOf,
  memberChanged,
  memberRefused,
  membersFixed,
  type MemberChange,
} from "./members.ts";
import { metricsText, variablesText, type GatewayFacts, type ProcessFacts } from "./metrics.ts";
import { json, message, plainText, type PlainAnswer, type PlainRequest } from "./plain-answer.ts";
import type { OtherRoute, SingleEndpoint } from "./route.ts";
import { answerLeader, answerSelf, type Since } from "./statistics.ts";

/** The release of etcd whose v2 API this one follows; clients look at it to know what they may ask. */
const version = { etcdserver: "3.4.23", etcdcluster: "3.4.0" };

/** What the endpoints besides the keys tell of the gateway's surroundings. */
export interface Surroundings {
  /** Addresses of the v2 API that clients are told of, such as `http://127.0.0.1:4001`. */
  readonly clientUrls: readonly string[];
  /** Who keeps the store now; rejects with a Fault when nobody answers. */
  readonly cluster: () => Promise<Cluster>;
  /** Undefined where the members cannot be changed over this API. */
  readonly members?: MemberChanges | undefined;
  readonly processFacts: () => ProcessFacts;
  readonly setLogLevel: (level: KeysLogLevel) => void;
}

/** Turns passwords into what is kept of them, and checks them against it. */
export interface PasswordKeeper extends PasswordCheck {
  /** Throws Fault `passwords-busy`. */
  hash(password: string): Promise<string>;
}

/** An answer, and whether the cluster is named with it; etcd leaves that out where it refuses at the door. */
export interface EndpointAnswer extends PlainAnswer {
  readonly namesCluster: boolean;
}

/** The endpoints of an etcd member besides the keys. */
export class OtherEndpoints {
  readonly #env: Env;
  readonly #keyspace: Keyspace;
  readonly #surroundings: Surroundings;
  readonly #passwords: PasswordKeeper;
  readonly #gate: Gate;
  readonly #startedAtMs: number;
  /** The leader that was seen last, and since when. */
  #led: (Since & { readonly leader: string | undefined }) | undefined;

  constructor(env: Env, keyspace: Keyspace, surroundings: Surroundings, passwords: PasswordKeeper) {
    this.#env = env;
    this.#keyspace = keyspace;
    this.#surroundings = surroundings;
    this.#passwords = passwords;
    this.#gate = new Gate(keyspace, passwords);
    this.#startedAtMs = env.clock.now();
  }

  /** A store that does not answer is an answer as well: 503, with the reason. */
  async answer(route: OtherRoute, request: PlainRequest, signal: AbortSignal): Promise<EndpointAnswer> {
    if (route.to !== "members" && route.to !== "auth") {
      return { ...(await this.#answerSingle(route.to, request)), namesCluster: false };
    }
    const { method, below, authorization } = request;
    if (route.to === "auth" && isTooDeep(below)) return { ...invalidPath, namesCluster: false };
    const reads = method === "GET" && (route.to === "members" || below === "enable");
    if (!reads) {
      const allowed = await this.#orFault(() => this.#gate.mayGovern(authorization, signal));
      if (allowed === false) return { ...insufficient, namesCluster: false };
      if (allowed !== true) return { ...allowed, namesCluster: true };
    }
    const answer =
      route.to === "auth"
        ? await this.#orFault(() => this.#answerAuth(request, signal))
        : await this.#answerMembers(request, signal);
    return { ...answer, namesCluster: true };
  }

  async #answerSingle(to: SingleEndpoint, request: PlainRequest): Promise<PlainAnswer> {
    const { clientUrls, setLogLevel } = this.#surroundings;
    switch (to) {
      case "version":
        return json(200, version);
      case "health":
        return this.#answerHealth();
      case "machines":
        return { status: 200, type: plainText, text: clientUrls.join(", ") };
      case "stats-store":
        return this.#answerStore();
      case "stats-self":
        return this.#withCluster((cluster) => this.#answerSelf(cluster));
      case "stats-leader":
        return this.#withCluster(answerLeader);
      case "variables":
        return { status: 200, type: "application/json; charset=utf-8", text: variablesText(this.#facts()) };
      case "metrics":
        return {
          status: 200,
          type: "text/plain; version=0.0.4; charset=utf-8",
          text: metricsText(this.#facts()),
        };
      case "log-level":
        return answerLogLevel(request.body, setLogLevel);
    }
  }

  async #answerMembers(request: PlainRequest, signal: AbortSignal): Promise<PlainAnswer> {
    const { clientUrls } = this.#surroundings;
    const removed = this.#keyspace.removedMembers();
    return this.#withCluster((cluster) => {
      const decided = decideMembers(request, cluster, clientUrls, removed);
      return "do" in decided ? this.#changeMembers(decided, signal) : decided;
    });
  }

  async #changeMembers(change: MemberChange, signal: AbortSignal): Promise<PlainAnswer> {
    const { members } = this.#surroundings;
    if (members === undefined) return membersFixed;
    try {
      const added = change.do === "add" ? await members.add(change.peerUrls) : undefined;
      if (change.do === "update") await members.update(change.id, change.peerUrls);
      if (change.do === "remove") await members.remove(change.id);
      const removed = change.do === "remove" ? change.id : undefined;
      const noted = await this.#keyspace.noteMembers(indicesOf(change), removed, signal);
      if (noted !== undefined) {
        this.#env.log.warning("The index did not go on when the members changed.", { why: noted.cause });
      }
      return memberChanged(added);
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#env.log.warning("A change of the members failed.", { change: change.do, why: error.message });
      return memberRefused(change, error.code);
    }
  }

  /** Only what changes something asks the store; a password is hashed first, since that takes a while. */
  async #answerAuth(request: PlainRequest, signal: AbortSignal): Promise<PlainAnswer | KeysError> {
    if (request.method === "GET") {
      const access = await this.#keyspace.access(signal);
      return isKeysError(access) ? access : decideAuth(request, access, undefined).answer;
    }
    const password = passwordIn(request);
    const hash = password === undefined ? undefined : await this.#passwords.hash(password);
    const decided = await this.#keyspace.changeAccess(
      (access): AuthDecision => decideAuth(request, access, hash),
      signal,
    );
    return isKeysError(decided) ? decided : decided.answer;
  }

  /** What the keys could not do, as an answer of the endpoints besides them. */
  async #orFault<Answer extends PlainAnswer | boolean>(
    answer: () => Promise<Answer | KeysError>,
  ): Promise<Answer | PlainAnswer> {
    try {
      const answered = await answer();
      if (typeof answered === "object" && isKeysError(answered)) return message(500, answered.cause);
      return answered;
    } catch (error) {
      if (isFault(error)) return message(503, `argosy: ${error.message}`);
      throw error;
    }
  }

  #answerHealth(): PlainAnswer {
    const { connected } = this.#keyspace.status();
    if (connected) return { status: 200, type: plainText, text: '{"health":"true"}' };
    return { status: 503, type: plainText, text: '{"health":"false"}\n' };
  }

  #answerStore(): PlainAnswer {
    const { counts, watchers } = this.#keyspace.statistics();
    return json(200, { ...counts, watchers });
  }

  #answerSelf(cluster: Cluster): PlainAnswer {
    const { clock } = this.#env;
    const { leader } = cluster;
    if (this.#led === undefined || this.#led.leader !== leader) {
      this.#led = { leader, atMs: clock.now(), monotonicMs: clock.monotonic() };
    }
    return answerSelf(cluster, this.#startedAtMs, this.#led, clock.monotonic());
  }

  async #withCluster(answer: (cluster: Cluster) => PlainAnswer | Promise<PlainAnswer>): Promise<PlainAnswer> {
    try {
      return await answer(await this.#surroundings.cluster());
    } catch (error) {
      if (isFault(error)) return message(503, `argosy: ${error.message}`);
      throw error;
    }
  }

  #facts(): GatewayFacts {
    const { index, storeRevision, connected } = this.#keyspace.status();
    const program = this.#surroundings.processFacts();
    return { ...this.#keyspace.statistics(), index, storeRevision, connected, program };
  }
}
