import { type Answer, Connection } from "./wire.ts";
import { expiringRequest, mayWait, requestBytes, type Request, type Step } from "./step.ts";

/** No answer takes so long, in ms, unless a server hangs. */
const answerLimitMs = 60_000;
/** An expiring key is gone by then: etcd sweeps twice a second. */
const expiryLimitMs = 60_000;

/** What one server did with one step. */
export interface Observation {
  readonly request: Request;
  readonly answer: Answer;
  /** What a watch was told after the key of an expiring step was written. */
  readonly expiry: Answer | undefined;
}

/** One of the two servers that are compared. */
export class Side {
  /** `http://HOST:PORT`. */
  readonly origin: string;
  #connection: Connection | undefined;

  constructor(origin: string) {
    this.origin = origin;
  }

  /** The server's present index. */
  async index(): Promise<number> {
    const answer = await this.#ask(simple("GET", "/v2/keys/_padding"), 0);
    const text = answer.head?.headers.get("x-etcd-index");
    if (text === undefined) throw new Error(`${this.origin} does not tell its index: ${answer.broken ?? ""}`);
    return Number(text);
  }

  /** Uses up `count` indices. */
  async pad(count: number): Promise<void> {
    for (let done = 0; done < count; done++) {
      const answer = await this.#ask(simple("PUT", "/v2/keys/_padding"), 0);
      if ((answer.head?.status ?? 500) >= 300)
        throw new Error(`${this.origin} takes no writes: ${answer.body}`);
    }
  }

  /** The keys at the top, but hidden ones. */
  async names(): Promise<readonly string[]> {
    const answer = await this.#ask(simple("GET", "/v2/keys/"), 0);
    const body = Buffer.from(answer.body, "latin1").toString("utf8");
    const { node } = JSON.parse(body) as { node: { nodes?: { key: string }[] } };
    return (node.nodes ?? []).map(({ key }) => key);
  }

  /** Carries the steps out, one after the other. Answers that wait stay open until `close`. */
  async run(steps: readonly Step[], startIndex: number): Promise<Run> {
    const observed: Observation[] = [];
    const opened: Connection[] = [];
    for (const step of steps) {
      const request = step.do === "ask" ? step : expiringRequest(step);
      const answer = mayWait(request)
        ? await this.#watch(request, startIndex, opened)
        : await this.#ask(request, startIndex);
      const expiry =
        step.do === "expire" ? await this.#expiry(request, answer, startIndex, opened) : undefined;
      observed.push({ request, answer, expiry });
    }
    return {
      observed,
      close: () => {
        for (const connection of opened) connection.close();
      },
    };
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #ask(request: Request, startIndex: number): Promise<Answer> {
    if (this.#connection === undefined || this.#connection.closed) {
      this.#connection = await Connection.open(this.origin);
    }
    const answer = this.#connection.send(requestBytes(request, startIndex), request.method);
    if (!(await answer.until(() => answer.over, answerLimitMs))) answer.break("no answer came");
    // Whoever says that it closes may take its time; the next request goes another way.
    if (answer.broken !== undefined || /close/i.test(answer.head?.headers.get("connection") ?? ""))
      this.close();
    return answer;
  }

  /** Resolves as soon as the head is there, and the body with it when the answer does not stay open. */
  async #watch(request: Request, startIndex: number, opened: Connection[]): Promise<Answer> {
    const connection = await Connection.open(this.origin);
    opened.push(connection);
    const answer = connection.send(requestBytes(request, startIndex), request.method);
    const isThere = (): boolean =>
      answer.over || (answer.head !== undefined && !answer.head.headers.has("content-length"));
    if (!(await answer.until(isThere, answerLimitMs))) answer.break("no answer came");
    return answer;
  }

  /** Waits for the first event of a key after it was written; undefined when it has no end. */
  async #expiry(
    request: Request,
    written: Answer,
    startIndex: number,
    opened: Connection[],
  ): Promise<Answer | undefined> {
    if (!written.body.includes('"expiration"')) return undefined;
    const [path = ""] = request.target.split("?");
    const next = Number(written.head?.headers.get("x-etcd-index") ?? "0") + 1;
    const watch = simple("GET", `${path}?wait=true&waitIndex=${next}`);
    const answer = await this.#watch(watch, startIndex, opened);
    if (!(await answer.until(() => answer.over, expiryLimitMs))) answer.break("the key did not expire");
    return answer;
  }
}

/** What became of a sequence of steps. */
export interface Run {
  readonly observed: readonly Observation[];
  readonly close: () => void;
}

export function simple(method: string, target: string): Request {
  return { method, target, body: "", contentType: undefined, chunked: false };
}
