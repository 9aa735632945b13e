import { Fault, isFault, sentenceOf } from "../lib/fault.ts";

/** One request to one endpoint. */
export interface ClientRequest {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Endpoint, escaped path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** Milliseconds until the head of the answer; undefined: no limit. */
  readonly headLimitMs: number | undefined;
  /** Milliseconds until the end of the answer; undefined: no limit. */
  readonly wholeLimitMs: number | undefined;
  readonly signal: AbortSignal;
}

export interface ClientResponse {
  readonly status: number;
  /** A header by its name in lower case; empty when absent. */
  header(name: string): string;
  readonly text: string;
}

/**
 * Carries one request. Throws Fault `not-connected` when no connection was made, `broken-connection` when it was lost,
 * `connection-ended` when the server closed it without an answer, `bad-certificate`, `head-late` and `answer-late` when a limit has passed, and the reason of `signal`. Every status is an answer.
 */
export type ClientTransport = (request: ClientRequest) => Promise<ClientResponse>;

/** What a client is made of. */
export interface ClientParts {
  readonly transport: ClientTransport;
  /** URLs without a path, tried in this order. */
  readonly endpoints: readonly string[];
  /** `Authorization` of every request; empty: none. */
  readonly authorization: string;
  readonly headLimitMs: number;
  /** Milliseconds that are left for the whole command; asked before each request. */
  readonly leftMs: () => number;
  /** Gets each request in curl's words. */
  readonly onRequest: (curl: string) => void;
  readonly signal: AbortSignal;
}

/** What to ask the cluster for; which endpoint answers does not matter. */
export interface Question {
  readonly method: ClientRequest["method"];
  /** Escaped, with its query. */
  readonly path: string;
  readonly form?: string;
  readonly json?: string;
  /** Waits for something to happen, so it has no limits of time. */
  readonly waits?: boolean;
  /** Has the time of one request to itself, whatever the others of the command took. */
  readonly alone?: boolean;
  /** Must not be tried a second time where the first may have been carried out. */
  readonly once?: boolean;
}

/** No endpoint answered; the message holds the trouble with each, as etcd 3.4's client words it. */
export class ClusterUnavailable extends Fault {
  readonly troubles: readonly string[];
  /** True when no endpoint could even be connected to. */
  readonly unconnected: boolean;
  /** True when every endpoint answered, and none of them serves the v2 API. */
  readonly withoutV2: boolean;

  constructor(troubles: readonly Error[]) {
    const texts = troubles.map(({ message }) => message);
    const list = texts.map((text, index) => `; error #${index}: ${text}\n`).join("");
    super("cluster-unavailable", `client: etcd cluster is unavailable or misconfigured${list}`);
    this.troubles = texts;
    this.withoutV2 = troubles.every((trouble) => isFault(trouble, "no-v2"));
    this.unconnected = troubles.every((trouble) => isFault(trouble, "not-connected", "broken-connection"));
  }
}

/** Redirections that are followed in a row. */
const mostRedirections = 10;

/**
 * A client of a cluster's v2 API: asks the endpoints in turn until one answers and then stays with it. Connection
 * errors and answers of 5xx count as no answer, and so does the 404 of a server that has no v2 API at all.
 */
export class ClusterClient {
  readonly #parts: ClientParts;
  #endpoints: readonly string[];
  #first = 0;

  constructor(parts: ClientParts) {
    this.#parts = parts;
    this.#endpoints = parts.endpoints;
  }

  get endpoints(): readonly string[] {
    return this.#endpoints;
  }

  /** Uses these endpoints from now on. */
  use(endpoints: readonly string[]): void {
    this.#endpoints = endpoints;
    this.#first = 0;
  }

  /** Throws ClusterUnavailable; Faults as `ClientTransport` for questions that are asked once; `out-of-time`. */
  async ask(question: Question): Promise<ClientResponse> {
    if (this.#endpoints.length === 0) throw new Fault("no-endpoints", "client: no endpoints available");
    const troubles: Error[] = [];
    for (let turn = 0; turn < this.#endpoints.length; turn++) {
      const index = (this.#first + turn) % this.#endpoints.length;
      const endpoint = this.#endpoints[index] ?? "";
      const tried = await this.#try(endpoint, question);
      if (!(tried instanceof Error)) {
        this.#first = index;
        return tried;
      }
      if (question.once === true && !isFault(tried, "no-v2")) throw tried;
      troubles.push(tried);
    }
    throw new ClusterUnavailable(troubles);
  }

  /** Asks one address and returns whatever it answers, for questions about that very member. */
  async askAt(url: string): Promise<ClientResponse> {
    return await this.#send(url, { method: "GET", path: "", alone: true });
  }

  async #try(endpoint: string, question: Question): Promise<ClientResponse | Error> {
    let answer: ClientResponse;
    try {
      answer = await this.#follow(endpoint, question);
    } catch (error) {
      this.#parts.signal.throwIfAborted();
      if (isFault(error, "head-late")) {
        return new Fault("head-late", `client: endpoint ${endpoint} exceeded header timeout`);
      }
      if (!isFault(error) || error.code === "answer-late") throw error;
      return error;
    }
    if (answer.status === 500 || answer.status === 503) {
      return new Fault("no-leader", `client: etcd member ${endpoint} has no leader`);
    }
    // What a server will never do, another one will not do either.
    if (answer.status > 501) {
      return new Fault(
        "server-error",
        `client: etcd member ${endpoint} returns server error [${answer.status}]`,
      );
    }
    if (answer.status === 404 && answer.text === "404 page not found\n") {
      return new Fault("no-v2", `client: ${endpoint} does not serve the v2 API`);
    }
    return answer;
  }

  async #follow(endpoint: string, question: Question): Promise<ClientResponse> {
    let url = endpoint.replace(/\/$/, "") + question.path;
    for (let hop = 0; hop <= mostRedirections; hop++) {
      const answer = await this.#send(url, question);
      const to = answer.status >= 300 && answer.status < 400 ? answer.header("location") : "";
      if (to === "") return answer;
      url = to.startsWith("/") ? endpoint.replace(/\/$/, "") + to : to;
    }
    throw new Fault("redirected", "client: too many redirects");
  }

  async #send(url: string, question: Question): Promise<ClientResponse> {
    const { transport, authorization, headLimitMs, leftMs, onRequest, signal } = this.#parts;
    const body = question.form ?? question.json;
    const data = body === undefined || body === "" ? "" : ` -d ${JSON.stringify(body)}`;
    onRequest(`curl -X ${question.method} ${url}${data}`);
    const left = question.alone === true ? headLimitMs : leftMs();
    if (question.waits !== true && left <= 0) throw outOfTime();
    try {
      return await transport({
        method: question.method,
        url,
        body,
        headers: {
          ...(authorization !== "" && { Authorization: authorization }),
          ...(question.form !== undefined && { "Content-Type": "application/x-www-form-urlencoded" }),
          ...(question.json !== undefined && { "Content-Type": "application/json" }),
        },
        headLimitMs: question.waits === true ? undefined : headLimitMs,
        wholeLimitMs: question.waits === true ? undefined : left,
        signal,
      });
    } catch (error) {
      throw isFault(error, "answer-late") ? outOfTime() : error;
    }
  }
}

function outOfTime(): Fault {
  return new Fault("answer-late", "context deadline exceeded");
}

/** The value in an answer. Throws Fault `not-json` for a server that is no etcd. */
export function jsonOf(answer: ClientResponse): unknown {
  try {
    return JSON.parse(answer.text) as unknown;
  } catch (error) {
    throw new Fault(
      "not-json",
      "client: response is invalid json. The endpoint is probably not valid etcd cluster endpoint",
      { cause: sentenceOf(error) },
    );
  }
}
