import { Fault, isFault } from "../lib/fault.ts";
import { type ClientResponse, type ClusterClient, jsonOf, type Question } from "./client.ts";
import { escapePath, formText } from "./client-text.ts";
import type { ShownNode } from "./model.ts";

/** A change or a reading, as the v2 API answers, with the index of the store it came from. */
export interface KeysResponse {
  readonly action: string;
  readonly node: ShownNode;
  readonly prevNode?: ShownNode;
  /** `X-Etcd-Index`. */
  readonly index: number;
}

export interface ReadOptions {
  readonly recursive: boolean;
  readonly sorted: boolean;
  readonly quorum: boolean;
}

export interface WriteOptions {
  /** Absent: a directory, or nothing to change about the value. */
  readonly value?: string;
  /** Seconds; 0 or less is not sent. */
  readonly ttl?: number;
  readonly directory?: boolean;
  readonly exists?: boolean;
  /** Conditions; empty or 0 is none. */
  readonly previousValue?: string;
  readonly previousIndex?: number;
}

export interface RemoveOptions {
  readonly directory: boolean;
  readonly recursive: boolean;
  readonly previousValue: string;
  readonly previousIndex: number;
}

/** What the server refused, with the number of the v2 API that code decides by. */
export class KeysRefusal extends Fault {
  /** Such as 100 (no such key), 101 (compare failed), 105 (there already). */
  readonly errorCode: number;

  constructor({ errorCode = 0, message = "", cause = "", index = 0 }: KeysBody) {
    super("keys-error", `${errorCode}: ${message} (${cause}) [${index}]`);
    this.errorCode = errorCode;
  }
}

/** Reads, writes and watches over a cluster. What the server refuses is thrown as KeysRefusal (Fault `keys-error`). */
export class KeysClient {
  readonly #cluster: ClusterClient;

  constructor(cluster: ClusterClient) {
    this.#cluster = cluster;
  }

  async get(key: string, { recursive, sorted, quorum }: ReadOptions): Promise<KeysResponse> {
    const query = { recursive: String(recursive), sorted: String(sorted), quorum: String(quorum) };
    return await this.#ask({ method: "GET", path: pathOf(key, query) });
  }

  async put(key: string, options: WriteOptions): Promise<KeysResponse> {
    const query = {
      ...(options.directory === true && { dir: "true" }),
      ...(options.exists !== undefined && { prevExist: String(options.exists) }),
      ...conditions(options),
    };
    const once = options.exists === false;
    return await this.#ask({ method: "PUT", path: pathOf(key, query), form: formOf(options), once });
  }

  /** Makes a key below `directory` whose name is the index of its creation. */
  async createInOrder(directory: string, options: WriteOptions): Promise<KeysResponse> {
    return await this.#ask({ method: "POST", path: pathOf(directory, {}), form: formOf(options) });
  }

  async remove(key: string, options: RemoveOptions): Promise<KeysResponse> {
    const query = {
      ...(options.directory && { dir: "true" }),
      ...(options.recursive && { recursive: "true" }),
      ...conditions(options),
    };
    return await this.#ask({ method: "DELETE", path: pathOf(key, query), once: true });
  }

  /**
   * Yields events for ever, each once, from the one after `afterIndex`; 0: from now on. Events between two questions
   * come from the server's history; when it has forgotten them the Fault `keys-error` says so (401).
   */
  async *watch(key: string, recursive: boolean, afterIndex: number): AsyncGenerator<KeysResponse, never> {
    let waitIndex = afterIndex > 0 ? afterIndex + 1 : 0;
    for (;;) {
      const query = { wait: "true", recursive: String(recursive), waitIndex: String(waitIndex) };
      let event: KeysResponse;
      try {
        event = await this.#ask({ method: "GET", path: pathOf(key, query), waits: true });
      } catch (error) {
        // A server that stops ends its watches with nothing; another one goes on with them.
        if (isFault(error, "empty-answer")) continue;
        throw error;
      }
      waitIndex = (event.node.modifiedIndex ?? 0) + 1;
      yield event;
    }
  }

  async #ask(question: Question): Promise<KeysResponse> {
    return responseOf(await this.#cluster.ask(question));
  }
}

function pathOf(key: string, query: Readonly<Record<string, string | undefined>>): string {
  const text = formText(query);
  return `/v2/keys${key.startsWith("/") ? "" : "/"}${escapePath(key)}${text === "" ? "" : `?${text}`}`;
}

function formOf({ value, ttl = 0 }: WriteOptions): string {
  return formText({ value, ...(ttl > 0 && { ttl: String(ttl) }) });
}

function conditions(options: Pick<WriteOptions, "previousValue" | "previousIndex">): Record<string, string> {
  const { previousValue = "", previousIndex = 0 } = options;
  return {
    ...(previousValue !== "" && { prevValue: previousValue }),
    ...(previousIndex !== 0 && { prevIndex: String(previousIndex) }),
  };
}

interface KeysBody {
  readonly action?: string;
  readonly node?: ShownNode | null;
  readonly prevNode?: ShownNode | null;
  readonly errorCode?: number;
  readonly message?: string;
  readonly cause?: string;
  readonly index?: number;
}

function responseOf(answer: ClientResponse): KeysResponse {
  if (answer.status <= 201 && answer.text === "") {
    throw new Fault("empty-answer", "client: response body is empty");
  }
  const body = (jsonOf(answer) ?? {}) as KeysBody;
  if (answer.status > 201) throw new KeysRefusal(body);
  return {
    action: body.action ?? "",
    node: body.node ?? {},
    ...(body.prevNode !== undefined && body.prevNode !== null && { prevNode: body.prevNode }),
    index: Number(answer.header("x-etcd-index")),
  };
}
