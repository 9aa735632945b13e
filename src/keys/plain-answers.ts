import { assert } from "../lib/assert.ts";
import type { Env } from "../lib/env.ts";
import { sentenceOf } from "../lib/fault.ts";
import { actionText, answerText, errorText, sharedEventChunk, statusOfAnswer } from "./encode.ts";
import { isKeysError, keysError, statusOfError, type KeysError } from "./errors.ts";
import { joinForms, parseForm } from "./form.ts";
import type { Gate } from "./gate.ts";
import type { Answer, Keyspace, Watch } from "./keyspace.ts";
import type { ReadOperation, WatchOperation, WriteOperation } from "./model.ts";
import type { PlainReply, PlainService } from "./plain-connection.ts";
import type { PlainRequest } from "./plain-request.ts";
import { readRequest, type KeysRequest } from "./request.ts";

/**
 * Answers requests for keys that came in the plain form, in the words in which `KeysApi` answers all others, with the least work: this
 * is what applications ask all day.
 */
export class PlainAnswers implements PlainService {
  readonly #env: Env;
  readonly #keyspace: Keyspace;
  readonly #gate: Gate;
  readonly idleMs: number;
  readonly #originHeaders: string;
  readonly #keptHeaders: string;
  /** The header of this name, and the second that it tells. */
  #date = "";
  #dateSeconds = -1;

  /**
   * @param originHeaders headers of every answer
   * @param idleMs how long a connection may be silent between two requests
   */
  constructor(
    env: Env,
    keyspace: Keyspace,
    gate: Gate,
    originHeaders: Readonly<Record<string, string>>,
    idleMs: number,
  ) {
    this.#env = env;
    this.#keyspace = keyspace;
    this.#gate = gate;
    this.idleMs = idleMs;
    this.#originHeaders = linesOf(originHeaders);
    this.#keptHeaders = linesOf({ Connection: "keep-alive", "Keep-Alive": `timeout=${idleMs / 1000}` });
  }

  /** The time, and what becomes of the connection, as Node tells them. */
  lastHeaders(closes: boolean): string {
    const seconds = Math.floor(this.#env.clock.now() / 1000);
    if (seconds !== this.#dateSeconds) {
      this.#dateSeconds = seconds;
      this.#date = linesOf({ Date: new Date(seconds * 1000).toUTCString() });
    }
    return this.#date + (closes ? linesOf({ Connection: "close" }) : this.#keptHeaders);
  }

  /** Answers, now or later; false, having done nothing, for what is not for this way: streams, and all while users count. */
  answer(request: PlainRequest, reply: PlainReply): boolean {
    try {
      if (!this.#gate.isOpen()) return false;
      const wanted = this.#wantedBy(request);
      if (isKeysError(wanted)) this.#sendError(reply, wanted);
      else if (wanted.operation.do === "watch") return this.#watch(wanted.operation, reply);
      else if (wanted.operation.do === "read") this.#read(wanted.operation, reply);
      else this.#write(wanted, reply);
    } catch (error) {
      this.#fail(reply, error);
    }
    return true;
  }

  #wantedBy({ method, path, query, body }: PlainRequest): KeysRequest | KeysError {
    if (method === "GET" && query === "") {
      const operation: ReadOperation = { do: "read", path, recursive: false, sorted: false, quorum: false };
      return { operation, actionOnly: false, recursive: false };
    }
    const value = method === "PUT" && query === "" ? plainValue.exec(body)?.[1] : undefined;
    if (value !== undefined) {
      const content = { path, value, deadlineMs: undefined };
      const operation: WriteOperation = { do: "set", ...content, directory: false, refresh: false };
      return { operation, actionOnly: false, recursive: false };
    }
    return readRequest(method, path, joinForms(parseForm(body), parseForm(query)), this.#env.clock.now());
  }

  #read(operation: ReadOperation, reply: PlainReply): void {
    const answer = this.#keyspace.read(operation, toItsEnd);
    if (answer instanceof Promise) this.#sendLater(reply, answer, answerText);
    else this.#sendAnswer(reply, answer, answerText);
  }

  #write({ operation, actionOnly }: KeysRequest, reply: PlainReply): void {
    if (operation.do === "read" || operation.do === "watch") return;
    this.#sendLater(reply, this.#keyspace.write(operation), actionOnly ? actionText : answerText);
  }

  #watch(operation: WatchOperation, reply: PlainReply): boolean {
    if (operation.stream) return false;
    const watch = this.#keyspace.watch(operation, toItsEnd);
    assert(!(watch instanceof Promise), "where users are known the keys are");
    if (isKeysError(watch)) this.#sendError(reply, watch);
    else this.#wait(watch, reply);
    return true;
  }

  #wait(watch: Watch, reply: PlainReply): void {
    const headers = `${this.#keysHeaders(watch.index)}Content-Type: application/json\r\n`;
    const finish = reply.begin(200, headers, () => watch.close());
    watch.whenTold((event) => finish(event && sharedEventChunk(event)));
  }

  #sendLater(
    reply: PlainReply,
    coming: Promise<Answer | KeysError>,
    textOf: (answer: Answer) => string,
  ): void {
    coming.then(
      (answer) => this.#sendAnswer(reply, answer, textOf),
      (error: unknown) => this.#fail(reply, error),
    );
  }

  #sendAnswer(reply: PlainReply, answer: Answer | KeysError, textOf: (answer: Answer) => string): void {
    if (isKeysError(answer)) return this.#sendError(reply, answer);
    const headers = `${this.#keysHeaders(answer.index)}Content-Type: application/json\r\n`;
    reply.send(statusOfAnswer(answer), headers, textOf(answer));
  }

  #sendError(reply: PlainReply, error: KeysError): void {
    const { clusterId } = this.#keyspace.status();
    const headers = `${this.#originHeaders}X-Etcd-Cluster-Id: ${clusterId}\r\nX-Etcd-Index: ${error.index}\r\nContent-Type: application/json\r\n`;
    reply.send(statusOfError(error), headers, errorText(error));
  }

  #fail(reply: PlainReply, error: unknown): void {
    this.#env.log.error("A request to the v2 keys failed.", { why: sentenceOf(error) });
    this.#sendError(reply, keysError(300, "argosy: internal error, see the log of etcd.service"));
  }

  #keysHeaders(index: number): string {
    const { clusterId, storeRevision, storeTerm } = this.#keyspace.status();
    return `${this.#originHeaders}X-Etcd-Cluster-Id: ${clusterId}\r\nX-Etcd-Index: ${index}\r\nX-Raft-Index: ${storeRevision}\r\nX-Raft-Term: ${storeTerm}\r\n`;
  }
}

/** A form that is nothing but a value, which means what it says. */
const plainValue = /^value=([\w.,:/-]*)$/;

/** Headers as they are sent. */
function linesOf(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
}

/** Reads and writes are carried out even if their client goes away; the keyspace limits their time. */
const toItsEnd = new AbortController().signal;
