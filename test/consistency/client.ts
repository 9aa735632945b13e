// Runs on a machine of the lab, on its own, as `node client.ts MACHINE LOG SEED`: clients that ask the keys API of their
// own machine all the time and write down each call before it is sent and each end when it is known. The clock is the
// kernel's monotonic one, which all machines of a lab share. It runs until it is killed.

import { appendFileSync } from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Request, Result } from "./history.ts";

const clientsPerMachine = 3;
const keys = ["/register/a", "/register/b", "/register/c", "/register/d"];
/** Longer than an election, so that most changes come to a known end. */
const answerLimitMs = 6_000;
const mostPauseMs = 60;

const [machine = "", log = "", seed = "0"] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true });
/** What the clients of this machine last saw in each key, to have something to compare with. */
const lastSeen = new Map<string, string>();

interface Answer {
  readonly status: number;
  readonly index: number;
  readonly body: {
    errorCode?: number;
    cause?: string;
    node?: { value?: string };
    prevNode?: { value?: string };
  };
}

for (let client = 1; client <= clientsPerMachine; client += 1) void run(client);

async function run(client: number): Promise<void> {
  for (let count = 1; ; count += 1) {
    const key = keys[Math.floor(Math.random() * keys.length)] ?? "";
    // Unlike any other value of the whole history, also after a reboot.
    const value = `${machine}.${seed}.${client}.${count}`;
    if (Math.random() < 0.2) await readLocally(client, key);
    else await operate(client, key, chooseRequest(key, value));
    await sleep(Math.random() * mostPauseMs);
  }
}

function chooseRequest(key: string, value: string): Request {
  const expected = lastSeen.get(key);
  const dice = Math.random();
  if (dice < 0.4) return { kind: "read" };
  if (expected === undefined || dice < 0.65) return { kind: "write", value };
  if (dice < 0.92) return { kind: "swap", expected, value };
  return { kind: "delete", expected };
}

async function operate(client: number, key: string, request: Request): Promise<void> {
  const calledAt = now();
  note({ client, calledAt, key, request });
  const answer = await ask(...asHttp(key, request));
  const result = answer === "unsent" ? answer : outcome(request, answer);
  note({ client, calledAt, key, request, endedAt: now(), result });
  if (result === "unsent" || result.kind === "unknown") return;
  const value = result.kind === "done" && "value" in request ? request.value : result.before;
  if (value === undefined || (result.kind === "done" && request.kind === "delete")) lastSeen.delete(key);
  else lastSeen.set(key, value);
}

function asHttp(key: string, request: Request): [method: string, path: string, body?: string] {
  const path = `/v2/keys${key}`;
  switch (request.kind) {
    case "read":
      return ["GET", `${path}?quorum=true`];
    case "write":
      return ["PUT", path, `value=${request.value}`];
    case "swap":
      return ["PUT", path, `value=${request.value}&prevValue=${request.expected}`];
    case "delete":
      return ["DELETE", `${path}?prevValue=${request.expected}`];
  }
}

/** etcd v2 API: 100 key not found; 101 compare failed, with the cause `[EXPECTED != ACTUAL]`. Anything else is no answer. */
function outcome(request: Request, answer: Answer | undefined): Result {
  if (answer === undefined) return { kind: "unknown" };
  const { status, body } = answer;
  if (status === 200 || status === 201) {
    const before = request.kind === "read" ? body.node?.value : body.prevNode?.value;
    return { kind: "done", before };
  }
  if (status === 404 && body.errorCode === 100)
    return { kind: request.kind === "read" ? "done" : "refused", before: undefined };
  if (status === 412 && body.errorCode === 101) {
    const actual = /^\[.* != (.*)\]$/.exec(body.cause ?? "")?.[1];
    if (actual !== undefined) return { kind: "refused", before: actual };
  }
  return { kind: "unknown" };
}

async function readLocally(client: number, key: string): Promise<void> {
  const calledAt = now();
  const answer = await ask("GET", `/v2/keys${key}`);
  if (answer === undefined || answer === "unsent") return;
  if (answer.status === 200 || answer.status === 404)
    note({ client, calledAt, endedAt: now(), local: true, index: answer.index });
}

/** `unsent` when it is certain that nothing was asked; undefined when there is no whole answer in time. */
function ask(method: string, path: string, body?: string): Promise<Answer | "unsent" | undefined> {
  return new Promise((resolve) => {
    const headers = body === undefined ? {} : { "Content-Type": "application/x-www-form-urlencoded" };
    const request = httpRequest({ host: "127.0.0.1", port: 4001, method, path, headers, agent });
    request.setTimeout(answerLimitMs, () => request.destroy());
    request.on("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code === "ECONNREFUSED" ? "unsent" : undefined),
    );
    request.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
      });
      response.on("error", () => resolve(undefined));
      response.on("end", () => {
        const index = Number(response.headers["x-etcd-index"]);
        const answer = bodyOf(text);
        resolve(answer && { status: response.statusCode ?? 0, index, body: answer });
      });
    });
    request.end(body);
  });
}

/** Undefined when the text is not JSON, because it was cut off. */
function bodyOf(text: string): Answer["body"] | undefined {
  try {
    return JSON.parse(text) as Answer["body"];
  } catch {
    return undefined;
  }
}

function note(line: object): void {
  appendFileSync(log, `${JSON.stringify({ machine, ...line })}\n`);
}

/** Nanoseconds; exact for 104 days after the machine that runs the lab was booted. */
function now(): number {
  return Number(process.hrtime.bigint());
}
