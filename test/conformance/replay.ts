import { setTimeout as sleep } from "node:timers/promises";
import { sentenceOf } from "../../src/lib/fault.ts";
import { Client, type Answer, type OpenWatch } from "./client.ts";
import { differences, type Meaning } from "./compare.ts";
import { openIndices, type IndexMode } from "./indices.ts";
import type { RecordedResponse, Step, Transcript } from "./transcript.ts";

/** How long events are waited for when the transcript does not say it, in ms. */
const eventsLimitMs = 5_000;

type Of<Kind> = Extract<Step, { kind: Kind }>;

/** How a transcript is replayed. */
export interface Replay {
  readonly mode: IndexMode;
  /** Its own name at the top of the keys; nothing else may lie there. */
  readonly name: string;
}

/** Has a recorded conversation again with a server; a line for each step that went differently. */
export async function replay(
  transcript: Transcript,
  origin: string,
  how: Replay,
): Promise<readonly string[]> {
  const client = new Client(origin);
  const own = [`/${how.name}`, ...(transcript.cleanup ?? [])];
  try {
    await clear(client, transcript, own);
    const conversation = new Conversation(client, await firstMeaning(client, how));
    const found: string[] = [];
    for (const [at, step] of transcript.steps.entries()) {
      const [first, ...more] = await conversation.step(step).catch((error: unknown) => [sentenceOf(error)]);
      if (first === undefined) continue;
      const rest = more.length > 0 ? ` (and ${more.length} more)` : "";
      found.push(`step ${at + 1} of ${transcript.steps.length}, ${nameOf(step)}: ${first}${rest}`);
    }
    conversation.close();
    await clear(client, transcript, own);
    return found;
  } catch (error) {
    return [sentenceOf(error)];
  } finally {
    client.close();
  }
}

const unused: Meaning = { top: "", indices: openIndices("exact", 0), captured: new Map() };

/** Deletes what the transcript is about, so that nothing of it expires into the next one. */
async function clear(client: Client, { emptyRoot }: Transcript, own: readonly string[]): Promise<void> {
  const keys = [...own];
  if (emptyRoot === true) {
    const { text } = await client.ask({ path: "/v2/keys/" }, unused);
    const { node } = JSON.parse(text) as { node: { nodes?: readonly { key: string }[] } };
    keys.push(...(node.nodes ?? []).map(({ key }) => key));
  }
  for (const key of keys) {
    const path = `/v2/keys${key.split("/").map(encodeURIComponent).join("/")}`;
    await client.ask({ method: "DELETE", path, query: { recursive: "true" } }, unused);
  }
}

/** Indices in a transcript are counted from that of its beginning. */
async function firstMeaning(
  client: Client,
  { mode, name }: Replay,
): Promise<Meaning & { captured: Map<string, unknown> }> {
  const { headers } = await client.ask({ path: "/v2/keys/", query: { quorum: "true" } }, unused);
  const indices = openIndices(mode, Number(headers["x-etcd-index"]));
  return { top: name, indices, captured: new Map() };
}

class Conversation {
  readonly #client: Client;
  readonly #meaning: Meaning & { readonly captured: Map<string, unknown> };
  readonly #watches = new Map<string, OpenWatch>();

  constructor(client: Client, meaning: Meaning & { readonly captured: Map<string, unknown> }) {
    this.#client = client;
    this.#meaning = meaning;
  }

  /** What differs from the recording. */
  async step(step: Step): Promise<readonly string[]> {
    switch (step.kind) {
      case "repeat":
        return this.#repeat(step);
      case "sleep":
        await sleep(step.ms);
        return [];
      case "watch":
        return this.#watch(step);
      case "await":
        return this.#await(step, this.#watchOf(step.id));
      case "quiet":
        return quiet(step, this.#watchOf(step.id));
      case "close":
        this.#watchOf(step.id).close();
        return [];
      default:
        return this.#request(step);
    }
  }

  close(): void {
    for (const watch of this.#watches.values()) watch.close();
  }

  async #request(
    step: Extract<Step, { response: RecordedResponse; kind?: "request" }>,
  ): Promise<readonly string[]> {
    const untilMs = Date.now() + (step.poll?.timeoutMs ?? 0);
    for (;;) {
      const answer = await this.#client.ask(step.request, this.#meaning, step.timeoutMs);
      const found = this.#answerDifferences(step.response, answer);
      if (found.length === 0 && step.capture !== undefined) {
        this.#meaning.captured.set(step.capture, JSON.parse(answer.text));
      }
      if (found.length === 0 || Date.now() >= untilMs) return found;
      await sleep(step.poll?.everyMs);
    }
  }

  async #repeat({ request, count, status }: Of<"repeat">): Promise<readonly string[]> {
    const allowed = [status].flat();
    for (let time = 1; time <= count; time++) {
      const answer = await this.#client.ask(request, this.#meaning);
      if (!allowed.includes(answer.status ?? 0))
        return [`time ${time} of ${count}: status ${answer.status} came`];
    }
    return [];
  }

  async #watch({ id, request, response }: Of<"watch">): Promise<readonly string[]> {
    const watch = await this.#client.watch(request, this.#meaning);
    this.#watches.set(id, watch);
    return this.#headDifferences(response, watch, Date.now());
  }

  async #await(step: Of<"await">, watch: OpenWatch): Promise<readonly string[]> {
    const { events, end, timeoutMs = eventsLimitMs } = step;
    await watch.until(() => watch.ended || watch.waiting >= events.length, timeoutMs);
    const found = events.flatMap((event, at) => {
      const line = watch.take();
      if (line === undefined) return [`event ${at + 1} of ${events.length} did not come`];
      return differences(event, jsonOf(line.text), this.#meaning, line.atMs, "event");
    });
    if (end === true) {
      await watch.until(() => watch.ended, timeoutMs);
      if (!watch.ended) found.push("the answer goes on after its event");
      if (watch.waiting > 0) found.push(`${watch.waiting} events too many came`);
    }
    if (end === false && watch.ended) found.push("the answer is over after its event");
    return found;
  }

  #answerDifferences(recorded: RecordedResponse, answer: Answer): string[] {
    const { text, body } = recorded;
    const compare = (expected: unknown, came: unknown, where: string): string[] =>
      expected === undefined ? [] : differences(expected, came, this.#meaning, answer.atMs, where);
    return [
      ...this.#headDifferences(recorded, answer, answer.atMs),
      ...compare(text, answer.text, "text"),
      ...compare(body, jsonOf(answer.text), "body"),
    ];
  }

  /** Only headers that were recorded count; null means that there must be none. */
  #headDifferences(
    recorded: RecordedResponse,
    came: Pick<Answer, "status" | "headers">,
    atMs: number,
  ): string[] {
    const { status, headers = {} } = recorded;
    const wrongStatus = status !== undefined && status !== came.status;
    const wrongHeaders = Object.entries(headers).flatMap(([name, value]) =>
      differences(value ?? undefined, came.headers[name], this.#meaning, atMs, `header ${name}`),
    );
    return [...(wrongStatus ? [`status ${status} expected, ${came.status} came`] : []), ...wrongHeaders];
  }

  #watchOf(id: string): OpenWatch {
    const watch = this.#watches.get(id);
    if (watch === undefined) throw new Error(`the transcript speaks of a watch "${id}" that it never began`);
    return watch;
  }
}

async function quiet({ ms }: Of<"quiet">, watch: OpenWatch): Promise<readonly string[]> {
  await watch.until(() => watch.ended || watch.waiting > 0, ms);
  if (watch.waiting > 0) return ["an event came that was not to come"];
  return watch.ended ? ["the answer is over, though nothing happened"] : [];
}

function nameOf(step: Step): string {
  if (step.kind === "sleep") return "sleep";
  if ("request" in step)
    return `${step.kind ?? "request"} ${step.request.method ?? "GET"} ${step.request.path}`;
  return `${step.kind} ${step.id}`;
}

/** What a text holds as JSON; undefined when it is none. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
