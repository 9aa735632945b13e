import type { Env } from "../lib/env.ts";
import { isFault } from "../lib/fault.ts";
import { answerAuth } from "./auth.ts";
import type { Cluster } from "./cluster.ts";
import type { Keyspace } from "./keyspace.ts";
import { answerLogLevel, type KeysLogLevel } from "./log-level.ts";
import { answerMembers } from "./members.ts";
import { metricsText, variablesText, type GatewayFacts, type ProcessFacts } from "./metrics.ts";
import { json, message, plainText, type PlainAnswer, type PlainRequest } from "./plain-answer.ts";
import type { OtherRoute } from "./route.ts";
import { answerLeader, answerSelf, type Since } from "./statistics.ts";

/** The release of etcd whose v2 API this one follows; clients look at it to know what they may ask. */
const version = { etcdserver: "3.4.23", etcdcluster: "3.4.0" };

/** What the endpoints besides the keys tell of the gateway's surroundings. */
export interface Surroundings {
  /** Addresses of the v2 API that clients are told of, such as `http://127.0.0.1:4001`. */
  readonly clientUrls: readonly string[];
  /** Who keeps the store now; rejects with a Fault when nobody answers. */
  readonly cluster: () => Promise<Cluster>;
  readonly processFacts: () => ProcessFacts;
  readonly setLogLevel: (level: KeysLogLevel) => void;
}

/** The endpoints of an etcd member besides the keys. */
export class OtherEndpoints {
  readonly #env: Env;
  readonly #keyspace: Keyspace;
  readonly #surroundings: Surroundings;
  readonly #startedAtMs: number;
  /** The leader that was seen last, and since when. */
  #led: (Since & { readonly leader: string | undefined }) | undefined;

  constructor(env: Env, keyspace: Keyspace, surroundings: Surroundings) {
    this.#env = env;
    this.#keyspace = keyspace;
    this.#surroundings = surroundings;
    this.#startedAtMs = env.clock.now();
  }

  /** A store that does not answer is an answer as well: 503, with the reason. */
  async answer(route: OtherRoute, request: PlainRequest): Promise<PlainAnswer> {
    const { clientUrls, setLogLevel } = this.#surroundings;
    switch (route.to) {
      case "version":
        return json(200, version);
      case "health":
        return this.#answerHealth();
      case "machines":
        return { status: 200, type: plainText, text: clientUrls.join(", ") };
      case "members":
        return this.#withCluster((cluster) => answerMembers(request, cluster, clientUrls));
      case "auth":
        return answerAuth(request);
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

  async #withCluster(answer: (cluster: Cluster) => PlainAnswer): Promise<PlainAnswer> {
    try {
      return answer(await this.#surroundings.cluster());
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
