import type { Observation } from "./side.ts";
import type { Request } from "./step.ts";
import type { Answer } from "./wire.ts";

/** keptDifferences.instants: what clocks of two servers may be apart besides the time that a sequence took, in ms. */
const clockSlackMs = 1_000;

/** Headers whose values have to be equal; that one is absent counts as a value. */
const exactHeaders = [
  "access-control-allow-headers",
  "access-control-allow-methods",
  "access-control-allow-origin",
  "allow",
  "content-type",
  "location",
  "x-etcd-index",
];

/** keptDifferences.cluster: headers that have to be on both or on none, since their values tell the servers apart. */
const presentHeaders = ["x-etcd-cluster-id", "x-raft-index", "x-raft-term"];

/**
 * How `ours` differs from `theirs`, one line each; nothing when they are alike.
 * @param elapsedMs since both servers were asked the first step: lifetimes began at any moment between
 */
export function differencesOf(theirs: Observation, ours: Observation, elapsedMs: number): string[] {
  const found = answerDifferences(theirs.request, theirs.answer, ours.answer, elapsedMs);
  if (theirs.expiry !== undefined || ours.expiry !== undefined) {
    const [expected, came] = [theirs.expiry ?? nothing, ours.expiry ?? nothing];
    found.push(
      ...answerDifferences(theirs.request, expected, came, elapsedMs)
        // keptDifferences.expiry: etcd sweeps twice a second, so the watch begins before the expiry or after it.
        .filter((line) => !line.startsWith("header x-etcd-index:"))
        .map((line) => `expiry: ${line}`),
    );
  }
  return found;
}

type Value = string | number | boolean | undefined;
type Shown = Pick<Answer, "head" | "body" | "broken" | "complete">;

const nothing: Shown = { head: undefined, body: "", broken: "nothing was asked", complete: true };

function answerDifferences(request: Request, theirs: Shown, ours: Shown, elapsedMs: number): string[] {
  const found: string[] = [];
  const compare = (what: string, expected: Value, came: Value): void => {
    if (expected === came) return;
    found.push(`${what}: etcd ${brief(expected)}, Argosy ${brief(came)}`);
  };
  compare("status", theirs.head?.status, ours.head?.status);
  compare("complete", theirs.complete, ours.complete);
  for (const name of exactHeaders) {
    compare(`header ${name}`, theirs.head?.headers.get(name), ours.head?.headers.get(name));
  }
  for (const name of presentHeaders) {
    compare(`header ${name} is there`, theirs.head?.headers.has(name), ours.head?.headers.has(name));
  }
  const [expected, came] = [bodyLines(request, theirs), bodyLines(request, ours)];
  for (let at = 0; at < Math.max(expected.length, came.length); at++) {
    compareLine(expected[at], came[at], compare, elapsedMs + clockSlackMs);
  }
  return found;
}

/** Bodies line by line, for a stream has one for each event. keptDifferences.cluster: what members tell is no matter. */
function bodyLines(request: Request, { body, head }: Shown): string[] {
  const [path = ""] = request.target.split("?");
  const isOwn = /^\/(version|health|metrics|debug|v2\/(machines|members|stats))/.test(path);
  if (isOwn && head?.status === 200) return [];
  const lines = body.split("\n");
  return asksForOrder(request) ? lines : lines.map(inOrder);
}

/** Whether the first `sorted` of a query, which is the one that counts, is true. */
function asksForOrder({ target }: Request): boolean {
  const [, text = ""] = /[?&]sorted=([^&]*)/.exec(target) ?? [];
  return ["1", "t", "T", "TRUE", "true", "True"].includes(text);
}

/** The values that differ by nature are taken out of the texts and compared by themselves. */
function compareLine(
  theirs: string | undefined,
  ours: string | undefined,
  compare: (what: string, expected: Value, came: Value) => void,
  slackMs: number,
): void {
  if (theirs === ours) return;
  const [expected, came] = [timesIn(theirs ?? ""), timesIn(ours ?? "")];
  compare(
    "body",
    theirs === undefined ? undefined : expected.text,
    ours === undefined ? undefined : came.text,
  );
  for (const [at, time] of expected.expirations.entries()) {
    const other = came.expirations[at];
    if (other === undefined) continue;
    if (!(Math.abs(time - other) <= slackMs)) {
      compare("expiration", new Date(time).toISOString(), new Date(other).toISOString());
    }
  }
  for (const [at, ttl] of expected.lifetimes.entries()) {
    const other = came.lifetimes[at];
    // Seconds are rounded up, so one more may have begun between the two.
    if (other !== undefined && Math.abs(ttl - other) > 1 + slackMs / 1000) compare("ttl", ttl, other);
  }
}

function timesIn(text: string): { text: string; expirations: number[]; lifetimes: number[] } {
  const expirations: number[] = [];
  const lifetimes: number[] = [];
  const masked = text
    .replaceAll(/"expiration":"([^"]+)"/g, (_, time: string) => {
      expirations.push(Date.parse(time));
      return `"expiration":"..."`;
    })
    .replaceAll(/"ttl":(-?\d+)/g, (_, seconds: string) => {
      lifetimes.push(Number(seconds));
      return `"ttl":...`;
    });
  return { text: masked, expirations, lifetimes };
}

/** keptDifferences.order: etcd lists a directory in an order of chance unless `sorted` asks for one. */
function inOrder(text: string): string {
  if (!text.includes('"nodes":')) return text;
  try {
    return JSON.stringify(sorted(JSON.parse(text)));
  } catch {
    return text;
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, content]) => [name, sorted(content)]));
}

function keyOf(node: unknown): string {
  return typeof node === "object" && node !== null && "key" in node ? String(node.key) : "";
}

function brief(value: Value): string {
  if (value === undefined) return "nothing";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 600 ? `${text.slice(0, 600)}…` : text;
}
